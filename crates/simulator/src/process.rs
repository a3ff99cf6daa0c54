//! A server process: the real use cases with their real queues and lanes, on a store that fails. All of it is lost together.

use std::sync::Arc;

use domain::clock::{Clock, Timestamp};
use domain::economy::{Actor, Economy, Fingerprinter, KeyDigest, LaneObserver, Once, Queue};
use domain::ids::Ids;
use domain::keys::{Denied, KeyError, KeyId, KeyRing, Keys};
use domain::lobbies::{Lobbies, PlayPorts, PlayQueue};
use domain::players::{InstallationSecret, Players};
use domain::store::StoreError;
use domain::tenancy::Realm;
use domain::text::JsonObject;
use testkit::SilentObserver;

use crate::chaos::{Chaos, Trace};
use crate::disk::Opened;
use crate::executor::Executor;
use crate::faulty::{Defect, FaultyStore};
use crate::handling::{new_key, refused, turned_down};
use crate::intent::{Answer, Denial, Request};

/// What every process of a run has in common.
#[derive(Clone)]
pub(crate) struct Installation {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) chaos: Chaos,
    pub(crate) defect: Option<Defect>,
}

/// A process that runs.
pub(crate) struct Process {
    pub(crate) economy: Economy,
    pub(crate) queue: Queue,
    pub(crate) players: Players,
    pub(crate) lobbies: Lobbies,
    pub(crate) keys: Keys,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
}

/// A request as it is sent: what is wanted, under which idempotency key, in whose words.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) request: Request,
    pub(crate) key: Option<String>,
    /// What a person wrote, which is found nowhere else.
    pub(crate) words: String,
}

/// Notes batches that meet a bug.
struct Witness(Trace);

impl LaneObserver for Witness {
    fn settled(&self, _commands: usize) {}

    fn failed(&self, _commands: usize, _cause: &StoreError) {}

    fn panicked(&self, _commands: usize, message: &str) {
        self.0.note(format!("{PANIC}{message}"));
    }
}

/// How the line of a batch that met a bug begins.
pub(crate) const PANIC: &str = "a batch panicked: ";

impl Process {
    /// Starts process number `number` on `opened`; its lanes are tasks of `executor`.
    pub(crate) fn start(
        number: usize,
        opened: Opened,
        installation: &Installation,
        executor: &mut Executor,
    ) -> Arc<Self> {
        let Installation { clock, ids, chaos, defect } = installation.clone();
        let weather = chaos.weather();
        let stores = opened.stores.clone();
        let store = FaultyStore::new(opened, chaos.clone(), number, defect);
        let (queue, lanes) = Queue::open(weather.lanes, weather.depth);
        for lane in lanes {
            let lane = lane.run(store.clone(), Arc::new(Witness(chaos.trace.clone())));
            executor.spawn(number, format!("p{number} lane"), lane);
        }
        let (play_queue, lanes) = PlayQueue::open(weather.lanes, weather.depth);
        for lane in lanes {
            let witness = Arc::new(Witness(chaos.trace.clone()));
            executor.spawn(
                number,
                format!("p{number} play lane"),
                lane.run(store.clone(), witness, Arc::new(SilentObserver)),
            );
        }
        let ports = PlayPorts {
            events: stores.events.clone(),
            leaderboards: stores.leaderboards.clone(),
            play: store.clone(),
            lobbies: stores.lobbies.clone(),
            rankings: stores.rankings.clone(),
        };
        let ring = Arc::new(KeyRing::new(store.clone(), clock.clone()));
        Arc::new(Self {
            economy: Economy::new(queue.clone(), stores.reads.clone(), clock.clone(), ids.clone()),
            queue,
            players: Players::new(
                store.clone(),
                (stores.players.clone(), stores.records.clone()),
                stores.audit_log.clone(),
                InstallationSecret::new([7; InstallationSecret::BYTES]),
                clock.clone(),
                ids.clone(),
            ),
            lobbies: Lobbies::new(play_queue, ports, clock.clone(), ids.clone()),
            keys: Keys::new(store.clone(), ring.clone(), clock.clone(), ids.clone()),
            ring,
            store,
            clock,
            ids,
        })
    }

    /// Carries out a request that presents the API key `key`.
    pub(crate) async fn handle(&self, key: &str, sent: Vec<Sent>) -> Answer {
        let caller = match self.ring.check(Some(key)).await {
            Ok(caller) => caller,
            Err(Denied::Revoked) => return Answer::Denied(Denial::Revoked),
            Err(Denied::Expired) => return Answer::Denied(Denial::Expired),
            Err(Denied::Invalid | Denied::Missing) => return Answer::Denied(Denial::Invalid),
            Err(Denied::Store(_)) => return Answer::Unknown,
        };
        let Some(first) = sent.first() else { return Answer::Unknown };
        match &first.request {
            Request::Import(_) => self.import(&caller, &sent).await,
            Request::Trade(trade) => {
                self.trade(&caller, first, trade).await.unwrap_or_else(|failure| refused(&failure))
            }
            Request::Life(life) => self.live(&caller, first, life).await,
            Request::Play(game) => {
                self.play(&caller, first, game).await.unwrap_or_else(|failure| turned_down(&failure))
            }
            Request::Key(wish) => self.change_key(&caller, wish).await,
        }
    }

    /// Issues the first key of all, which nothing is known to go wrong with.
    pub(crate) async fn first_key(&self, realm: Realm) -> Result<(String, KeyId), KeyError> {
        let (minted, record) = self.keys.issue(&Actor::new("setup"), new_key(realm, None)).await?;
        Ok((minted.reveal().to_owned(), record.id))
    }

    /// The present instant.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Sent {
    /// What keeps it from happening twice.
    pub(crate) fn once(&self) -> Option<Once> {
        let mut parts = Fingerprinter::named("simulated");
        parts.text(&format!("{:?}", self.request));
        Some(Once { key: self.digest()?, fingerprint: parts.finish() })
    }

    /// What is kept of its idempotency key.
    pub(crate) fn digest(&self) -> Option<KeyDigest> {
        self.key.as_deref().and_then(|key| KeyDigest::of(key).ok())
    }

    pub(crate) fn object(&self) -> JsonObject {
        JsonObject::restore(format!(r#"{{"said":"{}"}}"#, self.words))
    }
}
