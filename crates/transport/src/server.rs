//! The HTTP server: what it is made of, and how it is put on a listener.
//!
//! Below the level of `actix_web::HttpServer`, because every connection is to pass the [`Door`] first.

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_server::GracefulShutdownSignal;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use domain::audit_log::AuditTrail;
use domain::clock::Clock;
use domain::economy::Economy;
use domain::keys::{KeyRing, Keys};
use domain::limits::RateLimits;
use domain::lobbies::Lobbies;
use domain::players::{PlayerReads, Players};
use domain::store::StoreHealth;
use domain::webhooks::Webhooks;

use crate::certificates::Certificates;
use crate::client_address::TrustedProxies;
use crate::connection::{Door, Watched};
use crate::gate;
use crate::limits::Limits;
use crate::middleware::{Observer, observe};
use crate::routes;
use crate::trace::Tracing;

/// How long a stopping server waits for requests in flight, in seconds.
const SHUTDOWN_TIMEOUT_S: u64 = 10;

/// How long a client that was answered early is still read from: what it has sent by then does not keep it from reading.
const LINGER: Duration = Duration::from_secs(1);

/// How a server serves.
#[derive(Clone)]
pub struct Serving {
    /// Threads that serve requests, at most 512.
    pub workers: usize,
    /// What one client may ask for.
    pub limits: Limits,
    /// Who may say on whose behalf it asks.
    pub proxies: TrustedProxies,
    /// What the server shows to prove who it is; without it, it speaks plain HTTP.
    pub certificates: Option<Arc<Certificates>>,
}

impl Default for Serving {
    fn default() -> Self {
        Self { workers: 1, limits: Limits::default(), proxies: TrustedProxies::default(), certificates: None }
    }
}

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
    /// What requests are called, and where their spans go.
    pub tracing: Tracing,
}

/// Puts the HTTP server on `listener`. It runs once the returned future is polled, and does not handle signals: stop it through
/// its handle, which waits up to ten seconds for requests in flight.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(app: App, listener: TcpListener, serving: Serving) -> std::io::Result<Server> {
    let share = serving.limits.connections_max.div_ceil(serving.workers).max(1);
    let builder = Server::build().workers(serving.workers).max_concurrent_connections(share);
    let builder = builder.shutdown_timeout(SHUTDOWN_TIMEOUT_S).disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    Ok(builder.listen("purser", listener, move || worker(&app, &serving, share, stopping.clone()))?.run())
}

/// What one worker does with each connection, of which it has `share` at most.
fn worker(
    app: &App,
    serving: &Serving,
    share: usize,
    stopping: GracefulShutdownSignal,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> + use<> {
    let tls = serving.certificates.as_ref().map(|certificates| certificates.acceptor());
    let door = Rc::new(Door::new(&serving.limits, share, tls, stopping.clone()));
    let routes = http_app(app, serving).into_factory().map_err(|error: Error| error.error_response());
    let http = HttpService::build()
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .keep_alive(serving.limits.keep_alive_time_max)
        // The watch times heads, the later ones too.
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(LINGER)
        .on_connect_ext(|connection: &Watched, data| {
            data.insert(Rc::clone(connection.connection()));
        })
        .finish(map_config(routes, |()| AppConfig::default()));
    let let_in = fn_service(move |stream: TcpStream| {
        let door = Rc::clone(&door);
        async move { door.admit(stream).await.map_err(DispatchError::Io) }
    });
    let_in.and_then(http)
}

/// The routes with their middleware, as the server and the tests run them.
pub(crate) fn http_app(
    app: &App,
    serving: &Serving,
) -> actix_web::App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    actix_web::App::new()
        .app_data(Data::new(Observer::new(app.tracing.clone())))
        .app_data(Data::new(serving.limits.clone()))
        .app_data(Data::new(serving.proxies.clone()))
        .configure(|config| routes::configure(config, app))
        .wrap(from_fn(gate::pass))
        .wrap(from_fn(observe))
}
