//! The `webhooks` of the OpenAPI document: every request that Purser sends to a studio's servers.

use std::borrow::Cow;

use domain::webhooks::EventName;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{AllOfBuilder, Schema};
use utoipa::openapi::{
    ContentBuilder, HttpMethod, ObjectBuilder, OpenApi, PathItem, PathsBuilder, Ref, RefOr, Required, ResponseBuilder,
    Type,
};
use utoipa::{OpenApi as _, ToSchema};

use super::event_schemas::{
    ApiKeyExpiringData, EventEnvelope, EventSchemas, GrantEventData, InventoryChangedData, LobbyEventData,
    PlayerBannedData, PlayerDeletedData, PlayerMergedData, PlayerRegisteredData, PlayerUnbannedData, WalletChangedData,
};

/// The event of a ping.
const PING: &str = "webhook.ping";

/// The event of a form.
const FORM: &str = "invalidate_user_inventory";

/// Adds to `document` what is told to webhooks, in each form.
pub(crate) fn document(document: &mut OpenApi) {
    if let Some(schemas) = EventSchemas::openapi().components {
        document.components.get_or_insert_default().schemas.extend(schemas.schemas);
    }
    let told = EventName::ALL.into_iter().map(|name| (name.as_str(), event(name)));
    let others = [(PING, ping()), (FORM, form())];
    let entries = told.chain(others).fold(PathsBuilder::new(), |entries, (name, operation)| {
        entries.path(name, PathItem::new(HttpMethod::Post, operation))
    });
    document.webhooks = Some(entries.build());
}

/// When `name` is told, and the schema of what is told of it. There is no `_` arm: a new event does not compile until someone
/// documents it.
fn described(name: EventName) -> (&'static str, Cow<'static, str>) {
    match name {
        EventName::GrantCreated => ("A grant was created.", GrantEventData::name()),
        EventName::GrantClaimed => ("A grant was claimed or acknowledged.", GrantEventData::name()),
        EventName::GrantExpired => ("A grant expired without having been delivered.", GrantEventData::name()),
        EventName::InventoryChanged => {
            ("What a player has of an item changed. Imports tell nothing.", InventoryChangedData::name())
        }
        EventName::WalletChanged => {
            ("What a player has of a currency changed. Imports tell nothing.", WalletChangedData::name())
        }
        EventName::PlayerRegistered => {
            ("A player was made, by the first write that names them.", PlayerRegisteredData::name())
        }
        EventName::PlayerBanned => ("A player was banned who was not.", PlayerBannedData::name()),
        EventName::PlayerUnbanned => ("A ban was lifted.", PlayerUnbannedData::name()),
        EventName::PlayerMerged => ("A player was merged into another.", PlayerMergedData::name()),
        EventName::PlayerDeleted => {
            ("A player was erased. What was said of them in earlier events is gone.", PlayerDeletedData::name())
        }
        EventName::LobbyCreated => ("A lobby was made.", LobbyEventData::name()),
        EventName::LobbyStarted => ("A lobby began to play.", LobbyEventData::name()),
        EventName::LobbyClosed => ("A lobby ended.", LobbyEventData::name()),
        EventName::ApiKeyExpiring => {
            ("An API key expires in 30, 7 or 1 days; told once at each.", ApiKeyExpiringData::name())
        }
    }
}

fn event(name: EventName) -> Operation {
    let (summary, data) = described(name);
    told(name.as_str(), summary, enveloped(name.as_str(), Ref::from_schema_name(data).into()))
}

fn ping() -> Operation {
    let summary = "Somebody asks whether the webhook answers: `POST …/webhooks/{webhookId}/ping`.";
    let data = ObjectBuilder::new().schema_type(Type::Object).description(Some("Nothing to act on."));
    told(PING, summary, enveloped(PING, data.into()))
}

/// The envelope of the event `name`, which says `data`.
fn enveloped(name: &str, data: RefOr<Schema>) -> RequestBody {
    let own = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("eventName", text().enum_values(Some([name])))
        .property("data", data)
        .required("eventName")
        .required("data");
    let schema = AllOfBuilder::new().item(Ref::from_schema_name(EventEnvelope::name())).item(own).build();
    body("application/json", Schema::AllOf(schema).into())
}

fn form() -> Operation {
    let summary = "What a player has changed: `inventory.changed` and `wallet.changed` in the format `kongregate`.";
    let says: [(&str, ObjectBuilder, &str); 7] = [
        ("event", text().enum_values(Some([FORM])), "Always the same: read the player's inventory and wallet again."),
        ("api_key", text(), "The webhook's `callbackApiKey`, by which the receiver knows that it is from here."),
        (
            "time",
            text().pattern(Some(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}$")),
            "When it happened, such as `2026-06-08 12:00:00 +0000`.",
        ),
        ("user_id", text().pattern(Some("^[1-9][0-9]*$")), "A number that stands for the player, always the same."),
        ("username", text(), "The studio's id for the player, as it is when this is told."),
        ("game_auth_token", text(), "A token that stands for the player towards this webhook, always the same."),
        ("signed_request", text(), "All of it once more, signed with `api_key`: a signature, a full stop, a payload."),
    ];
    let schema = says.into_iter().fold(ObjectBuilder::new().schema_type(Type::Object), |schema, (name, says, why)| {
        schema.property(name, says.description(Some(why))).required(name)
    });
    told(FORM, summary, body("application/x-www-form-urlencoded", Schema::Object(schema.build()).into()))
}

/// The request that tells of `name`.
fn told(name: &str, summary: &str, body: RequestBody) -> Operation {
    let taken = ResponseBuilder::new().description(
        "Any status from 200 to 299, within 10 seconds: it arrived. Every other answer is a failure, a redirect too, and it is \
         tried again, ten times in about three days.",
    );
    let gone =
        ResponseBuilder::new().description("The webhook is no more: it is disabled, and nothing is tried again.");
    OperationBuilder::new()
        .tag("Webhooks")
        .operation_id(Some(operation_id(name)))
        .summary(Some(summary))
        .parameters(Some(headers()))
        .request_body(Some(body))
        .response("2XX", taken)
        .response("410", gone)
        .securities(Some([]))
        .build()
}

/// The name of the request that tells of `name`, as the names of the others are.
fn operation_id(name: &str) -> String {
    name.split(['.', '_']).fold("told".to_owned(), |id, word| {
        let (first, rest) = word.split_at(1);
        id + &first.to_ascii_uppercase() + rest
    })
}

/// How the receiver knows that a request is from here.
fn headers() -> [Parameter; 4] {
    [
        ("webhook-id", "The id of the event: the same at every attempt."),
        ("webhook-timestamp", "When this attempt was made, in seconds since 1970."),
        (
            "webhook-signature",
            "`v1,` and base64 of the HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`, keyed with the bytes that the \
             secret encodes; several between spaces while a secret is being replaced. See standardwebhooks.com.",
        ),
        (
            "X-Signature",
            "`t=<seconds>,v1=<hex>`: the HMAC-SHA256 over `<seconds>.<body>`, keyed with the text of the secret; several `v1` \
             while a secret is being replaced.",
        ),
    ]
    .map(|(name, description)| {
        let header = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::True);
        header.description(Some(description)).schema(Some(text())).build()
    })
}

fn body(content_type: &str, schema: RefOr<Schema>) -> RequestBody {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    RequestBodyBuilder::new().content(content_type, content).required(Some(Required::True)).build()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
