//! Files of every kind, read to rows.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::batch::{Batch, Position};
use crate::keys::Keys;
use crate::kind::Kind;
use crate::mapper::Mapper;
use crate::mapping::{Choices, Mapping};
use crate::preset::Preset;
use crate::reader::Reader;
use crate::row::{FailedRow, Row};
use crate::source::{Reading, Source};
use crate::trouble::Trouble;

const PLAINLY: Reading = Reading { format: None, delimiter: None, quotes: true };

/// Files, and how they are read.
pub(crate) struct Files {
    folder: TempDir,
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) kind: Kind,
    pub(crate) mapping: Mapping,
}

/// All that a reader hands over.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) rows: Vec<Row>,
    pub(crate) failed: Vec<FailedRow>,
    pub(crate) nothing: u64,
    pub(crate) left_out: u64,
}

impl Files {
    pub(crate) fn of(kind: Kind, preset: Option<Preset>, choices: &Choices, files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = files.iter().map(|(name, bytes)| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        });
        let paths = paths.collect();
        Self { folder, paths, kind, mapping: Mapping::of(kind, preset, choices).unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn reader(&self, settled: Position) -> Reader {
        let sources = self.paths.iter().map(|path| Source::find(path, &PLAINLY).unwrap()).collect();
        let mapper = Mapper::new(self.kind, self.mapping.clone(), Keys::new("test", 0));
        Reader::new(self.kind, sources, mapper, settled)
    }

    pub(crate) fn read(&self) -> Result<Seen, Trouble> {
        let mut seen = Seen::default();
        self.reader(Position::default()).check()?;
        self.reader(Position::default()).read(|batch| {
            let Batch { rows, failed, nothing, left_out, .. } = batch;
            seen.rows.extend(rows);
            seen.failed.extend(failed);
            seen.nothing += nothing;
            seen.left_out += left_out;
            true
        })?;
        Ok(seen)
    }
}

/// What `bytes` come to, in a file called `name`.
fn read(kind: Kind, preset: Option<Preset>, choices: &Choices, name: &str, bytes: &[u8]) -> Result<Seen, Trouble> {
    Files::of(kind, preset, choices, &[(name, bytes)]).read()
}

fn holdings(seen: &Seen) -> Vec<(&str, &str, u64)> {
    seen.rows.iter().map(|row| (row.player.as_str(), row.asset.as_str(), row.quantity)).collect()
}

fn errors(seen: &Seen) -> Vec<(u64, &str)> {
    seen.failed.iter().map(|row| (row.line, row.error.as_str())).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_users_table_of_nakama_is_wallets_and_players() {
    let csv = b"id,username,display_name,lang_tag,metadata,wallet,email\n\
        00000000-0000-0000-0000-000000000000,,,en,{},{},\n\
        4c2ae592-b2a7-445e-98ec-697694478b1c,ann,Ann,sv,\"{\"\"vip\"\": true}\",\"{\"\"coins\"\": 1000, \"\"gems\"\": 0}\",a@b.c\n";
    let preset = Some(Preset::Nakama);
    let wallets = read(Kind::Wallet, preset, &Choices::default(), "users.csv", csv).unwrap();
    assert_eq!(holdings(&wallets), [("4c2ae592-b2a7-445e-98ec-697694478b1c", "coins", 1000)]);
    assert_eq!((wallets.nothing, wallets.left_out), (1, 1));
    let players = read(Kind::Players, preset, &Choices::default(), "users.csv", csv).unwrap();
    let [player] = players.rows.as_slice() else { panic!("one player: {players:?}") };
    let context: serde_json::Value = serde_json::from_str(player.object.as_deref().unwrap()).unwrap();
    let expected = serde_json::json!({
        "username": "ann", "displayName": "Ann", "language": "sv", "metadata": { "vip": true }
    });
    assert_eq!(context, expected);
}

#[test]
fn an_exported_account_of_nakama_has_its_wallet_as_json_text() {
    let line = br#"{"account":{"user":{"id":"u1","username":"ann","metadata":"{}"},"wallet":"{\"coins\": 77}"},"wallet_ledgers":[{"changeset":"{\"coins\":77}"}]}"#;
    let seen = read(Kind::Wallet, Some(Preset::Nakama), &Choices::default(), "accounts.ndjson", line).unwrap();
    assert_eq!(holdings(&seen), [("u1", "coins", 77)]);
}

#[test]
fn storage_objects_of_nakama_are_items() {
    let csv = b"collection,key,user_id,value\n\
        inventory,sword,u1,\"{\"\"quantity\"\": 2, \"\"edge\"\": 7}\"\n\
        inventory,shield,u1,{}\n\
        saves,slot1,u1,{}\n";
    let choices = Choices { only: vec![("collection".to_owned(), "inventory".to_owned())], ..Choices::default() };
    let seen = read(Kind::Inventory, Some(Preset::Nakama), &choices, "storage.csv", csv).unwrap();
    assert_eq!(holdings(&seen), [("u1", "sword", 2), ("u1", "shield", 1)]);
    assert_eq!((seen.left_out, seen.rows[0].object.as_deref()), (1, Some(r#"{"edge":7,"quantity":2}"#)));
}

#[test]
fn profiles_of_playfab_have_balances_with_tabs_and_as_json() {
    let tsv = b"PlayerId\tDisplayName\tVirtualCurrencyBalances\nA1B2\tAnn\t{\"GO\":50,\"GE\":0}\n";
    let choices = Choices { renamed: vec![("GO".to_owned(), "gold".to_owned())], ..Choices::default() };
    let seen = read(Kind::Wallet, Some(Preset::Playfab), &choices, "segment.tsv", tsv).unwrap();
    assert_eq!((holdings(&seen), seen.nothing), (vec![("A1B2", "gold", 50)], 1));
    let json =
        br#"{"PlayerId":"A1B2","DisplayName":"Ann","VirtualCurrencyBalances":{"GO":50},"Statistics":{"level":3}}"#;
    let seen = read(Kind::Wallet, Some(Preset::Playfab), &choices, "profiles.jsonl", json).unwrap();
    assert_eq!(holdings(&seen), [("A1B2", "gold", 50)]);
    let seen = read(Kind::Players, Some(Preset::Playfab), &Choices::default(), "profiles.jsonl", json).unwrap();
    assert_eq!(seen.rows[0].object.as_deref(), Some(r#"{"displayName":"Ann","statistics":{"level":3}}"#));
}

#[test]
fn answers_of_playfab_have_items_with_ids_of_their_own() {
    let answer = br#"{"code":200,"data":{"PlayFabId":"A1","Inventory":[{"ItemId":"potion","ItemInstanceId":"i1","RemainingUses":4},{"ItemId":"sword","ItemInstanceId":"i2","CustomData":{"edge":"7"}},{"ItemInstanceId":"i3"}],"VirtualCurrency":{"GO":1}}}"#;
    let seen = read(Kind::Inventory, Some(Preset::Playfab), &Choices::default(), "inventory.ndjson", answer).unwrap();
    assert_eq!(holdings(&seen), [("A1", "potion", 4), ("A1", "sword", 1)]);
    assert_eq!(seen.rows[1].object.as_deref(), Some(r#"{"edge":"7"}"#));
    assert_eq!(errors(&seen), [(1, "itemKey is empty")]);
    let seen = read(Kind::Wallet, Some(Preset::Playfab), &Choices::default(), "inventory.ndjson", answer).unwrap();
    assert_eq!(holdings(&seen), [("A1", "GO", 1)]);
}

#[test]
fn a_line_may_have_a_column_for_each_currency() {
    let wide = vec!["gold".to_owned(), "gems".to_owned()];
    let choices = Choices { player: some("who"), wide, reason_text: some("moved"), ..Choices::default() };
    let csv = b"\xef\xbb\xbfwho;gold;gems\np1;5;\np2;0;7\np3;-1;x\n";
    let files = Files::of(Kind::Wallet, None, &choices, &[("w.csv", csv)]);
    let reading = Reading { delimiter: Some(b';'), ..PLAINLY };
    let sources = vec![Source::find(&files.paths[0], &reading).unwrap()];
    let mapper = Mapper::new(files.kind, files.mapping.clone(), Keys::new("test", 0));
    let mut seen = Seen::default();
    let read = Reader::new(files.kind, sources, mapper, Position::default()).read(|batch| {
        seen = Seen { rows: batch.rows, failed: batch.failed, nothing: batch.nothing, left_out: batch.left_out };
        true
    });
    read.unwrap();
    assert_eq!((holdings(&seen), seen.nothing), (vec![("p1", "gold", 5), ("p2", "gems", 7)], 2));
    assert_eq!(errors(&seen), [(4, "amount is negative: -1"), (4, "amount is not a whole number: x")]);
    assert!(seen.rows.iter().all(|row| row.reason.as_deref() == Some("moved")));
}

#[test]
fn what_cannot_be_read_fails_alone_with_its_line_and_a_key() {
    let csv = b"externalPlayerId,economyKey,amount\np,gold,1\np,gold\np,\xff,1\n,gold,1\np,gold,1.5\n\"p\nq\",gold,2\n";
    let seen = read(Kind::Wallet, None, &Choices::default(), "w.csv", csv).unwrap();
    assert_eq!(holdings(&seen), [("p", "gold", 1), ("p\nq", "gold", 2)]);
    let expected = [
        (3, "the line has 2 cells, the header has 3"),
        (4, "economyKey is not UTF-8"),
        (5, "the player in 'externalPlayerId' is empty"),
        (6, "amount is not a whole number: 1.5"),
    ];
    assert_eq!(errors(&seen), expected);
    assert!(seen.failed.iter().all(|row| row.key.starts_with("import:test:")));
    let ndjson =
        b"\xef\xbb\xbf{\"externalPlayerId\":\"p\",\"economyKey\":\"gold\",\"amount\":1}\n\n[1]\n{\"half\":\n7\n";
    let seen = read(Kind::Wallet, None, &Choices::default(), "w.ndjson", ndjson).unwrap();
    assert_eq!(holdings(&seen), [("p", "gold", 1)]);
    assert_eq!(seen.failed.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 4, 5]);
}

#[test]
fn files_may_be_packed_and_several_are_one() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"externalPlayerId,economyKey,amount\np,gold,1\n").unwrap();
    let packed = packed.finish().unwrap();
    let plain = b"{\"externalPlayerId\":\"p\",\"economyKey\":\"gold\",\"amount\":1}";
    let files: [(&str, &[u8]); 2] = [("a.csv.gz", &packed), ("b.jsonl", plain)];
    let seen = Files::of(Kind::Wallet, None, &Choices::default(), &files).read().unwrap();
    let keys: Vec<&str> = seen.rows.iter().map(|row| row.key.as_str()).collect();
    let [one, two] = keys.as_slice() else { panic!("two rows: {keys:?}") };
    assert_eq!(one.trim_end_matches(":1"), two.trim_end_matches(":2"), "the second of two equal rows");
}

#[test]
fn a_mended_row_keeps_its_key_and_a_key_is_used_once() {
    let csv = b"externalPlayerId,economyKey,amount,idempotencyKey\np,gold,1,k1\np,gold,1,k1\np,gold,1,\n";
    let seen = read(Kind::Wallet, None, &Choices::default(), "f.csv", csv).unwrap();
    assert_eq!((seen.rows[0].key.as_str(), seen.rows.len()), ("k1", 2));
    assert!(seen.rows[1].key.starts_with("import:test:"));
    assert_eq!(errors(&seen), [(3, "the idempotency key is in these files twice")]);
}

#[test]
fn a_row_that_no_call_has_room_for_fails_alone() {
    let line = |text: &str| {
        format!("{{\"externalPlayerId\":\"p\",\"itemKey\":\"i\",\"quantity\":1,\"parameters\":{{\"t\":\"{text}\"}}}}\n")
    };
    let ndjson = [line("small"), line(&"x".repeat(300_000)), line(&"y".repeat(17 << 20))].concat();
    let seen = read(Kind::Inventory, None, &Choices::default(), "i.ndjson", ndjson.as_bytes()).unwrap();
    assert_eq!(holdings(&seen), [("p", "i", 1)]);
    assert_eq!(errors(&seen), [(2, "the row is larger than 256 KiB"), (3, "the line is longer than 16 MiB")]);
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_read() {
    let refused = |choices: &Choices, name: &str, bytes: &[u8]| {
        let trouble = read(Kind::Wallet, None, choices, name, bytes).unwrap_err();
        assert!(trouble.is_usage(), "{trouble}");
        trouble.to_string()
    };
    let none = Choices::default();
    let said = refused(&none, "w.csv", b"player,gold\n");
    assert!(said.ends_with("has no column 'externalPlayerId'; it has 'player', 'gold'"), "{said}");
    assert!(refused(&none, "w.csv", b"a;b\n1;2\n").ends_with("is it another --delimiter?"));
    assert!(refused(&none, "w.csv", b"").contains("not even a header"));
    assert!(refused(&none, "w.ndjson", b"{\"a\":1,\"b\":2}\n").ends_with("it has 'a', 'b'"));
    assert!(refused(&none, "w.json", b"[\n{\"externalPlayerId\":\"p\"}]").contains("jq -c"));
    let found = Source::find(Path::new("/"), &PLAINLY).map(drop).unwrap_err();
    assert!(found.is_usage() && found.to_string().contains("is a folder"));
}

#[test]
fn files_that_changed_where_they_are_settled_are_refused() {
    let csv = b"externalPlayerId,economyKey,amount\np,gold,1\nq,gold,2\nr,gold,3\n";
    let files = Files::of(Kind::Wallet, None, &Choices::default(), &[("w.csv", csv)]);
    let mut settled = Position::default();
    files
        .reader(settled)
        .read(|batch| {
            settled = batch.position;
            false
        })
        .unwrap();
    assert_eq!((settled.events, settled.lines), (3, 3));
    files.reader(settled).read(|_| panic!("everything is settled")).unwrap();
    for changed in [
        &b"externalPlayerId,economyKey,amount\np,gold,1\nq,gold,9\nr,gold,3\n"[..],
        b"externalPlayerId,economyKey,amount\np,gold,1\n",
    ] {
        fs::write(&files.paths[0], changed).unwrap();
        let trouble = files.reader(settled).read(|_| true).unwrap_err();
        assert!(trouble.to_string().contains("--again"), "{trouble}");
    }
}
