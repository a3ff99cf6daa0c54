//! The failures of routes, as the OpenAPI document tells them. What they are answered is [`super::Problem`]'s.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, ResponseBuilder, Type};

use crate::rate_limits;

/// Why an administrative route is refused, for the OpenAPI document.
const ADMIN_FORBIDDEN: &str = "API key permission set is not `admin`, or the game is not the key's.";

/// The failures of every route under `/server/v1`, for the OpenAPI document.
pub(crate) enum Problems {}

/// Those, and the failures of every route that has parameters.
pub(crate) enum ReadProblems {}

/// Those, and the failures of every route that takes a body.
pub(crate) enum WriteProblems {}

/// The failures of every route under `/server/v1/games/{gameId}` that reads.
pub(crate) enum GameReadProblems {}

/// Those, of the routes that take a body.
pub(crate) enum GameWriteProblems {}

/// The failures of every route under `/admin/v1` that reads.
pub(crate) enum AdminProblems {}

/// Those, of the routes that take a large body.
pub(crate) enum BulkProblems {}

/// The failures of every route under `/admin/v1` that takes a body.
pub(crate) enum AdminWriteProblems {}

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let unauthenticated = problem("Missing or invalid API key.").header(
            "WWW-Authenticate",
            HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build(),
        );
        let unavailable = "The server could not do its part: the store is unavailable, too many requests wait, or there was \
                           no answer in time. After a write, repeat it with the same idempotency key.";
        let unavailable = problem(unavailable).header(
            "Retry-After",
            HeaderBuilder::new()
                .schema(Some(ObjectBuilder::new().schema_type(Type::Integer)))
                .description(Some("After how many seconds to try again."))
                .build(),
        );
        let limited = "Rate limited. The API key has spent the per-minute request budget for this bucket, \
                       `server_api`; a bulk import costs as much as a call for every 100 rows. Nothing was done.";
        let limited =
            rate_limits::documented().fold(problem(limited), |response, (name, header)| response.header(name, header));
        BTreeMap::from([
            ("401".to_owned(), unauthenticated.build().into()),
            ("403".to_owned(), problem("API key permission set is not `server_integration`.").build().into()),
            ("414".to_owned(), problem("The path and query are longer than the server takes.").build().into()),
            ("429".to_owned(), limited.build().into()),
            ("431".to_owned(), problem("The headers are more or larger than the server takes.").build().into()),
            (
                "500".to_owned(),
                problem("A bug in the server. `error.details.requestId` is what its log calls the request.")
                    .build()
                    .into(),
            ),
            ("503".to_owned(), unavailable.build().into()),
        ])
    }
}

impl IntoResponses for ReadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = Problems::responses();
        responses.insert("400".to_owned(), problem("A parameter failed validation.").build().into());
        responses
    }
}

impl IntoResponses for WriteProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = Problems::responses();
        responses.insert("400".to_owned(), problem("Request body failed validation.").build().into());
        responses.insert(
            "408".to_owned(),
            problem("The request body did not come in time; nothing was done.").build().into(),
        );
        responses.insert(
            "413".to_owned(),
            problem("The request body is larger than the server takes: 1 MiB, unless it is set otherwise.")
                .build()
                .into(),
        );
        responses
    }
}

/// Why a game's own route is forbidden.
const FORBIDDEN_GAME: &str = "API key permission set is not `server_integration`, or the game is not the key's.";

impl IntoResponses for GameReadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = ReadProblems::responses();
        responses.insert("403".to_owned(), problem(FORBIDDEN_GAME).build().into());
        responses
    }
}

impl IntoResponses for GameWriteProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = WriteProblems::responses();
        responses.insert("403".to_owned(), problem(FORBIDDEN_GAME).build().into());
        responses
    }
}

impl IntoResponses for AdminProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = ReadProblems::responses();
        responses.insert("403".to_owned(), problem(ADMIN_FORBIDDEN).build().into());
        responses
    }
}

impl IntoResponses for AdminWriteProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = WriteProblems::responses();
        responses.insert("403".to_owned(), problem(ADMIN_FORBIDDEN).build().into());
        responses
    }
}

impl IntoResponses for BulkProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = WriteProblems::responses();
        let malformed =
            "Request body failed validation: not the rows, which fail one by one, but what they are sent in.";
        responses.insert("400".to_owned(), problem(malformed).build().into());
        responses.insert(
            "413".to_owned(),
            problem("The request body is larger than the server takes: 8 MiB, unless it is set otherwise.")
                .build()
                .into(),
        );
        responses
    }
}

fn problem(description: &str) -> ResponseBuilder {
    let schema: RefOr<Schema> = Ref::from_schema_name("ErrorResponse").into();
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content("application/json", content)
}
