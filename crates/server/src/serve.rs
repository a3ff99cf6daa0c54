//! Serving: opens the store, makes the demo on a first run, starts the lane, listens, and stops in order.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use domain::audit_log::AuditTrail;
use domain::clock::Clock;
use domain::economy::{Economy, EconomyStore, Queue};
use domain::keys::KeyRing;
use domain::limits::{Limiter, RateLimits};
use domain::lobbies::{Lobbies, LobbyObserver, PlayPorts, PlayQueue, PlayStore};
use domain::players::Players;
use domain::store::causes;
use domain::webhooks::{WebhookPorts, Webhooks};
use limiter::{MemoryLimiter, RedisLimiter, RedisOptions, SteadyClock};
use outbound::{DispatchPorts, DispatchSettings, Dispatcher};
use persistence::sqlite::ServeLock;
use tokio::net::TcpSocket;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use transport::{App, RequestSpans, Serving, Tracing};

use crate::certificate_files::CertificateFiles;
use crate::config::{Database, RateLimitSettings, Settings, WebhookSettings};
use crate::gauges::Gauges;
use crate::lanes::{ECONOMY, LaneMetrics, PLAY, Timed};
use crate::observe::{Observer, register_embedded, show_health, show_lag, start_metrics};
use crate::spans::Spans;
use crate::store::{self, IfAbsent, Store};
use crate::system::{SystemClock, SystemIds, random_bytes};
use crate::{first_run, invariants, open_files, secret};

/// How often the uses of keys are written down. A key's use is noted at most once a minute anyway.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(15);

/// How often lobbies are moved on: how late the news of it are.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How long the lane may take to store what it took in, once nothing new comes.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How long webhooks that are under way at a stop may take; those that take longer are sent again.
const DISPATCH_GRACE: Duration = Duration::from_secs(3);

/// How much the delivery of webhooks gives way, as `nice` counts: about a tenth of what a thread that serves gets.
#[cfg(target_os = "linux")]
const GIVE_WAY_BY: i32 = 10;

/// Serves until a signal, then finishes what is in flight.
pub(crate) async fn serve(settings: &Settings) -> anyhow::Result<()> {
    // Before anything is made or taken.
    let tls = settings.tls.clone().map(CertificateFiles::load).transpose()?;
    let _lock = match &settings.database {
        Database::Sqlite(path) => {
            store::create_folder(path)?;
            Some(ServeLock::acquire(path)?)
        }
        // Any number of servers may share it.
        Database::Postgres(_) => None,
    };
    let listener = listen(settings.listen, settings.limits.backlog)
        .with_context(|| format!("cannot listen on {}", settings.listen))?;
    let address = listener.local_addr()?;
    let if_absent = if settings.migrate { IfAbsent::Migrate } else { IfAbsent::Create };
    let store = store::open(settings, if_absent).await?;
    let secret = secret::agreed(&settings.secret, &*store.lives, settings.accept_new_secret).await?;
    let webhook_ports = store::webhook_ports(&store, &secret, &settings.webhooks)?;
    let (keys, ring) = store::keys(&store);
    let demo_key = match settings.demo {
        true => first_run::make_demo(&store::tenancy(&store), &keys).await?,
        false => None,
    };

    let render = start_metrics()?;
    let limiter = limiter(&settings.rate_limits).await;
    let rate_limits = RateLimits::new(limiter, Arc::new(SystemClock), settings.rate_limits.defaults);
    if store.is_embedded() {
        register_embedded();
    }
    let spans = settings.spans.as_ref().map(Spans::start).transpose()?.map(Arc::new);
    let economy_store: Arc<dyn EconomyStore> = Timed::new(&store.economy, ECONOMY, spans.as_ref());
    let play_store: Arc<dyn PlayStore> = Timed::new(&store.play, PLAY, spans.as_ref());
    let (queue, lanes) = Queue::open(store.lanes, settings.queue_depth);
    let observer = Arc::new(LaneMetrics(ECONOMY));
    let lanes: Vec<JoinHandle<()>> =
        lanes.into_iter().map(|lane| tokio::spawn(lane.run(Arc::clone(&economy_store), observer.clone()))).collect();
    let housekeeping = tokio::spawn(keep_house(Arc::clone(&ring), store.clone(), render.clone()));
    let checking = tokio::spawn(invariants::check(Arc::clone(&store.audit)));
    let ports = PlayPorts {
        events: Arc::clone(&store.events),
        leaderboards: Arc::clone(&store.leaderboards),
        play: Arc::clone(&store.play),
        lobbies: Arc::clone(&store.lobbies),
        rankings: Arc::clone(&store.rankings),
    };
    let (play_queue, play_lanes) = PlayQueue::open(store.lanes, settings.queue_depth);
    let play_lanes = play_lanes
        .into_iter()
        .map(|lane| tokio::spawn(lane.run(Arc::clone(&play_store), Arc::new(LaneMetrics(PLAY)), Arc::new(Observer))));
    let lanes: Vec<JoinHandle<()>> = lanes.into_iter().chain(play_lanes).collect();
    let gauges = Gauges {
        economy: queue.clone(),
        play: play_queue.clone(),
        store: store.clone(),
        process: metrics_process::Collector::default(),
    };
    let lobbies = Arc::new(Lobbies::new(play_queue, ports, Arc::new(SystemClock), Arc::new(SystemIds)));
    let sweeping = tokio::spawn(sweep(Arc::clone(&lobbies)));
    let economy = Economy::new(queue, Arc::clone(&store.reads), Arc::new(SystemClock), Arc::new(SystemIds));
    let lives = Players::new(
        Arc::clone(&store.lives),
        (Arc::clone(&store.players), Arc::clone(&store.records)),
        Arc::clone(&store.audit_log),
        secret,
        Arc::new(SystemClock),
        Arc::new(SystemIds),
    );
    let audit_trail = AuditTrail::new(Arc::clone(&store.audit_log), Arc::new(SystemClock), Arc::new(SystemIds));
    let (stop_dispatching, dispatching) = dispatch(&store, &webhook_ports, &settings.webhooks)?;
    let webhooks = Webhooks::new(webhook_ports, Arc::new(SystemClock), Arc::new(SystemIds));
    let app = App {
        economy: Arc::new(economy),
        players: Arc::clone(&store.players),
        lives: Arc::new(lives),
        lobbies,
        audit_trail: Arc::new(audit_trail),
        webhooks: Arc::new(webhooks),
        keys: Arc::new(keys),
        key_ring: Arc::clone(&ring),
        rate_limits: Arc::new(rate_limits),
        health: Arc::clone(&store.health),
        clock: Arc::new(SystemClock),
        render_metrics: Arc::new(move || {
            gauges.show();
            render.render()
        }),
        tracing: Tracing { random: random_bytes, spans: spans.clone().map(|spans| -> Arc<dyn RequestSpans> { spans }) },
    };

    // From here on a signal stops the server in order, however early it comes.
    let mut signals = StopSignals::catch()?;
    let serving = Serving {
        workers: settings.workers,
        limits: settings.limits.limits.clone(),
        proxies: settings.proxies.clone(),
        certificates: tls.as_ref().map(CertificateFiles::certificates),
    };
    open_files::allow(serving.limits.connections_max);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let refreshing = tls.map(|tls| tokio::spawn(tls.keep_fresh()));
    let server = transport::serve(app, listener, serving).context("cannot start the server")?;
    let handle = server.handle();
    let mut served = tokio::spawn(server);
    announce(&first_run::banner(scheme, address, &settings.database, demo_key.as_deref()));
    tracing::info!(%address, database = %settings.database, workers = settings.workers, "listening");

    tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "stopping: finishing what is in flight");
            handle.stop(true).await;
            served.await??;
        }
        ended = &mut served => ended??,
    }
    housekeeping.abort();
    checking.abort();
    sweeping.abort();
    refreshing.iter().for_each(JoinHandle::abort);
    // What was written last is told by whoever serves next, or by another process.
    stop_dispatching.send_replace(true);
    // The lanes end when nobody can put anything on their queues any more: not before the sweep has let go of its own.
    drop(sweeping.await);
    for lane in lanes {
        tokio::time::timeout(DRAIN_MAX, lane).await.context("the lane did not finish in time")??;
    }
    dispatching.await.context("the dispatcher of webhooks did not end in order")?;
    note_uses(&ring, &store).await;
    if let Some(spans) = spans {
        // It waits on the thread that it is called on.
        tokio::task::spawn_blocking(move || spans.close()).await?;
    }
    store.close().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Who counts calls: Redis where there is one, be it away for now, else this process.
async fn limiter(settings: &RateLimitSettings) -> Arc<dyn Limiter> {
    let memory = MemoryLimiter::new(Arc::new(SteadyClock::start()));
    match &settings.redis {
        None => Arc::new(memory),
        Some(address) => {
            let options = RedisOptions::default();
            Arc::new(RedisLimiter::start(address.clone(), options, memory, Arc::new(Observer)).await)
        }
    }
}

/// Listens on `address`; so many clients may wait for a connection.
fn listen(address: SocketAddr, backlog: u32) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that was stopped just now must not keep the next one from its port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)?.into_std()
}

/// Prints to standard output; a closed one is no reason not to serve.
fn announce(banner: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{banner}").and_then(|()| out.flush()));
}

/// The signals that ask a server to stop.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Takes the signals over from the system, which would end the process at once.
    fn catch() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one; its name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Starts to deliver what waits in the outbox, on a thread of its own that gives way to those that serve: news may be late, money
/// may not. What stops it, and what ends when it has stopped.
fn dispatch(
    store: &Store,
    ports: &WebhookPorts,
    settings: &WebhookSettings,
) -> anyhow::Result<(watch::Sender<bool>, oneshot::Receiver<()>)> {
    let ports = DispatchPorts {
        outbox: Arc::clone(&store.outbox),
        courier: Arc::clone(&ports.courier),
        vault: Arc::clone(&ports.vault),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        observer: Arc::new(Observer),
    };
    let settings = DispatchSettings {
        in_flight_max: settings.in_flight,
        retention: settings.retention,
        grace: DISPATCH_GRACE,
        ..DispatchSettings::default()
    };
    let ((stop, stopped), (done, ended)) = (watch::channel(false), oneshot::channel());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = move || {
        give_way();
        runtime.block_on(Dispatcher::new(ports, settings).run(stopped));
        // Nobody may be left who waits for it.
        let _ = done.send(());
    };
    std::thread::Builder::new().name("purser-webhooks".to_owned()).spawn(work)?;
    Ok((stop, ended))
}

/// Makes this thread wait for others when the processors are busy. Only on Linux, where it is this thread and not all of them.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(GIVE_WAY_BY) {
        tracing::debug!(%error, "webhooks do not give way to requests");
    }
}

async fn keep_house(ring: Arc<KeyRing>, store: Store, metrics: metrics_exporter_prometheus::PrometheusHandle) {
    let mut every = tokio::time::interval(HOUSEKEEPING_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        metrics.run_upkeep();
        show_health(&store.health.check().await);
        note_uses(&ring, &store).await;
        match store.deliveries.lag().await {
            Ok(lag) => show_lag(&lag, SystemClock.now()),
            Err(error) => tracing::debug!(cause = %causes(&error), "cannot tell how the outbox stands"),
        }
    }
}

/// Moves lobbies on as the clock does, and tells how. What a lobby is does not depend on it: reads and writes compute that.
async fn sweep(lobbies: Arc<Lobbies>) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        // When a window ends, many are due at once.
        while 0 < sweep_once(&lobbies).await {}
    }
}

/// How many moves were stored and told.
async fn sweep_once(lobbies: &Lobbies) -> usize {
    match lobbies.sweep().await {
        Ok(transitions) => {
            transitions.iter().for_each(|transition| Observer.moved(transition));
            transitions.len()
        }
        Err(error) => {
            tracing::warn!(cause = %causes(&error), "cannot move lobbies on; reads are right nevertheless");
            0
        }
    }
}

/// Writes down when keys were used. Losing that loses nothing of worth, so a failure is only logged.
async fn note_uses(ring: &KeyRing, store: &Store) {
    let uses = ring.take_uses();
    if uses.is_empty() {
        return;
    }
    if let Err(error) = store.keys.mark_used(&uses).await {
        tracing::warn!(cause = %causes(&error), "cannot write down when keys were last used");
    }
}
