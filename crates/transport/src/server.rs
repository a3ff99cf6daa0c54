//! The HTTP server: what it is made of, and how it is put on a listener.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{Error, HttpServer};
use domain::audit_log::AuditTrail;
use domain::clock::Clock;
use domain::economy::Economy;
use domain::keys::{KeyRing, Keys};
use domain::limits::RateLimits;
use domain::lobbies::Lobbies;
use domain::players::{PlayerReads, Players};
use domain::store::StoreHealth;
use domain::webhooks::Webhooks;

use crate::middleware::{Observer, observe};
use crate::routes;

/// How long a stopping server waits for requests in flight, in seconds.
const SHUTDOWN_TIMEOUT_S: u64 = 10;

/// How long an idle connection is kept: longer than the connection pools of common clients keep theirs, so that it is the
/// client who closes, never the server while a request is on its way.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Everything that the routes need.
#[derive(Clone)]
pub struct App {
    /// The use cases of the economy.
    pub economy: Arc<Economy>,
    /// Reads players.
    pub players: Arc<dyn PlayerReads>,
    /// The use cases of players' lives.
    pub lives: Arc<Players>,
    /// The use cases of events, lobbies and leaderboards.
    pub lobbies: Arc<Lobbies>,
    /// The use cases of the audit log.
    pub audit_trail: Arc<AuditTrail>,
    /// The use cases of webhook endpoints, their deliveries and the feed of events.
    pub webhooks: Arc<Webhooks>,
    /// The use cases of API keys.
    pub keys: Arc<Keys>,
    /// Checks API keys.
    pub key_ring: Arc<KeyRing>,
    /// Lets calls pay.
    pub rate_limits: Arc<RateLimits>,
    /// Tells whether the store can be used.
    pub health: Arc<dyn StoreHealth>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Writes the metrics of this process as Prometheus text.
    pub render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// Puts the HTTP server on `listener`, with `workers` threads. It runs once the returned future is polled, and does not
/// handle signals: stop it through its handle, which waits up to ten seconds for requests in flight.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(app: App, listener: TcpListener, workers: usize) -> std::io::Result<Server> {
    let server = HttpServer::new(move || http_app(&app)).workers(workers).keep_alive(KEEP_ALIVE).disable_signals();
    Ok(server.tcp_nodelay(true).shutdown_timeout(SHUTDOWN_TIMEOUT_S).listen(listener)?.run())
}

/// The routes with their middleware, as the server and the tests run them.
pub(crate) fn http_app(
    app: &App,
) -> actix_web::App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let observer = Data::new(Observer::default());
    actix_web::App::new().app_data(observer).configure(|config| routes::configure(config, app)).wrap(from_fn(observe))
}
