//! Settings from options, the environment and a file; what is wrong with them in one line; and what the program shows of
//! itself.

use std::net::TcpListener;
use std::path::Path;

use reqwest::Method;
use serde_json::json;

use crate::api::{Api, Reply};
use crate::program::{Folder, Purser, Serving, key_in, program};

#[tokio::test]
async fn a_bad_option_stops_the_start_with_one_line() {
    let folder = Folder::new();
    for (arguments, named) in [
        (&["--listen", "nonsense"][..], "--listen"),
        (&["--listen", "127.0.0.1:99999"], "--listen"),
        (&["--queue-depth", "0"], "--queue-depth"),
        (&["--queue-depth", "many"], "--queue-depth"),
        (&["--workers", "0"], "--workers"),
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
        let ended = folder.run(arguments).await;
        let line = ended.refused(2);
        assert!(line.contains(named), "{arguments:?}: it names what is wrong: {line}");
        assert!(!line.contains("hunter2"), "it does not repeat what may be secret: {line}");
        assert!(!folder.data().exists(), "{arguments:?} left something behind");
    }
}

#[tokio::test]
async fn a_bad_variable_stops_the_start_with_one_line() {
    let folder = Folder::new();
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
        let ended = folder.run_with(&["serve"], &[(name, value)]).await;
        let line = ended.refused(2);
        assert!(line.contains(named) || line.contains(name), "{name}: it names what is wrong: {line}");
        assert!(!line.contains("hunter2"), "it does not repeat what may be secret: {line}");
        assert!(!folder.data().exists(), "{name} left something behind");
    }
}

#[tokio::test]
async fn a_bad_file_stops_the_start_with_one_line_that_names_the_place() {
    let folder = Folder::new();
    let file = folder.path().join("purser.toml");
    for (text, named) in [
        ("log = \"info\"\nlissten = \"127.0.0.1:0\"\n", vec!["lissten", "line 2"]),
        ("listen = \"nonsense\"\n", vec!["line 1"]),
        ("\n\nqueue_depth = 0\n", vec!["queue_depth"]),
        ("workers = \"two\"\n", vec!["line 1"]),
        ("workers = 0\n", vec!["workers"]),
        ("no_demo = 1\n", vec!["line 1"]),
        ("listen = \n", vec!["line 1"]),
        ("[server]\nlisten = \"127.0.0.1:0\"\n", vec!["server"]),
        ("database_url = \"postgres:/nonsense\"\n", vec!["database URL"]),
    ] {
        std::fs::write(&file, text).unwrap();
        let ended = folder.run(&["serve", "--config", "purser.toml"]).await;
        let line = ended.refused(2);
        assert!(named.iter().all(|named| line.contains(named)), "{text}: {named:?}: {line}");
        assert!(!folder.data().exists(), "{text} left something behind");
    }
}

#[tokio::test]
async fn a_taken_port_stops_the_start_with_one_line() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = folder.run(&["serve", "--listen", &address]).await;
    assert!(ended.refused(1).contains(&address), "{ended:?}");
    drop(taken);
    // The first run is still to come: the key was not spent on a start that failed.
    let purser = Purser::start_in(folder, &[]).await;
    assert!(purser.key().starts_with("ks_sandbox_"));
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_used_stops_the_start_with_one_line() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("file"), "text").unwrap();
    let ended = folder.run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", "file"]).await;
    assert!(ended.refused(1).contains("file"), "{ended:?}");
    std::fs::create_dir(folder.data()).unwrap();
    std::fs::write(folder.data().join("purser.sqlite3"), "this is no database, whatever its name says").unwrap();
    let ended = folder.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(ended.refused(1).contains("purser.sqlite3"), "{ended:?}");
}

#[tokio::test]
async fn a_file_configures_the_server_and_the_environment_and_options_win_over_it() {
    let folder = Folder::new();
    let file = folder.path().join("purser.toml");
    // A port that is taken: whoever wins over the file does not meet it.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let [in_file, in_variable] = ["from-file", "from-variable"].map(|name| folder.path().join(name));
    let settings = format!(
        "listen = \"{}\"\ndata_dir = \"{}\"\nno_demo = true\nlog_format = \"json\"\nqueue_depth = 100\nworkers = 1\n\
         log = \"debug\"\n",
        taken.local_addr().unwrap(),
        in_file.display()
    );
    std::fs::write(&file, settings).unwrap();

    let mut command = program(folder.path());
    command.args(["serve", "--config", "purser.toml", "--listen", "127.0.0.1:0"]);
    let by_file = Serving::of(command).await;
    assert!(in_file.join("purser.sqlite3").exists());
    assert_eq!(key_in(&by_file.out()), None, "no_demo = true");
    drop(by_file);

    let mut command = program(folder.path());
    command.env("PURSER_CONFIG", &file).env("PURSER_DATA_DIR", &in_variable).env("PURSER_LISTEN", "127.0.0.1:0");
    let by_variable = Serving::of(command).await;
    assert!(in_variable.join("purser.sqlite3").exists());
    drop(by_variable);

    let mut command = program(folder.path());
    command.env("PURSER_LISTEN", "nowhere-at-all").args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        "by-option",
    ]);
    command.env("PURSER_DATA_DIR", &in_variable);
    let by_option = Serving::of(command).await;
    assert!(folder.path().join("by-option/purser.sqlite3").exists());
    assert!(key_in(&by_option.out()).is_some(), "an empty store gets a key");
}

#[tokio::test]
async fn the_environment_alone_configures_the_server() {
    let folder = Folder::new();
    let database = folder.path().join("elsewhere/books.db");
    let mut command = program(folder.path());
    command
        .env("PURSER_LISTEN", "127.0.0.1:0")
        .env("PURSER_DATABASE_URL", format!("sqlite:{}", database.display()))
        .env("PURSER_NO_DEMO", "true")
        .env("PURSER_WORKERS", "1")
        .env("PURSER_QUEUE_DEPTH", "5")
        .env("PURSER_LOG", "warn")
        .env("PURSER_LOG_FORMAT", "human");
    let serving = Serving::of(command).await;
    assert!(database.exists() && !folder.path().join("purser-data").exists());
    assert_eq!(key_in(&serving.out()), None);
}

#[tokio::test]
async fn the_help_names_every_variable_that_the_program_reads() {
    let folder = Folder::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut read = Vec::new();
    for file in ["cli.rs", "config.rs"] {
        let text = std::fs::read_to_string(source.join(file)).unwrap();
        let quoted = text.split("env = \"PURSER_").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        read.extend(quoted.map(|rest| format!("PURSER_{rest}")));
    }
    assert!(5 < read.len(), "{read:?}");
    let secret = [("PURSER_DATABASE_URL", "postgres://purser:hunter2@db/purser")];
    let ended = folder.run_with(&["--help"], &secret).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert!(!ended.out.contains("hunter2"), "it shows what may be secret: {}", ended.out);
    let missing: Vec<_> = read.iter().filter(|name| !ended.out.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "purser --help does not mention {missing:?}");
}

#[tokio::test]
async fn the_document_that_is_printed_is_the_one_that_is_served() {
    let purser = Purser::start().await;
    let served = Reply::to(purser.api().bare(Method::GET, "/openapi.server.json")).await.unwrap();
    let printed = purser.must(&["openapi"]).await;
    assert_eq!(served.header("content-type"), Some("application/json"));
    assert!(served.text == printed, "they differ");
    let document = served.ok(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    assert!(document["paths"]["/server/v1/players/{externalId}/wallet/{economyKey}/credit"]["post"].is_object());
}

/// The values of the attribute `name` in a page.
fn attributes<'p>(page: &'p str, name: &str) -> Vec<&'p str> {
    let start = format!("{name}=\"");
    page.split(start.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn the_docs_are_a_page_whose_every_asset_is_on_the_server() {
    let purser = Purser::start().await;
    let api = purser.api();
    let page = Reply::to(api.bare(Method::GET, "/docs")).await.unwrap();
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"), "{page:?}");
    let assets = [attributes(&page.text, "src"), attributes(&page.text, "href")].concat();
    assert!(assets.iter().any(|asset| asset.ends_with(".js")) && assets.iter().any(|asset| asset.ends_with(".css")));
    for asset in assets {
        let file = asset.strip_prefix("./").unwrap_or(asset);
        assert!(!file.contains('/') && !file.contains(':'), "{asset} is beside the page");
        let reply = api.bare(Method::GET, &format!("/docs/{file}")).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{asset}");
        assert!(!reply.bytes().await.unwrap().is_empty(), "{asset}");
    }
    let start = Reply::to(api.bare(Method::GET, "/docs/swagger-initializer.js")).await.unwrap();
    assert!(start.text.contains("../openapi.server.json") && !start.text.contains("https://"), "{start:?}");
}

#[tokio::test]
async fn probes_and_metrics_need_no_key() {
    let purser = Purser::start().await;
    let api: Api = purser.api();
    api.credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    api.credit("p", "gold", json!({ "amount": 0 })).await.error(400, "validation_failed", Some("KS-4101"));
    for path in ["/healthz", "/readyz"] {
        let reply = Reply::to(api.bare(Method::GET, path)).await.unwrap();
        assert_eq!(reply.ok(200), json!({ "status": "ok" }), "{path}");
        let head = Reply::to(api.bare(Method::HEAD, path)).await.unwrap();
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
    }
    let metrics = Reply::to(api.bare(Method::GET, "/metrics")).await.unwrap();
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain"), "{metrics:?}");
    let route = "route=\"/server/v1/players/{externalId}/wallet/{economyKey}/credit\"";
    for status in ["200", "400"] {
        let found = metrics.text.lines().find(|line| {
            line.starts_with("purser_http_requests_total{")
                && line.contains(route)
                && line.contains(&format!("status=\"{status}\""))
        });
        assert!(found.is_some_and(|line| line.ends_with(" 1")), "{status}: {}", metrics.text);
    }
    for line in ["purser_batch_commands_count 1", "# TYPE purser_http_request_seconds histogram"] {
        assert!(metrics.text.lines().any(|found| found == line), "{line}: {}", metrics.text);
    }
}
