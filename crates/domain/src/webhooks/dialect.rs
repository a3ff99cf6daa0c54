//! The forms in which an event is told: what each attempt says, and under which headers.
//!
//! This module must not know how a request is sent, nor why it is sent again.

use form_urlencoded::Serializer;
use serde_json::Value;

use super::signature::{headers, signed_request, unix_seconds};
use super::{Assignment, Dialect, Endpoint, OutboxEventId, ToldEvent};
use crate::clock::Timestamp;
use crate::tenancy::Realm;

/// A request that is ready to be sent: a POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Its headers, `Content-Type` among them.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: String,
}

/// The secrets of an endpoint, as they are needed for one attempt.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenSecrets {
    /// What the attempt is signed with, each: the newest, and the one before while it is good. `whsec_` and base64.
    pub secrets: Vec<String>,
    /// What a form says it is from: the callback key that the receiver knows for certain. Of Kongregate's dialect only.
    pub callback_key: Option<String>,
    /// The token that stands for the event's player, if it has one.
    pub player_token: Option<String>,
}

/// Never shows a secret.
impl std::fmt::Debug for OpenSecrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("OpenSecrets(..)")
    }
}

/// What Kongregate's dialect calls every change of what a player has.
const INVENTORY_EVENT: &str = "invalidate_user_inventory";

/// The name of a request that only tries an endpoint.
const PING_EVENT: &str = "webhook.ping";

/// The same in Kongregate's dialect.
const TEST_EVENT: &str = "test";

/// The request that tells `assignment` at `now`, as its attempt `number` (from 1), signed anew.
pub fn prepare(assignment: &Assignment, number: u32, open: &OpenSecrets, now: Timestamp) -> Prepared {
    let Assignment { event, endpoint, player_number, .. } = assignment;
    let id = event.id.0.to_string();
    match endpoint.dialect {
        Dialect::Json => json(&id, envelope(event, Some(number)), open, now),
        Dialect::Kongregate => {
            let username = event.player.as_ref().map(|(_, external_id)| external_id.as_str());
            let about_player = [
                ("user_id", player_number.map(Value::from)),
                ("username", username.map(Value::from)),
                ("game_auth_token", open.player_token.as_deref().map(Value::from)),
            ];
            form(&id, INVENTORY_EVENT, event.at, about_player, open, now)
        }
    }
}

/// The JSON envelope of `event`: `{id, eventName, studioId, gameId, environment, occurredAt, deliveryAttempt, data}`, the
/// attempt only where there is one.
pub fn envelope(event: &ToldEvent, attempt: Option<u32>) -> String {
    enveloped(&event.id.0.to_string(), event.name.as_str(), &event.realm, event.at, attempt, &event.data_json())
}

/// The request that only tries `endpoint`, under the name `webhook.ping`.
pub fn ping(realm: &Realm, endpoint: &Endpoint, id: OutboxEventId, open: &OpenSecrets, now: Timestamp) -> Prepared {
    let id = id.0.to_string();
    match endpoint.dialect {
        Dialect::Json => {
            let data = object([("webhookId", Some(Value::from(endpoint.id.0.to_string())))]);
            json(&id, enveloped(&id, PING_EVENT, realm, now, Some(1), &data), open, now)
        }
        Dialect::Kongregate => form(&id, TEST_EVENT, now, [], open, now),
    }
}

/// The envelope around `data`, which is JSON. Its members stand in the order in which they are documented.
fn enveloped(id: &str, name: &str, realm: &Realm, at: Timestamp, attempt: Option<u32>, data: &str) -> String {
    let head = [
        ("id", Some(Value::from(id))),
        ("eventName", Some(Value::from(name))),
        ("studioId", Some(Value::from(realm.studio.0.to_string()))),
        ("gameId", Some(Value::from(realm.game.0.to_string()))),
        ("environment", Some(Value::from(realm.environment.as_str()))),
        ("occurredAt", Some(Value::from(at.to_string()))),
        ("deliveryAttempt", attempt.map(Value::from)),
    ];
    let head = object(head);
    let head = head.strip_suffix('}').unwrap_or(&head);
    format!(r#"{head},"data":{data}}}"#)
}

/// The JSON object of those `members` that there are, in their order.
fn object<'a>(members: impl IntoIterator<Item = (&'a str, Option<Value>)>) -> String {
    let members = members.into_iter().filter_map(|(name, value)| Some(format!("{}:{}", Value::from(name), value?)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// A request with a JSON body.
fn json(id: &str, body: String, open: &OpenSecrets, now: Timestamp) -> Prepared {
    prepared("application/json", id, body, open, now)
}

/// A request with a form: that `event` happened at `at`, whom it is of, and the same once more as a signed request.
fn form<const N: usize>(
    id: &str,
    event: &str,
    at: Timestamp,
    about_player: [(&'static str, Option<Value>); N],
    open: &OpenSecrets,
    now: Timestamp,
) -> Prepared {
    let key = open.callback_key.as_deref().unwrap_or_default();
    let common = [
        ("event", Some(Value::from(event))),
        ("api_key", Some(Value::from(key))),
        ("time", Some(Value::from(time_of_form(at)))),
    ];
    let fields: Vec<_> = common.into_iter().chain(about_player).chain([("id", Some(Value::from(id)))]).collect();
    let signed = [("algorithm", Some(Value::from("HMAC-SHA256")))].into_iter().chain(fields.iter().cloned());
    let signed = signed.chain([("issued_at", Some(Value::from(unix_seconds(now))))]);
    let signed = signed_request(key, &object(signed));
    let mut body = Serializer::new(String::new());
    for (name, value) in fields {
        match value {
            Some(Value::String(text)) => body.append_pair(name, &text),
            Some(other) => body.append_pair(name, &other.to_string()),
            None => &mut body,
        };
    }
    body.append_pair("signed_request", &signed);
    prepared("application/x-www-form-urlencoded", id, body.finish(), open, now)
}

fn prepared(content_type: &str, id: &str, body: String, open: &OpenSecrets, now: Timestamp) -> Prepared {
    let signed = headers(id, &body, &open.secrets, now);
    let headers = [("Content-Type", content_type.to_owned())].into_iter().chain(signed).collect();
    Prepared { headers, body }
}

/// `at` as Kongregate writes it, such as `2016-04-10 13:20:59 +0000`.
fn time_of_form(at: Timestamp) -> String {
    let at = at.to_date_time();
    let (date, time) = (at.date(), at.time());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} +0000")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use uuid::Uuid;

    use super::*;
    use crate::players::{ExternalId, PlayerId};
    use crate::tenancy::{Environment, GameId, RealmId, StudioId};
    use crate::text::{FreeText, JsonObject};
    use crate::webhooks::{
        ClaimId, DeliveryId, EndpointId, EndpointUrl, EventName, FeedPosition, Rotating, Sealed, secret_text,
    };

    const CALLBACK_KEY: &str = "748e63d7-c48c-418c-aa25-80456de2b98c";

    /// 2016-04-10 13:20:59.250 UTC.
    fn then() -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_millis(1_460_294_459_250))
    }

    fn now() -> Timestamp {
        then().plus(Duration::from_secs(5))
    }

    fn realm() -> Realm {
        Realm {
            id: RealmId(1),
            studio: StudioId(Uuid::from_u128(1)),
            game: GameId(Uuid::from_u128(2)),
            environment: Environment::Sandbox,
        }
    }

    fn endpoint(dialect: Dialect) -> Endpoint {
        Endpoint {
            id: EndpointId(Uuid::from_u128(3)),
            url: EndpointUrl::restore("https://example.com/".to_owned()),
            description: FreeText::restore(String::new()),
            dialect,
            events: dialect.speaks_of(),
            disabled: None,
            failing_since: None,
            secret: Rotating::new(Sealed(Vec::new())),
            callback_key: None,
            created_at: then(),
            updated_at: then(),
        }
    }

    fn assignment(dialect: Dialect, player: &str) -> Assignment {
        Assignment {
            delivery: DeliveryId(Uuid::from_u128(4)),
            claim: ClaimId(Uuid::from_u128(5)),
            attempts: 1,
            tries: 1,
            endpoint: endpoint(dialect),
            event: ToldEvent {
                realm: realm(),
                position: FeedPosition(9),
                id: OutboxEventId(Uuid::from_u128(6)),
                name: EventName::WalletChanged,
                at: then(),
                player: Some((PlayerId(Uuid::from_u128(7)), ExternalId::restore(player.to_owned()))),
                data: JsonObject::restore(r#"{"delta":5}"#.to_owned()),
                words: None,
            },
            player_number: (dialect == Dialect::Kongregate).then_some(765),
        }
    }

    fn open() -> OpenSecrets {
        OpenSecrets {
            secrets: vec![secret_text(&[1; 32]), secret_text(&[2; 32])],
            callback_key: Some(CALLBACK_KEY.to_owned()),
            player_token: Some("token".to_owned()),
        }
    }

    fn fields(prepared: &Prepared) -> BTreeMap<String, String> {
        form_urlencoded::parse(prepared.body.as_bytes()).into_owned().collect()
    }

    /// What the signed request says, once it is found to be signed with `key`.
    fn claims(signed: &str, key: &str) -> Value {
        let (_, payload) = signed.split_once('.').expect("it has two parts");
        let payload = URL_SAFE_NO_PAD.decode(payload).expect("it is base64 for URLs");
        let payload = String::from_utf8(payload).expect("it is text");
        assert_eq!(signed_request(key, &payload), signed);
        serde_json::from_str(&payload).expect("it is JSON")
    }

    #[test]
    fn an_event_is_told_in_an_envelope() {
        let prepared = prepare(&assignment(Dialect::Json, "p-1"), 2, &open(), now());
        let (studio, game, id) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(6));
        let player = Uuid::from_u128(7);
        let expected = format!(
            r#"{{"id":"{id}","eventName":"wallet.changed","studioId":"{studio}","gameId":"{game}","environment":"sandbox","#
        ) + r#""occurredAt":"2016-04-10T13:20:59.250Z","deliveryAttempt":2,"#
            + &format!(r#""data":{{"delta":5,"externalPlayerId":"p-1","playerId":"{player}"}}}}"#);
        assert_eq!(prepared.body, expected);
        serde_json::from_str::<Value>(&prepared.body).expect("it is JSON");
        let names: Vec<_> = prepared.headers.iter().map(|(name, _)| *name).collect();
        let expected = ["Content-Type", "X-Signature", "webhook-id", "webhook-timestamp", "webhook-signature"];
        assert_eq!(names, expected);
        assert_eq!(prepared.headers[0].1, "application/json");
        assert_eq!(prepared.headers[2].1, id.to_string());
        assert_eq!(prepared.headers[3].1, "1460294464", "the time of the attempt, not that of the event");
    }

    #[test]
    fn what_is_read_and_not_delivered_has_no_attempt() {
        let event = assignment(Dialect::Json, "p-1").event;
        let envelope: Value = serde_json::from_str(&envelope(&event, None)).expect("it is JSON");
        assert_eq!(envelope.get("deliveryAttempt"), None);
        assert_eq!(envelope["eventName"], "wallet.changed");
    }

    #[test]
    fn every_attempt_is_signed_anew_with_every_good_secret_under_one_id() {
        let assignment = assignment(Dialect::Json, "p-1");
        let first = prepare(&assignment, 1, &open(), now());
        let second = prepare(&assignment, 2, &open(), now().plus(Duration::from_secs(5)));
        assert_eq!(first.headers[2], second.headers[2]);
        assert_ne!(first.headers[1], second.headers[1]);
        assert_ne!(first.headers[4], second.headers[4]);
        assert_eq!(first.headers[1].1.matches(",v1=").count(), 2);
        assert_eq!(first.headers[4].1.split(' ').count(), 2);
    }

    #[test]
    fn a_form_has_every_field_that_receivers_look_for() {
        let prepared = prepare(&assignment(Dialect::Kongregate, "p-1"), 1, &open(), now());
        assert_eq!(prepared.headers[0], ("Content-Type", "application/x-www-form-urlencoded".to_owned()));
        let mut fields = fields(&prepared);
        let signed = fields.remove("signed_request").expect("it is signed");
        let id = Uuid::from_u128(6).to_string();
        let expected = [
            ("api_key", CALLBACK_KEY),
            ("event", "invalidate_user_inventory"),
            ("game_auth_token", "token"),
            ("id", &id),
            ("time", "2016-04-10 13:20:59 +0000"),
            ("user_id", "765"),
            ("username", "p-1"),
        ];
        assert_eq!(fields, BTreeMap::from(expected.map(|(name, value)| (name.to_owned(), value.to_owned()))));
        let expected = serde_json::json!({
            "algorithm": "HMAC-SHA256",
            "event": "invalidate_user_inventory",
            "api_key": CALLBACK_KEY,
            "time": "2016-04-10 13:20:59 +0000",
            "user_id": 765,
            "username": "p-1",
            "game_auth_token": "token",
            "id": id,
            "issued_at": 1_460_294_464,
        });
        assert_eq!(claims(&signed, CALLBACK_KEY), expected);
    }

    #[test]
    fn the_plus_of_a_time_travels_encoded() {
        let prepared = prepare(&assignment(Dialect::Kongregate, "p-1"), 1, &open(), now());
        assert!(prepared.body.contains("&time=2016-04-10+13%3A20%3A59+%2B0000&"), "{}", prepared.body);
        let midnight = Timestamp::EPOCH;
        assert_eq!(time_of_form(midnight), "1970-01-01 00:00:00 +0000");
    }

    #[test]
    fn a_name_survives_a_form_whatever_is_in_it() {
        for name in ["a b", "a&b=c", "1+1", "100%25", "🐉 Žluťoučký", "\"quoted\\\"", "a;b#c?d/e", "__x"] {
            let fields = fields(&prepare(&assignment(Dialect::Kongregate, name), 1, &open(), now()));
            assert_eq!(fields["username"], name);
            assert_eq!(claims(&fields["signed_request"], CALLBACK_KEY)["username"], name);
        }
    }

    #[test]
    fn a_form_is_signed_like_everything_else() {
        let prepared = prepare(&assignment(Dialect::Kongregate, "p-1"), 1, &open(), now());
        let id = Uuid::from_u128(6).to_string();
        assert_eq!(prepared.headers[1..], headers(&id, &prepared.body, &open().secrets, now()));
    }

    #[test]
    fn a_ping_is_told_in_the_dialect_of_its_endpoint() {
        let id = OutboxEventId(Uuid::from_u128(8));
        let prepared = ping(&realm(), &endpoint(Dialect::Json), id, &open(), now());
        let told: Value = serde_json::from_str(&prepared.body).expect("it is JSON");
        assert_eq!(told["eventName"], "webhook.ping");
        assert_eq!(told["id"], id.0.to_string());
        assert_eq!(told["data"], serde_json::json!({ "webhookId": Uuid::from_u128(3) }));
        let prepared = ping(&realm(), &endpoint(Dialect::Kongregate), id, &open(), now());
        let fields = fields(&prepared);
        assert_eq!(fields["event"], "test");
        assert_eq!(fields["api_key"], CALLBACK_KEY);
        assert_eq!(fields["time"], "2016-04-10 13:21:04 +0000");
        assert_eq!(fields.get("user_id"), None);
        assert_eq!(claims(&fields["signed_request"], CALLBACK_KEY)["event"], "test");
    }

    #[test]
    fn open_secrets_are_not_shown() {
        assert_eq!(format!("{:?}", open()), "OpenSecrets(..)");
    }
}
