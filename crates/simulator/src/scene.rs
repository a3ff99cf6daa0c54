//! Everything that a run moves: the clock, the processes on one store, the calls under way, and the judge who looks on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use domain::clock::Clock;
use domain::economy::Actor;
use domain::ids::Ids;
use domain::lobbies::{
    Aggregation, BoardMode, EventBoard, EventDefinition, LeaderboardDefinition, ResetCadence, SortOrder, Windows,
};
use domain::tenancy::{Environment, Realm, Tenancy};
use domain::text::FreeText;
use domain::webhooks::{EndpointId, EndpointRequest, EndpointUrl, EventNames, Operator, WebhookPorts, Webhooks};
use testkit::contract::Stores;
use testkit::{ManualClock, asset_key, caller, slug};

use crate::chaos::{Chaos, at_once};
use crate::disk::{Disk, Medium};
use crate::executor::{Executor, TaskId};
use crate::faulty::Defect;
use crate::identity::CountedIds;
use crate::intent::{Answer, BOARD, IntentId};
use crate::judge::{CallId, Judge};
use crate::process::{Installation, PANIC, Process};
use crate::studio::Studio;

/// The answers that came and were not looked at yet.
type Answers = Arc<Mutex<Vec<(CallId, Answer)>>>;

/// A run as it goes on.
pub(crate) struct Scene {
    pub(crate) chaos: Chaos,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) judge: Judge,
    pub(crate) executor: Executor,
    pub(crate) processes: Vec<Arc<Process>>,
    /// Which call a task carries out, and with which key.
    pub(crate) handlers: BTreeMap<TaskId, (CallId, String)>,
    pub(crate) studio: Studio,
    pub(crate) endpoints: Vec<(EndpointId, EventNames)>,
    answers: Answers,
    answered_with: BTreeMap<CallId, String>,
    disk: Disk,
    installation: Installation,
    /// How many commits the judge has looked at.
    seen: u64,
}

impl Scene {
    /// A new store with a realm, its configuration and endpoints, and the processes of the weather.
    ///
    /// # Errors
    /// When the store cannot be set up.
    pub(crate) fn open(chaos: Chaos, medium: Medium, defect: Option<Defect>) -> Result<Self> {
        let (disk, clock) = (Disk::new(medium)?, Arc::new(ManualClock::new()));
        let ids: Arc<dyn Ids> = Arc::new(CountedIds::default());
        let installation = Installation { clock: clock.clone(), ids: ids.clone(), chaos: chaos.clone(), defect };
        let weather = chaos.weather();
        let stores = disk.open()?.stores;
        let studio = Studio::new(chaos.clone());
        let realm = at_once(directory(&stores, &installation))?;
        let endpoints = at_once(endpoints(&stores, &installation, &studio, realm))?;
        let calm = Installation { chaos: Chaos::new(chaos.dice.clone(), weather.calm()), ..installation.clone() };
        let mut executor = Executor::default();
        let setup = Process::start(0, disk.open()?, &calm, &mut Executor::default());
        let board = at_once(configure(&setup, realm, weather.bots))?;
        let (text, key) = at_once(setup.first_key(realm))?;
        at_once(stores.outbox.tell_expiries(clock.now(), 1))?;
        let mut judge = Judge::new(stores, realm.id, weather.wanted(), board, clock.now());
        judge.hold(key, text);
        let processes = (0..weather.processes)
            .map(|number| Ok(Process::start(number, disk.open()?, &installation, &mut executor)))
            .collect::<Result<_>>()?;
        let (handlers, answers, answered_with) = (BTreeMap::new(), Answers::default(), BTreeMap::new());
        let seen = chaos.commits();
        let mut scene = Self {
            chaos,
            clock,
            judge,
            executor,
            processes,
            handlers,
            studio,
            endpoints,
            answers,
            answered_with,
            disk,
            installation,
            seen,
        };
        scene.look()?;
        Ok(scene)
    }

    /// Sends `intents` to a process with the key `key`.
    pub(crate) fn send(&mut self, intents: Vec<IntentId>, number: usize, key: &str) {
        let Some(process) = self.processes.get(number).cloned() else { return };
        let sent: Vec<_> =
            intents.iter().filter_map(|id| self.judge.intents.get(*id)).map(|intent| intent.sent.clone()).collect();
        let call = self.judge.call(intents, number, key, self.clock.now());
        for one in &sent {
            self.chaos.trace.note(format!("  call {call} to p{number}: {} {:?} {:?}", one.words, one.key, one.request));
        }
        let (key, answers) = (key.to_owned(), self.answers.clone());
        self.answered_with.insert(call, key.clone());
        let handled = key.clone();
        let task = self.executor.spawn(number, format!("call {call}"), async move {
            let answer = process.handle(&handled, sent).await;
            answers.lock().unwrap_or_else(PoisonError::into_inner).push((call, answer));
        });
        self.handlers.insert(task, (call, key));
    }

    /// Lets a task go on, and looks at what that did.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn poll(&mut self, task: TaskId) -> Result<()> {
        self.executor.poll(task).map_err(|panic| anyhow!(panic))?;
        if self.seen != self.chaos.commits() {
            self.look()?;
        }
        let bug = self.chaos.trace.lines().iter().rev().take(4).find(|line| line.starts_with(PANIC)).cloned();
        if let Some(bug) = bug {
            bail!(bug);
        }
        if let Some(complaint) = self.studio.complaint() {
            bail!(complaint);
        }
        let answers = std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        for (call, answer) in answers {
            self.chaos.trace.note(format!("  call {call} is answered {}", shown(&answer)));
            let key = self.answered_with.remove(&call).unwrap_or_default();
            self.judge.answered(call, &answer, &key)?;
        }
        self.handlers.retain(|task, _| self.executor.has(*task));
        Ok(())
    }

    /// Tears a process: all that it had in memory is gone, and another takes its place.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub(crate) fn tear(&mut self, number: usize) -> Result<()> {
        self.executor.drop_process(number);
        self.handlers.retain(|task, _| self.executor.has(*task));
        self.judge.torn(number);
        let started = Process::start(number, self.disk.open()?, &self.installation, &mut self.executor);
        if let Some(process) = self.processes.get_mut(number) {
            *process = started;
        }
        Ok(())
    }

    /// Hangs up on a call.
    pub(crate) fn hang_up(&mut self, task: TaskId) {
        if let Some((call, _)) = self.handlers.remove(&task) {
            self.chaos.trace.note(format!("  the caller of call {call} hangs up"));
            self.executor.drop_task(task);
            self.judge.hung_up(call);
        }
    }

    /// Moves the clock.
    pub(crate) fn move_clock(&mut self, by: Duration, back: bool) {
        if back {
            let to = self.clock.now().unix_micros() - i64::try_from(by.as_micros()).unwrap_or(0);
            self.clock.set(domain::clock::Timestamp::from_unix_micros(to));
        } else {
            self.clock.advance(by);
        }
        self.chaos.trace.note(format!("  the clock shows {}", self.clock.now()));
        self.judge.clock_moved(self.clock.now(), back);
    }

    /// Every value that is stored, where it can be had.
    pub(crate) fn values(&self) -> Option<String> {
        self.disk.values()
    }

    fn look(&mut self) -> Result<()> {
        self.seen = self.chaos.commits();
        let disk = &self.disk;
        self.judge.look(self.clock.now(), &|| disk.values())
    }
}

/// An answer without what is too long to read.
fn shown(answer: &Answer) -> String {
    let text = format!("{answer:?}");
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

async fn directory(stores: &Stores, installation: &Installation) -> Result<Realm> {
    let Installation { clock, ids, .. } = installation.clone();
    let tenancy = Tenancy::new(stores.directory.clone(), clock, ids);
    tenancy.create_studio(slug("acme")).await?;
    tenancy.create_game(slug("acme"), slug("rockets")).await?;
    Ok(tenancy.find_realm(&slug("acme"), &slug("rockets"), Environment::Sandbox).await?)
}

async fn endpoints(
    stores: &Stores,
    installation: &Installation,
    studio: &Studio,
    realm: Realm,
) -> Result<Vec<(EndpointId, EventNames)>> {
    let Installation { clock, ids, chaos, .. } = installation.clone();
    let ports = WebhookPorts {
        endpoints: stores.endpoints.clone(),
        deliveries: stores.deliveries.clone(),
        feed: stores.feed.clone(),
        courier: Arc::new(Studio::new(Chaos::new(chaos.dice.clone(), chaos.weather().calm()))),
        vault: Arc::new(studio.clone()),
    };
    let webhooks = Webhooks::new(ports, clock, ids);
    let operator = Operator { realm, actor: Actor::new("setup") };
    let mut made = Vec::new();
    for (dialect, events) in chaos.weather().endpoints {
        let url = EndpointUrl::restore("https://studio.example/hooks".to_owned());
        let description = FreeText::restore("simulated".to_owned());
        let request = EndpointRequest { url, description, dialect, events };
        let (endpoint, _) = webhooks.create(&operator, request).await?;
        made.push((endpoint.id, endpoint.events));
    }
    Ok(made)
}

async fn configure(process: &Process, realm: Realm, bots: bool) -> Result<domain::lobbies::RankingId> {
    let caller = caller(realm, domain::keys::PermissionSet::Admin);
    let week = 7 * 86_400;
    let event = |mode, capacity, fill_bots| EventDefinition {
        name: "simulated".to_owned(),
        mode,
        board: EventBoard {
            capacity,
            fill_bots,
            fill_timeout_seconds: 60,
            aggregation: Aggregation::Sum,
            order: SortOrder::Descending,
            bots: None,
        },
        windows: Windows::Schedule {
            starts_at: domain::clock::Timestamp::EPOCH,
            every_seconds: week,
            length_seconds: week,
        },
        metrics: EventDefinition::default_metrics(),
        metadata: None,
        enabled: true,
    };
    process.lobbies.create_event(&caller, asset_key("open"), event(BoardMode::Global, 100, false)).await?;
    process.lobbies.create_event(&caller, asset_key("duel"), event(BoardMode::LobbyMatched, 3, bots)).await?;
    let leaderboard = LeaderboardDefinition {
        name: "simulated".to_owned(),
        aggregation: Aggregation::Sum,
        order: SortOrder::Descending,
        reset: ResetCadence::Never,
        segmented: false,
        fill_bots_to: 0,
        bots: None,
        metadata: None,
        enabled: true,
    };
    let made = process.lobbies.create_leaderboard(&caller, asset_key(BOARD), leaderboard).await?;
    let ranking = made.ranking(Default::default(), process.now());
    Some(ranking.id).context("a leaderboard has a ranking")
}
