//! What a clause starts from: an open store with two games, and short ways to use it.

use std::sync::Arc;

use domain::audit_log::AuditLog;
use domain::clock::Timestamp;
use domain::economy::{
    Adjusted, Answer, AssetKind, Batch, Command, EconomyReads, EconomyStore, Grant, GrantCreated, GrantQuery,
    GrantStatus, LedgerAudit, LedgerQuery, LedgerRow, Order, Outcome, Page, Rejection, Settlement,
};
use domain::ids::Ids;
use domain::keys::KeyStore;
use domain::lobbies::{EventStore, LeaderboardStore, LobbyReads, PlayRecords, PlayStore, RankingReads};
use domain::players::{PlayerReads, PlayerStore, Profile};
use domain::store::StoreHealth;
use domain::tenancy::{Directory, Environment, Game, GameId, Realm, RealmId, Studio, StudioId};
use domain::webhooks::{Deliveries, EndpointStore, EventFeed, Outbox};
use tokio::runtime::Builder;

use super::Fixture;
use crate::clock::START;
use crate::commands::Draft;
use crate::ids::SequentialIds;
use crate::tenants::{external_id, slug};

/// One open store: all its ports.
#[derive(Clone)]
pub struct Stores {
    /// Settles batches.
    pub economy: Arc<dyn EconomyStore>,
    /// Reads balances, ledgers and grants.
    pub reads: Arc<dyn EconomyReads>,
    /// Reads profiles.
    pub players: Arc<dyn PlayerReads>,
    /// Changes players.
    pub lives: Arc<dyn PlayerStore>,
    /// Keeps the audit log.
    pub audit_log: Arc<dyn AuditLog>,
    /// Keeps the configuration of events.
    pub events: Arc<dyn EventStore>,
    /// Keeps the configuration of leaderboards.
    pub leaderboards: Arc<dyn LeaderboardStore>,
    /// Keeps lobbies, attempts and rankings.
    pub play: Arc<dyn PlayStore>,
    /// Reads lobbies.
    pub lobbies: Arc<dyn LobbyReads>,
    /// Reads rankings.
    pub rankings: Arc<dyn RankingReads>,
    /// Reads what players have played.
    pub records: Arc<dyn PlayRecords>,
    /// Keeps webhook endpoints.
    pub endpoints: Arc<dyn EndpointStore>,
    /// Keeps the outbox.
    pub outbox: Arc<dyn Outbox>,
    /// Reads deliveries, and queues them again.
    pub deliveries: Arc<dyn Deliveries>,
    /// Reads events that are kept.
    pub feed: Arc<dyn EventFeed>,
    /// Keeps keys.
    pub keys: Arc<dyn KeyStore>,
    /// Keeps studios, games and realms.
    pub directory: Arc<dyn Directory>,
    /// Audits the books.
    pub audit: Arc<dyn LedgerAudit>,
    /// Tells whether it works.
    pub health: Arc<dyn StoreHealth>,
}

impl Stores {
    /// `store` as all its ports.
    pub fn of<S>(store: Arc<S>) -> Self
    where
        S: EconomyStore + EconomyReads + PlayerReads + PlayerStore + AuditLog + 'static,
        S: KeyStore + Directory + LedgerAudit + StoreHealth,
        S: EventStore + LeaderboardStore + PlayStore + LobbyReads + RankingReads + PlayRecords,
        S: EndpointStore + Outbox + Deliveries + EventFeed,
    {
        Self {
            economy: store.clone(),
            reads: store.clone(),
            players: store.clone(),
            lives: store.clone(),
            audit_log: store.clone(),
            events: store.clone(),
            leaderboards: store.clone(),
            play: store.clone(),
            lobbies: store.clone(),
            rankings: store.clone(),
            records: store.clone(),
            endpoints: store.clone(),
            outbox: store.clone(),
            deliveries: store.clone(),
            feed: store.clone(),
            keys: store.clone(),
            directory: store.clone(),
            audit: store.clone(),
            health: store,
        }
    }
}

/// An open store with two games of one studio, and whatever opens it again.
pub struct World {
    fixture: Box<dyn Fixture>,
    /// The open store.
    pub stores: Stores,
    /// The sandbox of the first game: where a clause works.
    pub realm: RealmId,
    /// Other realms: the first game's live one, and the second game's sandbox.
    pub other_realms: [RealmId; 2],
    /// The first game's realms, sandbox and live.
    pub realms: [Realm; 2],
}

/// Runs one clause on the store of a new fixture, on a runtime of its own.
pub fn run<F: Fixture + 'static>(make: impl Future<Output = F>, clause: impl AsyncFnOnce(World)) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let world = World::open(Box::new(make.await)).await;
        clause(world).await;
    });
}

impl World {
    /// A new world on the store of `fixture`.
    pub(crate) async fn open(fixture: Box<dyn Fixture>) -> Self {
        let stores = fixture.open().await;
        let studio = Studio { id: StudioId(new_id()), slug: slug("acme"), created_at: start() };
        assert!(stores.directory.add_studio(&studio).await.expect("the store works"), "the store is new");
        let first = stores.game_of(studio.id, "rockets").await;
        let second = stores.game_of(studio.id, "submarines").await;
        let realms =
            [stores.realm_of(first, Environment::Sandbox).await, stores.realm_of(first, Environment::Live).await];
        let [sandbox, live] = &realms;
        let other_realms = [live.id, stores.realm_of(second, Environment::Sandbox).await.id];
        Self { fixture, stores, realm: sandbox.id, other_realms, realms }
    }

    /// Closes the store and opens it again, as a restart does.
    #[must_use]
    pub async fn reopened(self) -> Self {
        let Self { fixture, stores, realm, other_realms, realms } = self;
        fixture.close(stores).await;
        let stores = fixture.open().await;
        Self { fixture, stores, realm, other_realms, realms }
    }

    /// Opens the same data a second time, beside the first.
    pub async fn second(&self) -> Stores {
        self.fixture.open().await
    }

    /// Settles `drafts` as one batch in the world's realm.
    pub async fn settle(&self, drafts: &[Draft]) -> Vec<Outcome> {
        self.stores.settle(self.realm, drafts).await
    }

    /// Settles one command in the world's realm.
    pub async fn settle_one(&self, draft: &Draft) -> Outcome {
        self.stores.settle_one(self.realm, draft).await
    }

    /// What `player` holds of `key`, in the world's realm.
    pub async fn balance(&self, player: &str, kind: AssetKind, key: &str) -> Option<i64> {
        self.stores.balance(self.realm, player, kind, key).await
    }

    /// How much gold `player` holds, in the world's realm.
    pub async fn gold(&self, player: &str) -> Option<i64> {
        self.balance(player, AssetKind::Currency, "gold").await
    }

    /// The whole ledger of `player` in the world's realm, oldest first.
    pub async fn history(&self, player: &str) -> Vec<LedgerRow> {
        self.stores.history(self.realm, player).await
    }
}

impl Stores {
    /// Settles `drafts` as one batch in `realm`.
    pub async fn settle(&self, realm: RealmId, drafts: &[Draft]) -> Vec<Outcome> {
        self.settle_all(drafts.iter().map(|draft| draft.in_realm(realm)).collect()).await.outcomes
    }

    /// Settles one command in `realm`.
    pub async fn settle_one(&self, realm: RealmId, draft: &Draft) -> Outcome {
        let mut settlement = self.settle_all(vec![draft.in_realm(realm)]).await;
        settlement.outcomes.pop().expect("a command has an outcome")
    }

    /// Settles `commands` as one batch.
    pub async fn settle_all(&self, commands: Vec<Command>) -> Settlement {
        let count = commands.len();
        let settlement = self.economy.settle(&Batch::new(commands)).await.expect("the store works");
        assert_eq!(settlement.outcomes.len(), count, "one outcome for each command");
        settlement
    }

    /// What `player` holds of `key`; `None` when that account was never opened.
    pub async fn balance(&self, realm: RealmId, player: &str, kind: AssetKind, key: &str) -> Option<i64> {
        let holdings = self.reads.holdings(realm, &external_id(player), kind).await.expect("the store works")?;
        holdings.iter().find(|holding| holding.key.as_str() == key).map(|holding| holding.balance.get())
    }

    /// A page of the ledger.
    pub async fn page(&self, query: &LedgerQuery) -> Page<LedgerRow> {
        self.reads.ledger(query).await.expect("the store works").expect("the player is known")
    }

    /// The whole ledger of `player`, oldest first; empty for an unknown player.
    pub async fn history(&self, realm: RealmId, player: &str) -> Vec<LedgerRow> {
        let (player, order) = (external_id(player), Order::Ascending);
        let query = LedgerQuery { realm, player, kind: None, key: None, order, after: None, limit: 1_000_000 };
        self.reads.ledger(&query).await.expect("the store works").map_or_else(Vec::new, |page| page.rows)
    }

    /// All grants of `player` that are in `status` at `now`, newest first; empty for an unknown player.
    pub async fn grants(
        &self,
        realm: RealmId,
        player: &str,
        status: Option<GrantStatus>,
        now: Timestamp,
    ) -> Vec<Grant> {
        let query = GrantQuery { realm, player: external_id(player), status, after: None, limit: 1_000_000, now };
        self.reads.grants(&query).await.expect("the store works").map_or_else(Vec::new, |page| page.rows)
    }

    /// The profile of `player` as of [`START`], with five recent grants.
    pub async fn profile(&self, realm: RealmId, player: &str) -> Option<Profile> {
        self.players.profile(realm, &external_id(player), 5, start()).await.expect("the store works")
    }

    async fn game_of(&self, studio: StudioId, name: &str) -> GameId {
        let game = Game { id: GameId(new_id()), studio, slug: slug(name), created_at: start() };
        assert!(self.directory.add_game(&game).await.expect("the store works"), "the store is new");
        game.id
    }

    async fn realm_of(&self, game: GameId, environment: Environment) -> Realm {
        let realm = self.directory.realm(game, environment).await.expect("the store works");
        realm.expect("a game has two realms")
    }
}

/// The answer to an accepted adjustment.
pub(crate) fn adjusted(outcome: &Outcome) -> &Adjusted {
    let Ok(Answer::Adjusted(adjusted)) = outcome else { panic!("not an accepted adjustment: {outcome:?}") };
    adjusted
}

/// The answer to an accepted grant.
pub(crate) fn granted(outcome: &Outcome) -> &GrantCreated {
    let Ok(Answer::GrantCreated(created)) = outcome else { panic!("not an accepted grant: {outcome:?}") };
    created
}

/// The answer to an accepted acknowledgement.
pub(crate) fn acked(outcome: &Outcome) -> &Grant {
    let Ok(Answer::GrantAcked(grant)) = outcome else { panic!("not an accepted acknowledgement: {outcome:?}") };
    grant
}

/// Why a command was refused.
pub(crate) fn rejection(outcome: &Outcome) -> &Rejection {
    outcome.as_ref().expect_err("the command was to be refused")
}

fn new_id() -> uuid::Uuid {
    SequentialIds.next(start())
}

fn start() -> Timestamp {
    Timestamp::from_unix_micros(START)
}
