//! The HTTP face of Purser: routes, wire types, error mapping and the OpenAPI document, on actix-web.
//!
//! This crate must not know SQL, nor which store, clock or source of ids it serves: it sees `domain` only. One file per
//! verb, one folder per capability, so the file list is the feature list. Every handler is three lines: parse, call,
//! respond. A request comes over a `connection`, passes `middleware` and the `gate`, then `keys::Caller` (who is asking), then `path` and `body` (what is
//! asked), then a use case; whatever fails on the way becomes one `problem::Problem`.

mod audit_log;
mod body;
mod certificates;
mod client_address;
mod connection;
mod cursor;
mod depth;
mod economy;
mod elements;
mod field_errors;
mod fields;
mod gate;
mod instant;
mod keys;
mod limits;
mod lobbies;
mod middleware;
mod operations;
mod over_limit;
mod pace;
mod path;
mod play_refusals;
mod players;
mod problem;
mod query;
mod rate_limits;
mod receive;
mod routes;
mod server;
mod split;
#[cfg(test)]
mod tests;
mod trace;
mod webhook_refusals;
mod webhooks;

pub use certificates::{Certificates, UnusableCertificate};
pub use client_address::{ProxyHeader, TrustedProxies, UnreadableProxies};
pub use limits::Limits;
pub use operations::openapi_json;
pub use server::{App, Serving, serve};
pub use trace::{AnsweredRequest, RequestSpans, TraceContext, Tracing};
