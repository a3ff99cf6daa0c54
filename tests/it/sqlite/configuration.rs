//! Settings from options, the environment and a file, and what is wrong with them in one line.

use std::net::TcpListener;
use std::path::Path;

use crate::harness::program::{Home, Serving, key_in, program};

#[tokio::test]
async fn a_bad_option_stops_the_start_with_one_line() {
    let home = Home::new().await;
    for (arguments, named) in [
        (&["--listen", "nonsense"][..], "--listen"),
        (&["--listen", "127.0.0.1:99999"], "--listen"),
        (&["--queue-depth", "0"], "--queue-depth"),
        (&["--queue-depth", "many"], "--queue-depth"),
        (&["--workers", "0"], "--workers"),
        (&["--rate-limit-server-api", "many"], "--rate-limit-server-api"),
        (&["--redis-url", "redis://:hunter2@cache:port"], "Redis URL"),
        (&["--workers", "513"], "--workers"),
        (&["--connections-max", "0"], "connections_max"),
        (&["--head-timeout", "soon"], "--head-timeout"),
        (&["--head-timeout", "0s"], "head_timeout"),
        (&["--headers-max", "97"], "headers_max"),
        (&["--trusted-proxies", "10.0.0.0/8,proxy"], "'proxy'"),
        (&["--proxy-header", "x-real-ip"], "--proxy-header"),
        (&["--tls-cert", "server.pem"], "tls_key"),
        (&["--tls-key", "server.key"], "tls_cert"),
        (&["--database-url", "mysql://root:hunter2@db/x"], "database URL"),
        (&["--database-url", ""], "database URL"),
        (&["--log", "loud=very=much"], "log filter"),
        (&["--log-format", "xml"], "--log-format"),
        (&["--config", "there-is-none.toml"], "there-is-none.toml"),
        (&["--nonsense"], "--nonsense"),
        (&["nonsense"], "nonsense"),
        (&["serve", "nonsense"], "nonsense"),
        (&["keys"], "keys"),
        (&["keys", "issue"], "--studio"),
        (&["keys", "revoke", "not-an-id"], "not-an-id"),
        (&["migrate", "sideways"], "sideways"),
        (&["keys", "issue", "--studio", "a", "--game", "b", "--env", "staging", "--permissions", "admin"], "--env"),
        (&["keys", "issue", "--studio", "a", "--game", "b", "--env", "live", "--permissions", "root"], "--permissions"),
        (
            &[
                "keys",
                "issue",
                "--studio",
                "a",
                "--game",
                "b",
                "--env",
                "live",
                "--permissions",
                "admin",
                "--expires-in",
                "soon",
            ],
            "--expires-in",
        ),
    ] {
        let ended = home.run(arguments).await;
        let line = ended.refused(2);
        assert!(line.contains(named), "{arguments:?}: it names what is wrong: {line}");
        assert!(!line.contains("hunter2"), "it does not repeat what may be secret: {line}");
        assert!(!home.store().data().exists(), "{arguments:?} left something behind");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_there_stops_the_start_before_anything_is_made() {
    let home = Home::new().await;
    let ended = home.run(&["serve", "--tls-cert", "server.pem", "--tls-key", "server.key"]).await;
    assert!(ended.refused(1).contains("cannot read server.pem"), "{ended:?}");
    assert!(!home.store().data().exists(), "it left something behind");
}

#[tokio::test]
async fn a_bad_variable_stops_the_start_with_one_line() {
    let home = Home::new().await;
    for (name, value, named) in [
        ("PURSER_LISTEN", "nonsense", "--listen"),
        ("PURSER_QUEUE_DEPTH", "0", "--queue-depth"),
        ("PURSER_WORKERS", "-1", "--workers"),
        ("PURSER_NO_DEMO", "perhaps", "--no-demo"),
        ("PURSER_DATABASE_URL", "mysql://root:hunter2@db/x", "database URL"),
        ("PURSER_LOG", "loud=very=much", "log filter"),
        ("PURSER_LOG_FORMAT", "xml", "--log-format"),
        ("PURSER_CONFIG", "there-is-none.toml", "there-is-none.toml"),
    ] {
        let ended = home.run_with(&["serve"], &[(name, value)]).await;
        let line = ended.refused(2);
        assert!(line.contains(named) || line.contains(name), "{name}: it names what is wrong: {line}");
        assert!(!line.contains("hunter2"), "it does not repeat what may be secret: {line}");
        assert!(!home.store().data().exists(), "{name} left something behind");
    }
}

#[tokio::test]
async fn a_bad_file_stops_the_start_with_one_line_that_names_the_place() {
    let home = Home::new().await;
    let file = home.path().join("purser.toml");
    for (text, named) in [
        ("log = \"info\"\nlissten = \"127.0.0.1:0\"\n", vec!["lissten", "line 2"]),
        ("listen = \"nonsense\"\n", vec!["line 1"]),
        ("\n\nqueue_depth = 0\n", vec!["queue_depth"]),
        ("workers = \"two\"\n", vec!["line 1"]),
        ("workers = 0\n", vec!["workers"]),
        ("no_demo = 1\n", vec!["line 1"]),
        ("listen = \n", vec!["line 1"]),
        ("[limits]\nhead_timout = \"1s\"\n", vec!["head_timout", "line 2"]),
        ("[limits]\nhead_timeout = \"soon\"\n", vec!["soon", "line 2"]),
        ("[limits]\njson_depth_max = 1000\n", vec!["json_depth_max"]),
        ("proxy_header = \"x-real-ip\"\n", vec!["line 1"]),
        ("tls_cert = \"server.pem\"\n", vec!["tls_key"]),
        ("[server]\nlisten = \"127.0.0.1:0\"\n", vec!["server"]),
        ("database_url = \"postgres:/nonsense\"\n", vec!["database URL"]),
    ] {
        std::fs::write(&file, text).unwrap();
        let ended = home.run(&["serve", "--config", "purser.toml"]).await;
        let line = ended.refused(2);
        assert!(named.iter().all(|named| line.contains(named)), "{text}: {named:?}: {line}");
        assert!(!home.store().data().exists(), "{text} left something behind");
    }
}

#[tokio::test]
async fn a_file_configures_the_server_and_the_environment_and_options_win_over_it() {
    let home = Home::new().await;
    let file = home.path().join("purser.toml");
    // A port that is taken: whoever wins over the file does not meet it.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let [in_file, in_variable] = ["from-file", "from-variable"].map(|name| home.path().join(name));
    let settings = format!(
        "listen = \"{}\"\ndata_dir = \"{}\"\nno_demo = true\nlog_format = \"json\"\nqueue_depth = 100\nworkers = 1\n\
         log = \"debug\"\n",
        taken.local_addr().unwrap(),
        in_file.display()
    );
    std::fs::write(&file, settings).unwrap();

    let mut command = program(home.path());
    command.args(["serve", "--config", "purser.toml", "--listen", "127.0.0.1:0"]);
    let by_file = Serving::of(command).await;
    assert!(in_file.join("purser.sqlite3").exists());
    assert_eq!(key_in(&by_file.out()), None, "no_demo = true");
    drop(by_file);

    let mut command = program(home.path());
    command.env("PURSER_CONFIG", &file).env("PURSER_DATA_DIR", &in_variable).env("PURSER_LISTEN", "127.0.0.1:0");
    let by_variable = Serving::of(command).await;
    assert!(in_variable.join("purser.sqlite3").exists());
    drop(by_variable);

    let mut command = program(home.path());
    command.env("PURSER_LISTEN", "nowhere-at-all").args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        "by-option",
    ]);
    command.env("PURSER_DATA_DIR", &in_variable);
    let by_option = Serving::of(command).await;
    assert!(home.path().join("by-option/purser.sqlite3").exists());
    assert!(key_in(&by_option.out()).is_some(), "an empty store gets a key");
}

#[tokio::test]
async fn the_environment_alone_configures_the_server() {
    let home = Home::new().await;
    let database = home.path().join("elsewhere/books.db");
    let mut command = program(home.path());
    command
        .env("PURSER_LISTEN", "127.0.0.1:0")
        .env("PURSER_DATABASE_URL", format!("sqlite:{}", database.display()))
        .env("PURSER_NO_DEMO", "true")
        .env("PURSER_WORKERS", "1")
        .env("PURSER_QUEUE_DEPTH", "5")
        .env("PURSER_LOG", "warn")
        .env("PURSER_LOG_FORMAT", "human");
    let serving = Serving::of(command).await;
    assert!(database.exists() && !home.path().join("purser-data").exists());
    assert_eq!(key_in(&serving.out()), None);
}

#[tokio::test]
async fn the_help_names_every_variable_that_the_program_reads() {
    let home = Home::new().await;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut read = Vec::new();
    for file in ["cli.rs", "config.rs", "limit_options.rs"] {
        let text = std::fs::read_to_string(source.join(file)).unwrap();
        let quoted = text.split("env = \"PURSER_").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        read.extend(quoted.map(|rest| format!("PURSER_{rest}")));
    }
    assert!(5 < read.len(), "{read:?}");
    let secret = [("PURSER_DATABASE_URL", "postgres://purser:hunter2@db/purser")];
    let ended = home.run_with(&["--help"], &secret).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert!(!ended.out.contains("hunter2"), "it shows what may be secret: {}", ended.out);
    let missing: Vec<_> = read.iter().filter(|name| !ended.out.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "purser --help does not mention {missing:?}");
}
