//! Good keys of other realms, each beside those of a realm that never heard of the one attacked: both are told the same.

use serde_json::{Value, json};

use super::document::Request;
use super::victim::Realm;
use super::{Matrix, VOLATILE, send};
use crate::harness::api::Reply;
use crate::harness::program::Purser;

/// What an error says of itself, and so must say to everybody alike.
const SAID: [&str; 4] = ["code", "errorCode", "message", "reason"];

/// Somebody with good keys of another realm.
pub(super) struct Stranger {
    name: &'static str,
    realm: Realm,
    /// Of the same environment, and in a studio of its own.
    control: Realm,
    /// All that was ever sent or told to the stranger's realm by itself.
    known: String,
}

impl Stranger {
    /// With an empty realm.
    pub(super) async fn new(
        purser: &Purser,
        name: &'static str,
        (studio, game, environment): (&str, &str, &str),
    ) -> Self {
        let realm = Realm::new(purser, studio, game, environment).await;
        let control =
            Realm::new(purser, &format!("control-of-{studio}-{game}-{environment}"), "control", environment).await;
        let known = realm.known.clone();
        Self { name, realm, control, known }
    }
}

impl Request {
    /// All that whoever sends it about `game` knows by that.
    pub(super) fn sent(&self, game: &str) -> String {
        format!("{} {} ", self.path(game), self.body.as_ref().map(Value::to_string).unwrap_or_default())
    }
}

impl Matrix {
    /// Every read of a list once more, from a place that only the realm's own keys were told.
    ///
    /// # Panics
    /// When a list has no second page.
    pub(super) async fn with_cursors(&self) -> Vec<Request> {
        let mut requests = Vec::new();
        let lists = self.requests.iter().filter(|request| self.document.has_parameter(request, "after"));
        for request in lists {
            let one = request.one_only();
            let next = self.send(&one, &self.victim.realm).await.ok(200)["next"].clone();
            let next = next.as_str().unwrap_or_else(|| {
                panic!("GET {} has one row at most: give it two in `Victim::new`", request.pattern);
            });
            requests.push(request.after(next));
        }
        requests
    }

    /// Makes every request with the keys of `stranger`: about the game that is attacked, and about the stranger's own. Reads
    /// first, in a realm that is empty; then once more, after everything was written to it.
    pub(super) async fn try_stranger(&mut self, mut stranger: Stranger, cursors: &[Request]) {
        let reads: Vec<_> = self.requests.iter().filter(|request| request.reads()).chain(cursors).cloned().collect();
        let writes: Vec<_> = self.requests.iter().filter(|request| !request.reads()).cloned().collect();
        for request in reads.iter().chain(&writes) {
            self.try_their_game(&mut stranger, request).await;
            self.try_own_game(&mut stranger, request, true).await;
        }
        for request in &reads {
            // By now what is told of what was written may, or may not yet, be on lists.
            self.try_own_game(&mut stranger, request, false).await;
        }
        self.known_to_strangers += &stranger.known;
    }

    async fn try_their_game(&mut self, stranger: &mut Stranger, request: &Request) {
        let game = self.victim.realm.game.clone();
        if !request.names_a_game() || stranger.realm.game == game {
            return;
        }
        let reply = send(request, stranger.realm.api(request.is_admins).key(), &game, &stranger.realm).await;
        let cell = format!("{} {} with {}, about the game attacked", request.method, request.pattern, stranger.name);
        if reply.status != 403 {
            self.violations.push(format!("{cell}: {} instead of 403: {}", reply.status, reply.text));
        }
        let known = stranger.known.clone() + &request.sent(&game);
        self.check_for_leaks(&cell, &reply, &known);
    }

    async fn try_own_game(&mut self, stranger: &mut Stranger, request: &Request, compares_bodies: bool) {
        let told = self.send(request, &stranger.realm).await;
        let control = self.send(request, &stranger.control).await;
        stranger.known += &request.sent(&stranger.realm.game);
        let cell = format!("{} {} with {}", request.method, request.path(&stranger.realm.game), stranger.name);
        let (seen, expected) = (seen(&told, &stranger.realm.game), seen(&control, &stranger.control.game));
        if told.status != control.status || compares_bodies && seen != expected {
            let control = format!("{}: {}", control.status, control.text);
            self.violations.push(format!("{cell}: {}: {} instead of {control}", told.status, told.text));
        }
        if 500 <= told.status {
            self.violations.push(format!("{cell}: {}: {}", told.status, told.text));
        }
        self.check_for_leaks(&cell, &told, &stranger.known);
    }
}

/// What of an answer is the same for all who ask alike: the names of its headers and the shape of its body, with what it
/// says of an error.
fn seen(reply: &Reply, game: &str) -> Value {
    let body = serde_json::from_str(&reply.text.replace(game, "the game")).unwrap_or_else(|_| json!(reply.text));
    let mut headers: Vec<_> = reply.headers.keys().map(ToString::to_string).collect();
    headers.sort();
    json!({ "headers": headers, "body": shape(&body) })
}

fn shape(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Number(_) => json!("a number"),
        Value::String(_) => json!("a text"),
        Value::Array(elements) => elements.iter().map(shape).collect(),
        Value::Object(members) => {
            let is_said = |name: &str| SAID.contains(&name);
            let of = |(name, value): (&String, &Value)| {
                (name.clone(), if is_said(name) && value.is_string() { value.clone() } else { shape(value) })
            };
            members.iter().filter(|(name, _)| !VOLATILE.contains(&name.as_str())).map(of).collect()
        }
    }
}
