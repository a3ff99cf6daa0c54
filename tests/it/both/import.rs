//! `purser import`: whatever is killed, and whenever, the sums are equal in the end and nothing is there twice.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::harness::api::Api;
use crate::harness::patience::{PATIENCE, eventually};
use crate::harness::program::{Ended, Purser, program};

const LINES: u64 = 12_000;
const PLAYERS: u64 = 40;
const FILE: &str = "old.csv";
const STATE: &str = "old.csv.purser-import-wallet.state";
const FAILED: &str = "old.csv.purser-import-wallet.failed.csv";

/// An address that stays while the server behind it is killed and comes back elsewhere.
struct Door {
    address: SocketAddr,
    behind: Arc<Mutex<SocketAddr>>,
}

impl Door {
    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, behind) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(server)));
        let server = Arc::clone(&behind);
        tokio::spawn(async move {
            while let Ok((mut inner, _)) = listener.accept().await {
                let address = *server.lock().unwrap();
                tokio::spawn(async move {
                    if let Ok(mut outer) = TcpStream::connect(address).await {
                        drop(tokio::io::copy_bidirectional(&mut inner, &mut outer).await);
                    }
                });
            }
        });
        Self { address, behind }
    }

    fn lead_to(&self, server: SocketAddr) {
        *self.behind.lock().unwrap() = server;
    }
}

/// The command, with `arguments`, against the server at `address`.
fn import(folder: &Path, address: SocketAddr, key: &str, arguments: &[&str]) -> Command {
    let mut command = program(folder);
    command.arg("import").args(arguments);
    command.env("PURSER_API_KEY", key).env("PURSER_IMPORT_SERVER", format!("http://{address}"));
    command
}

async fn ended(command: &mut Command) -> Ended {
    let running = tokio::time::timeout(PATIENCE, command.output()).await;
    Ended::from(running.expect("it ends in time").expect("it starts"))
}

/// Lines of which some are equal, some cannot be read, and one goes beyond what a player may hold.
fn csv() -> String {
    let mut text = "who,what,how many\nrich,gold,9007199254740991\nrich,gold,1\n".to_owned();
    for line in 0..LINES {
        let currency = if line % 3 == 0 { "gems" } else { "gold" };
        let amount = match line % 1_000 {
            500 => "12.5".to_owned(),
            501 => "0".to_owned(),
            number => (number % 5 + 1).to_string(),
        };
        writeln!(text, "p{},{currency},{amount}", line % PLAYERS).unwrap();
    }
    text
}

/// What every player must hold of the lines that can be read, and how many accounts and entries that makes.
fn expected(text: &str) -> (BTreeMap<(String, String), u64>, (u64, u64)) {
    let (mut held, mut entries) = (BTreeMap::new(), 0);
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let Some(amount) = cells[2].parse().ok().filter(|amount: &u64| *amount != 0) else { continue };
        let sum: &mut u64 = held.entry((cells[0].to_owned(), cells[1].to_owned())).or_default();
        if *sum != 9_007_199_254_740_991 {
            *sum += amount;
            entries += 1;
        }
    }
    let accounts = u64::try_from(held.len()).unwrap();
    (held, (accounts, entries))
}

async fn check_held(api: &Api, held: &BTreeMap<(String, String), u64>) {
    for ((player, currency), amount) in held {
        assert_eq!(api.balance(player, currency).await, Some(*amount), "{player} {currency}");
    }
}

/// How many rows the state file says are settled.
fn settled(folder: &Path) -> u64 {
    let text = std::fs::read_to_string(folder.join(STATE)).unwrap_or_default();
    serde_json::from_str::<Value>(&text).map_or(0, |state| state["position"]["events"].as_u64().unwrap())
}

/// Waits until the import has settled so many rows, or is through.
async fn has_settled(folder: &Path, importing: &mut Child, rows: u64) {
    eventually("rows are settled", async || {
        let is_through = importing.try_wait().unwrap().is_some();
        (is_through || rows <= settled(folder)).then_some(())
    })
    .await;
}

const MAPPED: [&str; 9] = ["wallet", FILE, "--player", "who", "--currency", "what", "--amount", "how many", "--json"];

#[tokio::test]
async fn an_import_that_is_killed_again_and_again_with_its_server_ends_with_equal_sums() {
    let mut purser = Purser::start().await;
    let key = purser.key().to_owned();
    let folder = purser.home().path().to_owned();
    let door = Door::before(purser.address()).await;
    let text = csv();
    std::fs::write(folder.join(FILE), &text).unwrap();
    let start = || import(&folder, door.address, &key, &MAPPED).spawn().expect("it starts");

    // Before there is anything in the state but that it has begun.
    let mut importing = start();
    let api = purser.api();
    eventually("a row arrives", async || (api.get("players/p0").await.status == 200).then_some(())).await;
    importing.kill().await.unwrap();
    assert!(settled(&folder) < LINES, "it was killed on its way");

    for rows in [1, 5_000] {
        let mut importing = start();
        has_settled(&folder, &mut importing, rows).await;
        importing.kill().await.unwrap();
    }

    // The server goes away under it and comes back: the import waits and goes on.
    let mut importing = start();
    has_settled(&folder, &mut importing, 7_000).await;
    purser.kill().await;
    purser.restart().await;
    door.lead_to(purser.address());
    let waiting = tokio::time::timeout(PATIENCE, importing.wait_with_output()).await;
    let ended_with = Ended::from(waiting.expect("it goes on").unwrap());
    assert_eq!(ended_with.code, Some(1), "rows failed: {ended_with:?}");

    let receipt: Value = serde_json::from_str(&ended_with.out).unwrap();
    let (held, books) = expected(&text);
    let held_sum: u128 = held.values().map(|amount| u128::from(*amount)).sum();
    let failed = 1 + LINES / 1_000;
    let total = &receipt["total"];
    assert_eq!(total["onServer"], json!({ "rows": books.1, "sum": held_sum.to_string() }));
    assert_eq!(total["failed"], json!({ "rows": failed, "sum": "1" }));
    assert_eq!((&total["difference"], &receipt["equal"]), (&json!("1"), &json!(false)));
    assert_eq!(receipt["nothingToImport"], LINES / 1_000);
    let api = purser.api_with(&key);
    check_held(&api, &held).await;
    assert_eq!(purser.verified().await, books);
    let written = std::fs::read_to_string(folder.join(FAILED)).unwrap();
    assert_eq!(u64::try_from(written.lines().count()).unwrap(), 1 + failed, "{written}");

    // Once more: it is known to be through. From the beginning: everything is there already, the same rows fail.
    let again = ended(&mut import(&folder, door.address, &key, &MAPPED)).await;
    assert!(again.code == Some(1) && again.err.contains("finished before"), "{again:?}");
    let anew = [&MAPPED[..], &["--again", "--failed", "again.csv"]].concat();
    let anew = ended(&mut import(&folder, door.address, &key, &anew)).await;
    let anew: Value = serde_json::from_str(&anew.out).unwrap();
    assert_eq!((&anew["applied"], &anew["replayed"]), (&json!(0), &json!(books.1)));
    assert_eq!(anew["total"], receipt["total"]);
    assert_eq!(std::fs::read_to_string(folder.join("again.csv")).unwrap(), written);
    assert_eq!(purser.verified().await, books);
}

#[tokio::test]
async fn failed_rows_are_mended_and_sent_again_once() {
    let purser = Purser::start().await;
    let folder = purser.home().path().to_owned();
    let run = async |arguments: &[&str]| ended(&mut import(&folder, purser.address(), purser.key(), arguments)).await;
    let csv =
        "externalPlayerId,economyKey,amount\np,gold,5\np,gold,5\np,gold,5.5\np,go ld,7\n__deleted_x,gold,1\nq,gold,1\n";
    std::fs::write(folder.join(FILE), csv).unwrap();
    let first = run(&["wallet", FILE]).await;
    assert_eq!(first.code, Some(1), "{first:?}");
    assert!(first.err.contains(&format!("3 rows failed: mend them in {FAILED}")), "{first:?}");
    assert!(first.out.contains("NOT equal"), "{first:?}");
    let api = purser.api();
    assert_eq!((api.balance("p", "gold").await, api.balance("q", "gold").await), (Some(10), Some(1)));
    assert_eq!(purser.verified().await, (2, 3));

    let failed = std::fs::read_to_string(folder.join(FAILED)).unwrap();
    assert!(failed.contains("amount is not a whole number: 5.5") && failed.contains("validation_failed"), "{failed}");
    let mended = failed.replace("5.5,", "6,").replace("go ld", "gold").replace("__deleted_x", "x");
    std::fs::write(folder.join(FAILED), mended).unwrap();
    for arguments in [&["wallet", FAILED][..], &["wallet", FAILED, "--again"], &["wallet", FILE, "--dry-run"]] {
        let ended = run(arguments).await;
        assert_eq!(ended.code, Some(i32::from(arguments.contains(&"--dry-run"))), "{arguments:?}: {ended:?}");
        assert_eq!((api.balance("p", "gold").await, api.balance("x", "gold").await), (Some(23), Some(1)));
    }
    assert_eq!(purser.verified().await, (3, 6));
    // Rows that failed are not overwritten: somebody may be at them.
    let refused = run(&["wallet", FILE, "--again"]).await;
    assert!(refused.refused(1).contains("holds rows that failed before"));
}

#[tokio::test]
async fn players_and_what_they_hold_come_over_from_other_platforms() {
    let purser = Purser::start().await;
    let folder = purser.home().path().to_owned();
    let run = async |arguments: &[&str]| {
        let ended = ended(&mut import(&folder, purser.address(), purser.key(), arguments)).await;
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{arguments:?}: {ended:?}");
        ended.out
    };
    let nakama = "id,username,wallet\n00000000-0000-0000-0000-000000000000,,{}\nu1,ann,\"{\"\"coins\"\": 1000}\"\n";
    std::fs::write(folder.join("users.csv"), nakama).unwrap();
    let playfab = json!({
        "PlayFabId": "A1", "VirtualCurrency": { "GO": 50 },
        "Inventory": [
            { "ItemId": "potion", "ItemInstanceId": "i1", "RemainingUses": 4, "CustomData": { "roll": "7" } },
            { "ItemId": "potion", "ItemInstanceId": "i2", "RemainingUses": 4 },
        ],
    });
    std::fs::write(folder.join("inventories.ndjson"), playfab.to_string()).unwrap();
    for kind in ["players", "wallet"] {
        run(&[kind, "users.csv", "--preset", "nakama", "--quiet"]).await;
    }
    for arguments in [["inventory", "--quiet", ""], ["wallet", "--rename", "GO=gold"]] {
        let given = arguments.iter().copied().filter(|argument| !argument.is_empty());
        let given: Vec<&str> = given.chain(["inventories.ndjson", "--preset", "playfab"]).collect();
        assert!(run(&given).await.contains("equal: everything from the source is on the server"));
    }
    let api = purser.api();
    assert_eq!((api.balance("u1", "coins").await, api.balance("A1", "gold").await), (Some(1_000), Some(50)));
    let ann = api.get("players/u1").await.data(200);
    assert_eq!(ann["player"]["lastContextSnapshot"], json!({ "username": "ann" }));
    let held = api.get("players/A1/inventory").await.data(200);
    assert_eq!(held["items"][0]["quantity"], 8, "two of the same, each with its own id: {held}");
    assert_eq!(purser.verified().await, (3, 4));
}

#[tokio::test]
async fn an_import_that_is_asked_to_stop_says_how_to_go_on_and_does() {
    let purser = Purser::start().await;
    let folder = purser.home().path().to_owned();
    let text = csv();
    std::fs::write(folder.join(FILE), &text).unwrap();
    let quietly = [&MAPPED[..], &["--quiet"]].concat();
    let importing = import(&folder, purser.address(), purser.key(), &quietly).spawn().expect("it starts");
    let api = purser.api();
    eventually("a row arrives", async || (api.get("players/p0").await.status == 200).then_some(())).await;
    let interrupt = format!("kill -INT {}", importing.id().expect("it runs"));
    assert!(Command::new("sh").args(["-c", &interrupt]).status().await.unwrap().success());
    let waiting = tokio::time::timeout(PATIENCE, importing.wait_with_output()).await;
    let stopped = Ended::from(waiting.expect("it stops").unwrap());
    assert!(stopped.refused(1).ends_with("rows settled; run the same command again to go on"), "{stopped:?}");
    let done = settled(&folder);
    assert!(0 < done && done < LINES, "{done}");

    let wrong = ended(&mut import(&folder, purser.address(), purser.key(), &["wallet", FILE, "--player", "who"])).await;
    assert!(wrong.refused(2).contains("has no column 'economyKey'"));
    let elsewhere = purser.issue("demo", "live", "server_integration").await;
    let elsewhere = ended(&mut import(&folder, purser.address(), elsewhere["key"].as_str().unwrap(), &MAPPED)).await;
    assert!(elsewhere.refused(1).contains("it went into studio"));
    let finished = ended(&mut import(&folder, purser.address(), purser.key(), &MAPPED)).await;
    assert!(finished.err.contains(&format!("going on after {done} rows")), "{finished:?}");
    let (held, books) = expected(&text);
    check_held(&api, &held).await;
    assert_eq!(purser.verified().await, books);
    let receipt: Value = serde_json::from_str(&finished.out).unwrap();
    assert_eq!(receipt["replayed"], 0, "whoever waits for the answers sends nothing twice");
}

#[tokio::test]
async fn what_cannot_work_is_refused_in_one_line_before_anything_is_sent() {
    let purser = Purser::start().await;
    let folder = purser.home().path().to_owned();
    std::fs::write(folder.join(FILE), "externalPlayerId,economyKey,amount\np,gold,5\n").unwrap();
    let run = async |key: &str, arguments: &[&str]| ended(&mut import(&folder, purser.address(), key, arguments)).await;
    let cases: [(&[&str], i32, &str); 8] = [
        (&["wallet", "none.csv"], 1, "cannot read none.csv"),
        (&["wallet", FILE, "--player", "nobody"], 2, "has no column 'nobody'; it has 'externalPlayerId'"),
        (&["wallet", FILE, "--currency-key", "gold", "--wallet-map", "x"], 2, "cannot be used with"),
        (&["wallet", FILE, "--import-name", "a b"], 2, "--import-name takes"),
        (&["wallet", "-"], 2, "cannot tell how - is written"),
        (&["wallet", "-", "--format", "csv"], 2, "--failed"),
        (&["wallet", FILE, "--server", "localhost"], 2, "--server must be"),
        (&["wallet", FILE, "--server", "http://127.0.0.1:1", "--give-up-after", "0s"], 1, "did not take a call"),
    ];
    for (arguments, code, said) in cases {
        let ended = run(purser.key(), arguments).await;
        assert!(ended.refused(code).contains(said), "{arguments:?}: {ended:?}");
    }
    let ended = run("", &["wallet", FILE]).await;
    assert!(ended.refused(1).contains("refused the API key (401"), "{ended:?}");
    let sdk = purser.issue("demo", "sandbox", "client_sdk").await;
    let ended = run(sdk["key"].as_str().unwrap(), &["wallet", FILE]).await;
    assert!(ended.refused(1).contains("refused the API key (403"), "{ended:?}");
    let help = run(purser.key(), &["wallet", "--help"]).await;
    assert!(help.out.contains("PURSER_API_KEY") && !help.out.contains(purser.key()), "{help:?}");
    assert_eq!(purser.verified().await, (0, 0));
}
