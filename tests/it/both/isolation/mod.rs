//! The isolation matrix: every route of the document that the server serves, with every kind of key that must not open it.
//!
//! Whoever asks without a good key is told 401 or 403. Whoever asks with the key of another realm is told what a realm would
//! be told that never heard of this one. Nobody is ever shown a byte of it, and nothing of it changes.

mod document;
mod strangers;
mod victim;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::api::Reply;
use crate::harness::forged_key::forged_key;
use crate::harness::patience::eventually;
use crate::harness::program::Purser;
use crate::harness::receiver::Receiver;
use document::{Document, Request};
use strangers::Stranger;
use victim::{ELSEWHERE, HOOKS, Realm, Victim};

/// The game that is attacked, and its environment.
const ATTACKED: (&str, &str, &str) = ("veiled", "attacked", "sandbox");

/// What changes in a realm when its own keys read it, sooner or later.
const VOLATILE: [&str; 2] = ["lastUsedAt", "exportedAt"];

/// A key that opens nothing of what it is tried on.
struct BadKey {
    name: &'static str,
    /// What is sent to the routes for server keys, and to those for admin keys.
    sent: [Option<String>; 2],
    status: u16,
    code: &'static str,
}

/// The program with the realm in it, and all that is wrong so far.
struct Matrix {
    purser: Purser,
    receiver: Receiver,
    document: Document,
    victim: Victim,
    requests: Vec<Request>,
    /// All that keys of other realms were told of themselves, and sent.
    known_to_strangers: String,
    violations: Vec<String>,
}

impl Matrix {
    async fn new() -> Self {
        let purser = Purser::start_with(&["--webhook-allow", "127.0.0.1"]).await;
        let receiver = Receiver::start().await;
        let realm = Realm::new(&purser, ATTACKED.0, ATTACKED.1, ATTACKED.2).await;
        let document = Document::served_to(&realm.server).await;
        let victim = Victim::new(realm, &receiver).await;
        let requests = document.requests(&victim.bindings, &victim.samples);
        let mut matrix = Self {
            purser,
            receiver,
            document,
            victim,
            requests,
            known_to_strangers: String::new(),
            violations: Vec::new(),
        };
        for read in matrix.read_all().await.values() {
            matrix.victim.hide(&read.to_string());
        }
        matrix
    }

    /// All that the realm's own keys can read of it, but what changes by reading.
    async fn read_all(&self) -> BTreeMap<String, Value> {
        let mut read = BTreeMap::new();
        for request in self.requests.iter().filter(|request| request.reads()) {
            let reply = self.send(request, &self.victim.realm).await;
            let mut body = reply.ok(200);
            self.remove_volatile(&mut body);
            read.insert(request.path(&self.victim.realm.game), body);
        }
        read
    }

    /// Sends it with the keys of `realm`, about its game.
    async fn send(&self, request: &Request, realm: &Realm) -> Reply {
        send(request, realm.api(request.is_admins).key(), &realm.game, realm).await
    }

    /// Removes what the realm's own keys change by reading: when they were used, and that the audit log names who exports.
    fn remove_volatile(&self, value: &mut Value) {
        let reader = format!("api_key:{}", &self.victim.realm.server.key()[..21]);
        match value {
            Value::Object(members) => {
                members.retain(|name, _| !VOLATILE.contains(&name.as_str()));
                members.values_mut().for_each(|value| self.remove_volatile(value));
            }
            Value::Array(elements) => {
                elements.retain(|element| element["action"] != "player.export" || element["actor"] != reader);
                elements.iter_mut().for_each(|element| self.remove_volatile(element));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Notes what of the realm is in an answer and was not `known` to whoever asked.
    fn check_for_leaks(&mut self, cell: &str, reply: &Reply, known: &str) {
        let shown = everything_in(reply);
        let leaks: Vec<_> = self.victim.hidden_in(&shown, known).map(|leak| format!("{cell}: shows {leak}")).collect();
        self.violations.extend(leaks);
    }

    /// Every kind of key that opens nothing of the realm, whatever it is about.
    async fn bad_keys(&self) -> Vec<BadKey> {
        let both = |text: &str| [Some(text.to_owned()), Some(text.to_owned())];
        let refused = |name, sent| BadKey { name, sent, status: 401, code: "session_invalid" };
        let forbidden = |name, sent| BadKey { name, sent, status: 403, code: "forbidden" };
        let realm = &self.victim.realm;
        let (mut revoked, mut expired) = ([None, None], [None, None]);
        for (index, permissions) in ["server_integration", "admin"].into_iter().enumerate() {
            let (id, key) = Realm::issue(&self.purser, ATTACKED, permissions, &[]).await;
            self.purser.must(&["keys", "revoke", &id]).await;
            revoked[index] = Some(key);
            expired[index] = Some(Realm::issue(&self.purser, ATTACKED, permissions, &["--expires-in", "1s"]).await.1);
        }
        for key in expired.iter().chain(&revoked).flatten() {
            // A key for other routes is told so for as long as it is good.
            eventually("the key is refused", async || {
                (self.purser.api_with(key).get("ping").await.status == 401).then_some(())
            })
            .await;
        }
        let (_, sdk) = Realm::issue(&self.purser, ATTACKED, "client_sdk", &[]).await;
        vec![
            BadKey { name: "no key", sent: [None, None], status: 401, code: "unauthenticated" },
            refused("garbage", both("nonsense")),
            refused("an unknown key", both(&forged_key("ks_sandbox_0000000000", 'x'))),
            refused("a revoked key", revoked),
            refused("an expired key", expired),
            forbidden(
                "a key for other routes",
                [realm.admin.key(), realm.server.key()].map(|key| Some(key.to_owned())),
            ),
            forbidden("a client's key", both(&sdk)),
        ]
    }

    async fn try_bad_keys(&mut self) {
        for bad in self.bad_keys().await {
            for request in self.requests.clone() {
                let game = self.victim.realm.game.clone();
                let key = &bad.sent[usize::from(request.is_admins)];
                let cell = format!("{} {} with {}", request.method, request.pattern, bad.name);
                let reply = send(&request, key.as_deref().unwrap_or_default(), &game, &self.victim.realm).await;
                let code = serde_json::from_str::<Value>(&reply.text).map(|body| body["error"]["code"].clone());
                if (reply.status, code.ok()) != (bad.status, Some(bad.code.into())) {
                    self.violations.push(format!("{cell}: {} instead of {}: {}", reply.status, bad.status, reply.text));
                }
                self.check_for_leaks(&cell, &reply, &request.sent(&game));
            }
        }
    }

    async fn try_undocumented_methods(&mut self) {
        let api = self.purser.api_with("nonsense");
        for (method, path, allow) in self.document.undocumented(&self.victim.bindings) {
            let path = path.replace(document::GAME, &self.victim.realm.game);
            for request in [api.bare(method.clone(), &path), api.keyed(method.clone(), &path)] {
                let reply = Reply::to(request).await.unwrap();
                let cell = format!("{method} {path}");
                if (reply.status, reply.header("allow")) != (405, Some(&*allow)) {
                    self.violations.push(format!("{cell}: not 405 with Allow: {allow}, but {reply:?}"));
                }
                self.check_for_leaks(&cell, &reply, &path);
            }
        }
    }

    /// Fails unless the realm's own keys get somewhere with every request: otherwise the matrix attacks what does not exist.
    async fn try_own_keys(&mut self) {
        for request in self.requests.clone() {
            let reply = self.send(&request, &self.victim.realm).await;
            if [400, 401, 403, 404].contains(&reply.status) || 500 <= reply.status {
                let cell = format!("{} {}", request.method, request.path(&self.victim.realm.game));
                self.violations.push(format!("{cell}: the matrix sends what even her own key cannot: {reply:?}"));
            }
        }
    }
}

/// Sends `request` about a game with a key, or with none.
async fn send(request: &Request, key: &str, game: &str, realm: &Realm) -> Reply {
    let mut sent = realm.server.bare(request.method.clone(), &request.path(game));
    if !key.is_empty() {
        sent = sent.header("X-API-Key", key);
    }
    if let Some(body) = &request.body {
        sent = sent.json(body);
    }
    Reply::to(sent).await.unwrap_or_else(|error| panic!("{} {}: {error:?}", request.method, request.pattern))
}

/// Body and headers.
fn everything_in(reply: &Reply) -> String {
    let headers =
        reply.headers.iter().map(|(name, value)| format!("\n{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    headers.fold(reply.text.clone(), |all, header| all + &header)
}

/// Where two values that should be equal first are not.
fn difference(place: &str, before: &Value, after: &Value) -> Option<String> {
    let inner = match (before, after) {
        (Value::Object(before), Value::Object(after)) if before.keys().eq(after.keys()) => {
            before.iter().find_map(|(name, value)| difference(&format!("{place} {name}"), value, &after[name]))
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            let mut pairs = before.iter().zip(after).enumerate();
            pairs.find_map(|(index, (before, after))| difference(&format!("{place} {index}"), before, after))
        }
        (Value::Array(before), Value::Array(after)) => {
            let more: Vec<_> = after.iter().filter(|element| !before.contains(element)).collect();
            Some(format!("{place} had {} elements and has {}; new: {more:?}", before.len(), after.len()))
        }
        (_, _) => None,
    };
    inner.or_else(|| (before != after).then(|| format!("{place} has changed: {before} became {after}")))
}

#[tokio::test]
async fn no_key_but_a_realms_own_opens_or_shows_or_changes_anything_of_it() {
    let mut matrix = Matrix::new().await;
    let cursors = matrix.with_cursors().await;
    matrix.try_bad_keys().await;
    let before = matrix.read_all().await;
    let told = matrix.receiver.events(HOOKS);
    matrix.try_undocumented_methods().await;
    for (name, realm) in [
        ("another game's key", ("veiled", "another", "sandbox")),
        ("another environment's key", ("veiled", "attacked", "live")),
        ("another studio's key", ("strangers", "attacked", "sandbox")),
    ] {
        let stranger = Stranger::new(&matrix.purser, name, realm).await;
        matrix.try_stranger(stranger, &cursors).await;
    }
    let after = matrix.read_all().await;
    for (path, body) in &before {
        if let Some(difference) = difference(path, body, &after[path]) {
            matrix.violations.push(difference);
        }
    }
    assert_eq!(matrix.receiver.events(HOOKS), told, "nobody else makes the realm tell anything");
    for received in matrix.receiver.received(ELSEWHERE) {
        let told = format!("{received:?}");
        let leaks: Vec<_> = matrix.victim.hidden_in(&told, &matrix.known_to_strangers).cloned().collect();
        matrix.violations.extend(leaks.iter().map(|leak| format!("a webhook of a stranger shows {leak}: {told}")));
    }
    matrix.purser.verified().await;
    matrix.try_own_keys().await;
    assert!(matrix.violations.is_empty(), "{} violations:\n{}", matrix.violations.len(), matrix.violations.join("\n"));
}
