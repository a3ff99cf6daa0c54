//! The server's parts over a real store and real HTTP, with a clock that the test moves and no sweep but the test's own.
//!
//! The real program makes the store and the keys. It cannot be told the time, so the parts are put together here.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::audit_log::AuditTrail;
use domain::clock::Clock;
use domain::economy::{Economy, QUEUE_DEPTH, Queue};
use domain::ids::Ids;
use domain::keys::{KeyRing, Keys};
use domain::limits::{DefaultLimits, RateLimit, RateLimits};
use domain::lobbies::{Lobbies, LobbyObserver, LobbyTransition, PlayPorts, PlayQueue};
use domain::players::{InstallationSecret, Players};
use domain::webhooks::{ClaimId, MockCourier, MockVault, Outbox, Sealed, TakeDue, WebhookPorts, Webhooks};
use limiter::MemoryLimiter;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::contract::Stores;
use testkit::{ManualClock, SequentialIds, SilentObserver};
use transport::{App, Serving, Tracing};

use crate::harness::api::{Api, Reply};
use crate::harness::program::{Home, Purser};

/// A server whose time stands still until it is moved.
pub(crate) struct Staged {
    /// The server API with a key of its own.
    pub(crate) api: Api,
    /// The id of the game.
    pub(crate) game: String,
    admin: Api,
    clock: Arc<ManualClock>,
    lobbies: Arc<Lobbies>,
    told: Arc<Told>,
    outbox: Arc<dyn Outbox>,
    // After the connections to the store that are above.
    _home: Arc<Home>,
}

/// Remembers how lobbies moved on when they were written to.
#[derive(Default)]
struct Told(Mutex<Vec<LobbyTransition>>);

impl LobbyObserver for Told {
    fn moved(&self, transition: &LobbyTransition) {
        self.0.lock().unwrap().push(*transition);
    }
}

impl Staged {
    /// On an empty store.
    pub(crate) async fn start() -> Self {
        Self::limited_to(0).await
    }

    /// The same, each key limited to so many calls a minute.
    pub(crate) async fn limited_to(per_minute: u32) -> Self {
        let mut purser = Purser::start().await;
        let key = purser.key().to_owned();
        let admin = purser.issue("demo", "sandbox", "admin").await["key"].as_str().unwrap().to_owned();
        let game = purser.api().get("ping").await.ok(200)["apiKey"]["gameId"].as_str().unwrap().to_owned();
        purser.stop().await;
        let stores = purser.home().store().opened().await;
        let (clock, told) = (Arc::new(ManualClock::new()), Arc::new(Told::default()));
        let limits = DefaultLimits { server_api: RateLimit::try_new(per_minute).unwrap() };
        let (app, lobbies) = app_over(&stores, &clock, &told, limits);
        let address = serve(app);
        let (api, admin) = (Api::new(address, &key), Api::new(address, &admin));
        let outbox = stores.outbox.clone();
        Self { api, game, admin, clock, lobbies, told, outbox, _home: Arc::clone(purser.home()) }
    }

    /// Moves the time on.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Stores what the clock has made of lobbies; how many moved on by that.
    pub(crate) async fn sweep(&self) -> usize {
        self.lobbies.sweep().await.expect("the store works").len()
    }

    /// How often a lobby was told to have become `status` by something that was written to it.
    pub(crate) fn told(&self, status: &str) -> usize {
        let told = self.told.0.lock().unwrap();
        told.iter().filter(|transition| transition.status.as_str() == status).count()
    }

    /// The time in so many days, as it is written.
    pub(crate) fn in_days(&self, days: u64) -> String {
        self.clock.now().plus(Duration::from_secs(days * 24 * 60 * 60)).to_string()
    }

    /// Makes an endpoint that is told of these events. Nothing is ever sent to it.
    pub(crate) async fn subscribe(&self, events: &[&str]) {
        let body = json!({ "url": "https://studio.example/hooks", "events": events });
        self.admin(Method::POST, "webhooks", &body).await.data(201);
    }

    /// Stores what time alone did, and publishes it.
    pub(crate) async fn tell_expiries(&self) {
        let now = self.clock.now();
        while 0 < self.outbox.tell_expiries(now, 100).await.expect("the store works") {}
        let claim = ClaimId(SequentialIds.next(now));
        let ask = TakeDue { now, until: now, claim, per_endpoint: 0, held: BTreeMap::new(), limit: 100 };
        self.outbox.take_due(&ask).await.expect("the store works");
    }

    /// Sends a request of an admin, to a path under the game's.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: &Value) -> Reply {
        let path = format!("/admin/v1/games/{}/{path}", self.game);
        let request = self.admin.keyed(method, &path).json(body);
        Reply::to(request).await.expect("the server answers")
    }
}

fn app_over(stores: &Stores, clock: &Arc<ManualClock>, told: &Arc<Told>, limits: DefaultLimits) -> (App, Arc<Lobbies>) {
    let clock: Arc<dyn Clock> = clock.clone();
    let ids = Arc::new(SequentialIds);
    let (queue, lanes) = Queue::open(1, QUEUE_DEPTH);
    for lane in lanes {
        tokio::spawn(lane.run(stores.economy.clone(), Arc::new(SilentObserver)));
    }
    let (play_queue, play_lanes) = PlayQueue::open(2, QUEUE_DEPTH);
    for lane in play_lanes {
        tokio::spawn(lane.run(stores.play.clone(), Arc::new(SilentObserver), told.clone()));
    }
    let ports = PlayPorts {
        events: stores.events.clone(),
        leaderboards: stores.leaderboards.clone(),
        play: stores.play.clone(),
        lobbies: stores.lobbies.clone(),
        rankings: stores.rankings.clone(),
    };
    let lobbies = Arc::new(Lobbies::new(play_queue, ports, clock.clone(), ids.clone()));
    let lives = Players::new(
        stores.lives.clone(),
        (stores.players.clone(), stores.records.clone()),
        stores.audit_log.clone(),
        InstallationSecret::new([7; InstallationSecret::BYTES]),
        clock.clone(),
        ids.clone(),
    );
    let webhooks = Webhooks::new(webhook_ports(stores), clock.clone(), ids.clone());
    let ring = Arc::new(KeyRing::new(stores.keys.clone(), clock.clone()));
    let keys = Keys::new(stores.keys.clone(), ring.clone(), clock.clone(), ids.clone());
    let limiter = Arc::new(MemoryLimiter::new(clock.clone()));
    let rate_limits = RateLimits::new(limiter, clock.clone(), limits);
    let app = App {
        webhooks: Arc::new(webhooks),
        keys: Arc::new(keys),
        economy: Arc::new(Economy::new(queue, stores.reads.clone(), clock.clone(), ids.clone())),
        players: stores.players.clone(),
        lives: Arc::new(lives),
        lobbies: lobbies.clone(),
        audit_trail: Arc::new(AuditTrail::new(stores.audit_log.clone(), clock.clone(), ids)),
        key_ring: ring,
        rate_limits: Arc::new(rate_limits),
        health: stores.health.clone(),
        clock,
        render_metrics: Arc::new(String::new),
        tracing: Tracing { random: || [0x5a; 24], spans: None },
    };
    (app, lobbies)
}

/// Endpoints that may be anywhere, with secrets that are not sealed.
fn webhook_ports(stores: &Stores) -> WebhookPorts {
    let (mut courier, mut vault) = (MockCourier::new(), MockVault::new());
    courier.expect_check().returning(|_| Ok(()));
    vault.expect_seal().returning(|_, secret, _| Sealed(secret.as_bytes().to_vec()));
    WebhookPorts {
        endpoints: stores.endpoints.clone(),
        deliveries: stores.deliveries.clone(),
        feed: stores.feed.clone(),
        courier: Arc::new(courier),
        vault: Arc::new(vault),
    }
}

/// Serves `app` until the test's runtime ends.
fn serve(app: App) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(transport::serve(app, listener, Serving::default()).expect("a server can be made"));
    address
}
