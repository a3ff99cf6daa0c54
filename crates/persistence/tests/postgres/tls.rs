//! Encrypted connections: used when the URL asks, and never to a server that cannot prove its name.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use persistence::postgres::{Migrations, PostgresAddress, PostgresOptions};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use testcluster::{Cluster, Options, Programs};

use crate::fixture::stores;
use crate::outside::Outside;

/// A cluster that offers TLS with a certificate for 127.0.0.1, and the authorities that did and did not sign it.
struct Encrypted {
    cluster: Cluster,
    folder: TempDir,
}

impl Encrypted {
    async fn start() -> Self {
        let programs = Programs::find().expect("PostgreSQL's programs");
        let cluster = Cluster::start(&programs, Options::shared()).expect("a cluster");
        let this = Self { cluster, folder: tempfile::tempdir().expect("a temporary folder") };
        let authority = this.authority("right");
        this.authority("wrong");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &authority).expect("signed");
        this.put("server.crt", &certificate.pem());
        this.put("server.key", &key.serialize_pem());
        let mut outside = Outside::connect(&this.cluster.url("postgres")).await;
        outside.execute("ALTER SYSTEM SET ssl = on").await;
        outside.execute("SELECT pg_reload_conf()").await;
        while outside.texts("SELECT setting AS text FROM pg_settings WHERE name = 'ssl'").await != ["on"] {
            tokio::task::yield_now().await;
        }
        this
    }

    /// Makes an authority, whose certificate is in the file of that name.
    fn authority(&self, name: &str) -> Issuer<'static, KeyPair> {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("signed");
        fs::write(self.certificate_of(name), certificate.pem()).expect("written");
        Issuer::new(params, key)
    }

    fn certificate_of(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.pem"))
    }

    /// Puts a file among the cluster's data, as the cluster's own.
    fn put(&self, name: &str, text: &str) {
        let folder = self.cluster.data_folder();
        let owner = fs::metadata(&folder).expect("the data folder");
        let path = folder.join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        chown(&path, Some(owner.uid()), Some(owner.gid())).expect("given away");
    }

    /// The URL with parameters about TLS, trusting the authority in `certificate`.
    fn url(&self, mode: &str, certificate: &Path) -> String {
        format!("{}?sslmode={mode}&sslrootcert={}", self.cluster.url("postgres"), certificate.display())
    }
}

/// How connecting to `url` ends, with all causes.
async fn tried(url: &str) -> Result<(), String> {
    let address = PostgresAddress::parse(url).expect("a valid URL");
    match Migrations::of(&address).status().await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{error:?}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted_when_the_url_asks_and_the_server_proves_its_name() {
    let encrypted = Encrypted::start().await;
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = encrypted.url(mode, &encrypted.certificate_of("right"));
        Migrations::of(&PostgresAddress::parse(&url).expect("a valid URL")).up().await.expect("migrated");
        let store = stores(&url, PostgresOptions::default());
        store.health.check().await.expect("healthy");
        let sessions = "SELECT DISTINCT ssl::text AS text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE application_name = 'purser'";
        let mut outside = Outside::connect(&encrypted.cluster.url("postgres")).await;
        assert_eq!(outside.texts(sessions).await, ["true"], "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_prove_its_name_is_refused() {
    let encrypted = Encrypted::start().await;
    for mode in ["require", "verify-ca", "verify-full"] {
        let wrong_authority = tried(&encrypted.url(mode, &encrypted.certificate_of("wrong"))).await;
        let error = wrong_authority.expect_err("it is not signed by an authority that is trusted");
        assert!(error.contains("UnknownIssuer") || error.contains("BadSignature"), "{mode}: {error}");
        let by_name = encrypted.url(mode, &encrypted.certificate_of("right")).replace("127.0.0.1", "localhost");
        let error = tried(&by_name).await.expect_err("its certificate is for another name");
        assert!(error.contains("NotValidForName") || error.contains("not valid for name"), "{mode}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_not_spoken_to_in_clear_when_the_url_asks_for_tls() {
    let url = format!("{}?sslmode=require", testcluster::server_url());
    let error = tried(&url).await.expect_err("it offers no TLS");
    assert!(error.to_lowercase().contains("tls"), "{error}");
}
