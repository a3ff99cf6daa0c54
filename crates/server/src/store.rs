//! Opens the store for a command: whichever database it is in, as the ports that everything else knows.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use domain::audit_log::AuditLog;
use domain::economy::{EconomyReads, EconomyStore, LedgerAudit};
use domain::keys::{KeyRing, KeyStore, Keys};
use domain::lobbies::{EventStore, LeaderboardStore, LobbyReads, PlayRecords, PlayStore, RankingReads};
use domain::players::{InstallationSecret, PlayerReads, PlayerStore};
use domain::store::StoreHealth;
use domain::tenancy::{Directory, Tenancy};
use domain::webhooks::{Deliveries, EndpointStore, EventFeed, Outbox, WebhookPorts};
use outbound::{HttpCourier, SealingVault};
use persistence::postgres::{self, PostgresAddress, PostgresStore};
use persistence::sqlite::{self, SqliteStore};
use persistence::{FileSizes, PoolState, StoreObserver};

use crate::config::{Database, Settings, WebhookSettings};
use crate::observe::Observer;
use crate::system::{SystemClock, SystemIds};

/// What a command does about a store that is not there, or not as this version needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfAbsent {
    /// Make the file of an embedded store, with its schema. PostgreSQL's schema is never changed unasked.
    Create,
    /// Make it on PostgreSQL too.
    Migrate,
    /// Refuse.
    Refuse,
}

/// An open store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    /// Settles batches.
    pub(crate) economy: Arc<dyn EconomyStore>,
    /// Reads balances, ledgers and grants.
    pub(crate) reads: Arc<dyn EconomyReads>,
    /// Reads profiles.
    pub(crate) players: Arc<dyn PlayerReads>,
    /// Changes players.
    pub(crate) lives: Arc<dyn PlayerStore>,
    /// Keeps the audit log.
    pub(crate) audit_log: Arc<dyn AuditLog>,
    /// Keeps the configuration of events.
    pub(crate) events: Arc<dyn EventStore>,
    /// Keeps the configuration of leaderboards.
    pub(crate) leaderboards: Arc<dyn LeaderboardStore>,
    /// Keeps lobbies, attempts and rankings.
    pub(crate) play: Arc<dyn PlayStore>,
    /// Reads lobbies.
    pub(crate) lobbies: Arc<dyn LobbyReads>,
    /// Reads rankings.
    pub(crate) rankings: Arc<dyn RankingReads>,
    /// Reads what players have played.
    pub(crate) records: Arc<dyn PlayRecords>,
    /// Keeps webhook endpoints.
    pub(crate) endpoints: Arc<dyn EndpointStore>,
    /// Keeps the outbox.
    pub(crate) outbox: Arc<dyn Outbox>,
    /// Reads deliveries, and queues them again.
    pub(crate) deliveries: Arc<dyn Deliveries>,
    /// Reads events that are kept.
    pub(crate) feed: Arc<dyn EventFeed>,
    /// Keeps API keys.
    pub(crate) keys: Arc<dyn KeyStore>,
    /// Keeps studios and games.
    pub(crate) directory: Arc<dyn Directory>,
    /// Audits the books.
    pub(crate) audit: Arc<dyn LedgerAudit>,
    /// Tells whether the store can be used.
    pub(crate) health: Arc<dyn StoreHealth>,
    /// How many batches it can settle at once.
    pub(crate) lanes: usize,
    embedded: Option<SqliteStore>,
    shared: Option<PostgresStore>,
}

impl Store {
    fn sqlite(store: &SqliteStore) -> Self {
        // One lane: SQLite has one writer.
        Self { embedded: Some(store.clone()), ..Self::of(Arc::new(store.clone()), 1) }
    }

    fn of<S>(store: Arc<S>, lanes: usize) -> Self
    where
        S: EconomyStore + EconomyReads + PlayerReads + PlayerStore + AuditLog + 'static,
        S: KeyStore + Directory + LedgerAudit + StoreHealth,
        S: EventStore + LeaderboardStore + PlayStore + LobbyReads + RankingReads + PlayRecords,
        S: EndpointStore + Outbox + Deliveries + EventFeed,
    {
        Self {
            economy: store.clone(),
            reads: store.clone(),
            players: store.clone(),
            lives: store.clone(),
            audit_log: store.clone(),
            events: store.clone(),
            leaderboards: store.clone(),
            play: store.clone(),
            lobbies: store.clone(),
            rankings: store.clone(),
            records: store.clone(),
            endpoints: store.clone(),
            outbox: store.clone(),
            deliveries: store.clone(),
            feed: store.clone(),
            keys: store.clone(),
            directory: store.clone(),
            audit: store.clone(),
            health: store,
            lanes,
            embedded: None,
            shared: None,
        }
    }

    /// How its connections stand.
    pub(crate) fn pools(&self) -> Vec<PoolState> {
        let embedded = self.embedded.iter().flat_map(SqliteStore::pools);
        embedded.chain(self.shared.iter().flat_map(PostgresStore::pools)).collect()
    }

    /// How large its files are, if it is embedded and the system tells.
    pub(crate) fn file_sizes(&self) -> Option<FileSizes> {
        self.embedded.as_ref()?.file_sizes().ok()
    }

    /// Whether it is a file.
    pub(crate) fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// Leaves the store in order, for a stop.
    pub(crate) async fn close(&self) -> anyhow::Result<()> {
        match &self.embedded {
            Some(store) => store.checkpoint().await.context("cannot close the store in order"),
            None => Ok(()),
        }
    }
}

/// Opens the store of `settings` with its schema in place.
pub(crate) async fn open(settings: &Settings, if_absent: IfAbsent) -> anyhow::Result<Store> {
    match &settings.database {
        Database::Sqlite(path) => open_sqlite(path, if_absent),
        Database::Postgres(address) => open_postgres(settings, address, if_absent).await,
    }
}

fn open_sqlite(path: &Path, if_absent: IfAbsent) -> anyhow::Result<Store> {
    let context = || format!("cannot open {}", path.display());
    match if_absent {
        IfAbsent::Create | IfAbsent::Migrate => {
            create_folder(path)?;
            log_applied(&sqlite::Migrations::of(path).up().with_context(context)?);
        }
        IfAbsent::Refuse => {
            if !path.exists() {
                bail!("there is no store at {}; `purser serve` or `purser migrate up` makes one", path.display());
            }
            let states = sqlite::Migrations::of(path).status().with_context(context)?;
            if states.iter().any(|state| !state.applied) {
                bail!("{} lacks migrations that this version needs; run `purser migrate up`", path.display());
            }
        }
    }
    let observer: Arc<dyn StoreObserver> = Arc::new(Observer);
    Ok(Store::sqlite(&SqliteStore::open_observed(path, &observer).with_context(context)?))
}

async fn open_postgres(settings: &Settings, address: &PostgresAddress, if_absent: IfAbsent) -> anyhow::Result<Store> {
    let context = || format!("cannot open {address}");
    let migrations = postgres::Migrations::of(address);
    match if_absent {
        IfAbsent::Migrate => log_applied(&migrations.up().await.with_context(context)?),
        IfAbsent::Create | IfAbsent::Refuse => {
            let states = migrations.status().await.with_context(context)?;
            if states.iter().any(|state| !state.applied) {
                bail!(
                    "{address} lacks migrations that this version needs; run `purser migrate up`, or serve with --migrate"
                );
            }
        }
    }
    let store = PostgresStore::observed(address, settings.postgres, Arc::new(Observer)).with_context(context)?;
    Ok(Store { shared: Some(store.clone()), ..Store::of(Arc::new(store), settings.postgres.lanes) })
}

fn log_applied(names: &[String]) {
    for name in names {
        tracing::debug!(migration = name, "applied");
    }
}

/// Makes the folder that holds the database file, for its owner only where the system knows owners.
pub(crate) fn create_folder(database: &Path) -> anyhow::Result<()> {
    let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    if folder.exists() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| format!("cannot create the folder {}", folder.display()))
}

/// The use cases of studios and games on `store`.
pub(crate) fn tenancy(store: &Store) -> Tenancy {
    Tenancy::new(Arc::clone(&store.directory), Arc::new(SystemClock), Arc::new(SystemIds))
}

/// What the use cases of webhooks stand on: `store`, the network as far as `settings` allow, and a vault that only this
/// installation's `secret` opens.
///
/// # Errors
/// When the system offers no way to trust a server.
pub(crate) fn webhook_ports(
    store: &Store,
    secret: &InstallationSecret,
    settings: &WebhookSettings,
) -> anyhow::Result<WebhookPorts> {
    Ok(WebhookPorts {
        endpoints: Arc::clone(&store.endpoints),
        deliveries: Arc::clone(&store.deliveries),
        feed: Arc::clone(&store.feed),
        courier: Arc::new(HttpCourier::new(settings.allow.clone()).context("cannot set up webhooks")?),
        vault: Arc::new(SealingVault::new(secret.key_for("webhooks"))),
    })
}

/// The use cases of keys on `store`, and the ring that checks them.
pub(crate) fn keys(store: &Store) -> (Keys, Arc<KeyRing>) {
    let ring = Arc::new(KeyRing::new(Arc::clone(&store.keys), Arc::new(SystemClock)));
    let keys = Keys::new(Arc::clone(&store.keys), Arc::clone(&ring), Arc::new(SystemClock), Arc::new(SystemIds));
    (keys, ring)
}
