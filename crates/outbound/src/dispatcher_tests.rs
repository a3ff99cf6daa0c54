//! The dispatcher over an outbox in memory, with time that is moved by hand, and against real receivers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use domain::clock::{Clock, Timestamp};
use domain::ids::Ids;
use domain::players::PlayerId;
use domain::store::StoreError;
use domain::tenancy::{Environment, GameId, Realm, RealmId, StudioId};
use domain::text::{FreeText, JsonObject};
use domain::webhooks::{
    Assignment, AttemptOutcome, AttemptReport, Bell, Courier, DeliveryId, Dialect, DisabledReason, Endpoint,
    EndpointId, EndpointUrl, EventName, FeedPosition, Outbox, OutboxEventId, Prepared, Rotating, Sealed, TakeDue,
    TargetRefused, ToldEvent, Unreadable, Vault, Verdict, reports_by_endpoint, secret_text,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::receiver::{Receiver, Reply, status};
use crate::{
    Allowances, Attempted, CourierSettings, DispatchObserver, DispatchPorts, DispatchSettings, DispatchWork,
    Dispatcher, HttpCourier,
};

const REALM: RealmId = RealmId(1);

/// The number in the id of the first delivery.
const FIRST: u128 = 1_000_000;

/// A clock that goes with the runtime's, which tests move.
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_secs(1_700_000_000) + self.0.elapsed())
    }
}

#[derive(Default)]
struct CountingIds(AtomicU64);

impl Ids for CountingIds {
    fn next(&self, _: Timestamp) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::SeqCst)) + 1)
    }

    fn random(&self) -> [u8; 64] {
        [0; 64]
    }
}

/// Opens every secret but that of one endpoint.
struct GlassVault;

impl Vault for GlassVault {
    fn seal(&self, _: EndpointId, secret: &str, _: [u8; 24]) -> Sealed {
        Sealed(secret.as_bytes().to_vec())
    }

    fn open(&self, _: EndpointId, sealed: &Sealed) -> Result<String, Unreadable> {
        if sealed.0.is_empty() { Err(Unreadable) } else { Ok(secret_text(&[1; 32])) }
    }

    fn token(&self, _: EndpointId, _: PlayerId) -> String {
        "token".to_owned()
    }
}

/// Long enough that the store can be away for a while.
const LEASE: Duration = Duration::from_secs(60);

/// A delivery in the outbox.
#[derive(Clone)]
struct Row {
    assignment: Assignment,
    due_at: Timestamp,
    ended: Option<Verdict>,
}

#[derive(Default)]
struct Books {
    rows: Vec<Row>,
    endpoints: BTreeMap<EndpointId, Endpoint>,
    takes: Vec<(Instant, TakeDue)>,
    records: Vec<Vec<AttemptReport>>,
    failing_takes: usize,
    failing_records: usize,
    expiries: Vec<u32>,
    expiries_told: usize,
    rubbish: Vec<u32>,
    discarded_before: Vec<Timestamp>,
}

/// An outbox in memory.
#[derive(Default)]
struct TestOutbox {
    books: Mutex<Books>,
    bell: Bell,
    take_takes: Duration,
    record_takes: Duration,
}

fn store_error() -> StoreError {
    StoreError::unavailable("the disk is full")
}

impl TestOutbox {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("nobody panicked")
    }

    /// Stores `count` events for `endpoint`, due now.
    fn add(&self, endpoint: &Endpoint, count: usize, now: Timestamp) {
        let mut books = self.books();
        books.endpoints.insert(endpoint.id, endpoint.clone());
        for _ in 0..count {
            let number = u128::try_from(books.rows.len()).expect("few") + FIRST;
            let event = ToldEvent {
                realm: Realm {
                    id: REALM,
                    studio: StudioId(Uuid::nil()),
                    game: GameId(Uuid::nil()),
                    environment: Environment::Sandbox,
                },
                position: FeedPosition(1),
                id: OutboxEventId(Uuid::from_u128(number)),
                name: EventName::WalletChanged,
                at: now,
                player: None,
                data: JsonObject::restore("{}".to_owned()),
                words: None,
            };
            let assignment = Assignment {
                delivery: DeliveryId(Uuid::from_u128(number)),
                claim: domain::webhooks::ClaimId(Uuid::nil()),
                attempts: 0,
                tries: 0,
                endpoint: endpoint.clone(),
                event,
                player_number: None,
            };
            books.rows.push(Row { assignment, due_at: now, ended: None });
        }
        drop(books);
        self.bell.ring();
    }

    fn reports(&self) -> Vec<AttemptReport> {
        self.books().records.iter().flatten().cloned().collect()
    }

    /// How many deliveries to `endpoint` arrived.
    fn delivered(&self, endpoint: &Endpoint) -> usize {
        let is_there = |row: &&Row| row.assignment.endpoint.id == endpoint.id && row.ended == Some(Verdict::Delivered);
        self.books().rows.iter().filter(is_there).count()
    }
}

#[async_trait]
impl Outbox for TestOutbox {
    async fn rung(&self) {
        self.bell.rung().await;
    }

    async fn take_due(&self, ask: &TakeDue) -> Result<Vec<Assignment>, StoreError> {
        sleep(self.take_takes).await;
        let mut books = self.books();
        books.takes.push((Instant::now(), ask.clone()));
        if books.failing_takes != 0 {
            books.failing_takes -= 1;
            return Err(store_error());
        }
        let mut held: BTreeMap<_, u32> = ask.held.clone();
        let mut taken = Vec::new();
        let Books { rows, endpoints, .. } = &mut *books;
        for row in rows.iter_mut().filter(|row| row.ended.is_none() && row.due_at <= ask.now) {
            let endpoint = &endpoints[&row.assignment.endpoint.id];
            let held = held.entry((REALM, endpoint.id)).or_default();
            let has_room = *held < ask.per_endpoint && taken.len() < usize::try_from(ask.limit).expect("small");
            if has_room && endpoint.disabled.is_none() {
                *held += 1;
                row.due_at = ask.until;
                row.assignment.claim = ask.claim;
                row.assignment.endpoint = endpoint.clone();
                taken.push(row.assignment.clone());
            }
        }
        Ok(taken)
    }

    async fn record(&self, reports: &[AttemptReport]) -> Result<Vec<(RealmId, Endpoint)>, StoreError> {
        sleep(self.record_takes).await;
        let mut books = self.books();
        if books.failing_records != 0 {
            books.failing_records -= 1;
            return Err(store_error());
        }
        books.records.push(reports.to_vec());
        for report in reports {
            let place = usize::try_from(report.delivery.0.as_u128() - FIRST).expect("few");
            let row = &mut books.rows[place];
            if row.assignment.claim != report.claim {
                continue;
            }
            row.assignment.attempts = report.attempt.number;
            row.assignment.tries += 1;
            match report.verdict {
                Verdict::Retry { at } => row.due_at = at,
                Verdict::Delivered | Verdict::Exhausted | Verdict::Gone => row.ended = Some(report.verdict),
            }
        }
        let mut disabled = Vec::new();
        for ((realm, id), reports) in reports_by_endpoint(reports) {
            let before = books.endpoints[&id].clone();
            if let Some(after) = before.after(reports) {
                if before.disabled.is_none() && after.disabled.is_some() {
                    disabled.push((realm, after.clone()));
                }
                books.endpoints.insert(id, after);
            }
        }
        Ok(disabled)
    }

    async fn tell_expiries(&self, _: Timestamp, _: u32) -> Result<u32, StoreError> {
        let mut books = self.books();
        books.expiries_told += 1;
        Ok(books.expiries.pop().unwrap_or(0))
    }

    async fn discard(&self, before: Timestamp, _: u32) -> Result<u32, StoreError> {
        let mut books = self.books();
        books.discarded_before.push(before);
        Ok(books.rubbish.pop().unwrap_or(0))
    }
}

/// A courier whose receivers are named by their hosts.
#[derive(Default)]
struct TestCourier {
    sent: Mutex<Vec<(Instant, String)>>,
    in_flight: Mutex<BTreeMap<String, usize>>,
    in_flight_max: Mutex<BTreeMap<String, usize>>,
    failures_left: AtomicUsize,
}

impl TestCourier {
    fn sent_to(&self, host: &str) -> usize {
        self.sent.lock().expect("nobody panicked").iter().filter(|(_, to)| to == host).count()
    }

    fn most_at_once(&self, host: &str) -> usize {
        self.in_flight_max.lock().expect("nobody panicked").get(host).copied().unwrap_or(0)
    }

    fn moves(&self, host: &str, by: isize) {
        let mut in_flight = self.in_flight.lock().expect("nobody panicked");
        let now = in_flight.entry(host.to_owned()).or_default();
        *now = now.checked_add_signed(by).expect("what ended had begun");
        let mut most = self.in_flight_max.lock().expect("nobody panicked");
        let most = most.entry(host.to_owned()).or_default();
        *most = (*most).max(*now);
    }
}

fn answer(status: u16) -> AttemptOutcome {
    AttemptOutcome::Answered { status, body: String::new(), retry_after: None }
}

#[async_trait]
impl Courier for TestCourier {
    async fn check(&self, _: &EndpointUrl) -> Result<(), TargetRefused> {
        Ok(())
    }

    async fn deliver(&self, url: &EndpointUrl, _: Prepared) -> (AttemptOutcome, Duration) {
        let host = url.as_str().trim_start_matches("https://").trim_end_matches('/').to_owned();
        self.sent.lock().expect("nobody panicked").push((Instant::now(), host.clone()));
        self.moves(&host, 1);
        let (takes, outcome) = match host.as_str() {
            "hangs" => (10_000, AttemptOutcome::Failed { error: "timed out after 10 s".to_owned() }),
            "fails" => (1, answer(500)),
            "gone" => (1, answer(410)),
            "slow" => (1_000, answer(200)),
            "panics" => panic!("a bug"),
            "recovers" if self.failures_left.load(Ordering::SeqCst) != 0 => {
                self.failures_left.fetch_sub(1, Ordering::SeqCst);
                (1, answer(503))
            }
            _ => (1, answer(200)),
        };
        let took = Duration::from_millis(takes);
        sleep(took).await;
        self.moves(&host, -1);
        (outcome, took)
    }
}

/// Remembers what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn note(&self, line: String) {
        self.0.lock().expect("nobody panicked").push(line);
    }

    fn of(&self, beginning: &str) -> Vec<String> {
        let notes = self.0.lock().expect("nobody panicked");
        notes.iter().filter(|line| line.starts_with(beginning)).cloned().collect()
    }
}

impl DispatchObserver for Notes {
    fn taken(&self, deliveries: usize) {
        self.note(format!("taken {deliveries}"));
    }

    fn attempted(&self, attempted: &Attempted) {
        self.note(format!("attempted {:?} {:?}", attempted.verdict, attempted.lag));
    }

    fn disabled(&self, _: RealmId, endpoint: &Endpoint) {
        self.note(format!("disabled {:?}", endpoint.disabled.map(|(reason, _)| reason)));
    }

    fn failed(&self, work: DispatchWork, cause: &StoreError) {
        self.note(format!("failed {} {}", work.as_str(), domain::store::causes(cause)));
    }

    fn forgotten(&self, attempts: usize) {
        self.note(format!("forgotten {attempts}"));
    }

    fn panicked(&self, message: &str) {
        self.note(format!("panicked {message}"));
    }
}

fn endpoint(number: u128, url: &str) -> Endpoint {
    Endpoint {
        id: EndpointId(Uuid::from_u128(number)),
        url: EndpointUrl::restore(url.to_owned()),
        description: FreeText::restore(String::new()),
        dialect: Dialect::Json,
        events: Dialect::Json.speaks_of(),
        disabled: None,
        failing_since: None,
        secret: Rotating::new(Sealed(vec![1])),
        callback_key: None,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
    }
}

/// A dispatcher at work.
struct Stage {
    outbox: Arc<TestOutbox>,
    courier: Arc<TestCourier>,
    clock: Arc<RuntimeClock>,
    notes: Arc<Notes>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Stage {
    fn open() -> Self {
        Self::with(TestOutbox::default(), DispatchSettings { lease: LEASE, ..DispatchSettings::default() })
    }

    fn with(outbox: TestOutbox, settings: DispatchSettings) -> Self {
        let courier = Arc::new(TestCourier::default());
        Self::calling(outbox, settings, courier.clone(), courier)
    }

    fn calling(
        outbox: TestOutbox,
        settings: DispatchSettings,
        calls: Arc<dyn Courier>,
        courier: Arc<TestCourier>,
    ) -> Self {
        let (outbox, notes) = (Arc::new(outbox), Arc::new(Notes::default()));
        let clock = Arc::new(RuntimeClock(Instant::now()));
        let (stop, stopped) = watch::channel(false);
        let ports = DispatchPorts {
            outbox: outbox.clone(),
            courier: calls,
            vault: Arc::new(GlassVault),
            clock: clock.clone(),
            ids: Arc::new(CountingIds::default()),
            observer: notes.clone(),
        };
        let running = tokio::spawn(Dispatcher::new(ports, settings).run(stopped));
        Self { outbox, courier, clock, notes, stop, running }
    }

    fn add(&self, endpoint: &Endpoint, count: usize) {
        self.outbox.add(endpoint, count, self.clock.now());
    }

    /// Stops it; how long that took.
    async fn stop(self) -> (Arc<TestOutbox>, Arc<Notes>, Duration) {
        let began = Instant::now();
        self.stop.send_replace(true);
        self.running.await.expect("it does not panic");
        (self.outbox, self.notes, began.elapsed())
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_is_attempted_at_once_and_recorded() {
    let stage = Stage::open();
    sleep(ms(100)).await;
    let added = Instant::now();
    let one = endpoint(1, "https://answers/");
    stage.add(&one, 1);
    sleep(ms(100)).await;
    let (sent_at, _) = stage.courier.sent.lock().expect("nobody panicked")[0].clone();
    assert!(sent_at.duration_since(added) <= ms(1), "no poll is waited for");
    let reports = stage.outbox.reports();
    assert_eq!(reports.len(), 1);
    let report = &reports[0];
    assert_eq!((report.realm, report.endpoint, report.verdict), (REALM, one.id, Verdict::Delivered));
    assert_eq!((report.attempt.number, report.attempt.took, report.was_failing), (1, ms(1), false));
    let (_, ask) = stage.outbox.books().takes.iter().find(|(at, _)| *at == added).cloned().expect("it was taken then");
    assert_eq!((report.claim, ask.per_endpoint, ask.limit), (ask.claim, 64, 256));
    assert_eq!(ask.until, ask.now.plus(LEASE));
    assert_eq!(stage.notes.of("taken"), ["taken 1"]);
    assert_eq!(stage.notes.of("attempted"), ["attempted Delivered Some(0ns)"]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_rang_for_is_found_by_looking_now_and_then() {
    let stage = Stage::open();
    sleep(ms(1_000)).await;
    let looked = stage.outbox.books().takes.len();
    assert!((4..=6).contains(&looked), "{looked} times");
    let claims: BTreeSet<_> = stage.outbox.books().takes.iter().map(|(_, ask)| ask.claim).collect();
    assert_eq!(claims.len(), looked, "each taking has a name of its own");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_attempted_again_when_it_is_due() {
    let stage = Stage::open();
    stage.courier.failures_left.store(2, Ordering::SeqCst);
    let one = endpoint(1, "https://recovers/");
    stage.add(&one, 1);
    sleep(Duration::from_secs(5 + 5 * 60 + 2)).await;
    let numbers: Vec<_> = stage.outbox.reports().iter().map(|report| report.attempt.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(stage.outbox.delivered(&one), 1);
    let failing: Vec<_> = stage.outbox.reports().iter().map(|report| report.was_failing).collect();
    assert_eq!(failing, [false, true, true]);
    let lags: Vec<_> = stage.notes.of("attempted").into_iter().map(|note| note.ends_with("None")).collect();
    assert_eq!(lags, [false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn at_most_so_many_attempts_at_one_endpoint_are_made_at_once() {
    let settings = DispatchSettings { in_flight_max: 3, lease: LEASE, ..Default::default() };
    let stage = Stage::with(TestOutbox::default(), settings);
    let (slow, other) = (endpoint(1, "https://slow/"), endpoint(2, "https://answers/"));
    stage.add(&slow, 30);
    stage.add(&other, 30);
    sleep(ms(500)).await;
    assert_eq!((stage.courier.sent_to("slow"), stage.outbox.delivered(&other)), (3, 30));
    sleep(ms(10_000)).await;
    assert_eq!(stage.outbox.delivered(&slow), 30);
    assert_eq!((stage.courier.most_at_once("slow"), stage.courier.most_at_once("answers")), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_hang_or_fail_do_not_delay_another() {
    let stage = Stage::open();
    let (hangs, fails, answers) =
        (endpoint(1, "https://hangs/"), endpoint(2, "https://fails/"), endpoint(3, "https://answers/"));
    stage.add(&hangs, 2_000);
    stage.add(&fails, 2_000);
    stage.add(&answers, 2_000);
    sleep(ms(3_000)).await;
    assert_eq!(stage.outbox.delivered(&answers), 2_000);
    assert_eq!(stage.courier.sent_to("hangs"), 16);
    sleep(Duration::from_secs(60)).await;
    assert!(stage.courier.sent_to("fails") >= 2_000);
    for _ in 0..20 {
        let added = Instant::now();
        stage.add(&answers, 1);
        sleep(ms(100)).await;
        let (sent_at, _) = stage
            .courier
            .sent
            .lock()
            .expect("nobody panicked")
            .iter()
            .rfind(|(_, to)| to == "answers")
            .cloned()
            .expect("it was sent");
        assert!(added <= sent_at && sent_at.duration_since(added) < ms(20));
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_is_attempted_one_at_a_time_until_it_answers() {
    let stage = Stage::open();
    let hangs = endpoint(1, "https://hangs/");
    stage.add(&hangs, 500);
    sleep(ms(9_000)).await;
    assert_eq!(stage.courier.sent_to("hangs"), 16);
    sleep(Duration::from_secs(60)).await;
    let in_flight = stage.courier.in_flight.lock().expect("nobody panicked")["hangs"];
    assert_eq!(in_flight, 1);
    let recovers = endpoint(2, "https://recovers/");
    stage.courier.failures_left.store(20, Ordering::SeqCst);
    stage.add(&recovers, 400);
    sleep(ms(6_000)).await;
    assert_eq!(stage.outbox.delivered(&recovers), 400);
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_that_its_lease_does_not_outlast() {
    let settings = DispatchSettings { lease: Duration::from_secs(25), in_flight_max: 1, ..Default::default() };
    let stage = Stage::with(TestOutbox::default(), settings);
    stage.add(&endpoint(1, "https://hangs/"), 4);
    sleep(Duration::from_secs(200)).await;
    let began = stage.outbox.books().rows[0].assignment.event.at;
    let first = stage.outbox.reports().into_iter().filter(|report| report.attempt.number == 1);
    let first: Vec<_> = first.map(|report| report.attempt.at.since(began).as_secs()).collect();
    // The third would have begun at 20 s and could have ended at 30 s, when it may be another's since 25 s.
    assert_eq!(first.len(), 4);
    assert_eq!(first[..2], [0, 10]);
    assert!(first[2..].iter().all(|second| 25 <= *second), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn what_ends_while_the_store_is_busy_is_recorded_together() {
    let outbox = TestOutbox { record_takes: ms(100), ..Default::default() };
    let stage = Stage::with(outbox, DispatchSettings::default());
    let one = endpoint(1, "https://answers/");
    stage.add(&one, 300);
    sleep(ms(2_000)).await;
    assert_eq!(stage.outbox.delivered(&one), 300);
    let sizes: Vec<_> = stage.outbox.books().records.iter().map(Vec::len).collect();
    assert!(sizes.len() <= 5 && sizes.iter().all(|size| *size <= 256), "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_asked_again_after_a_pause_and_told_of_once() {
    let stage = Stage::open();
    stage.outbox.books().failing_takes = 4;
    let one = endpoint(1, "https://answers/");
    stage.add(&one, 10);
    sleep(ms(8_000)).await;
    assert_eq!(stage.outbox.delivered(&one), 10);
    assert_eq!(stage.notes.of("failed"), ["failed take the store is unavailable: the disk is full"]);
    let takes: Vec<_> = stage.outbox.books().takes.iter().take(5).map(|(at, _)| *at).collect();
    let pauses: Vec<_> = takes.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_millis()).collect();
    assert_eq!(pauses, [250, 500, 1_000, 2_000]);
}

#[tokio::test(start_paused = true)]
async fn records_that_fail_are_kept_while_their_lease_lasts() {
    let stage = Stage::open();
    stage.outbox.books().failing_records = 5;
    let one = endpoint(1, "https://answers/");
    stage.add(&one, 10);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(stage.outbox.delivered(&one), 10);
    assert_eq!(stage.courier.sent_to("answers"), 10, "none is repeated");
    assert_eq!(stage.notes.of("failed").len(), 1);
    assert_eq!(stage.notes.of("forgotten"), Vec::<String>::new());
    stage.outbox.books().failing_records = 17;
    stage.add(&one, 3);
    sleep(Duration::from_secs(90)).await;
    assert_eq!(stage.notes.of("forgotten"), ["forgotten 3"]);
    assert_eq!(stage.outbox.delivered(&one), 13);
    assert_eq!(stage.courier.sent_to("answers"), 16, "those are repeated");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_is_disabled_and_told_nothing_more() {
    let stage = Stage::open();
    let gone = endpoint(1, "https://gone/");
    stage.add(&gone, 200);
    sleep(Duration::from_secs(120)).await;
    assert_eq!(stage.notes.of("disabled"), [format!("disabled {:?}", Some(DisabledReason::Gone))]);
    let sent = stage.courier.sent_to("gone");
    assert!((16..64).contains(&sent), "{sent}");
    assert_eq!(stage.outbox.books().rows.iter().filter(|row| row.ended.is_none()).count(), 200 - sent);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_read_is_a_failed_attempt() {
    let stage = Stage::open();
    stage.add(&Endpoint { secret: Rotating::new(Sealed(Vec::new())), ..endpoint(1, "https://answers/") }, 1);
    sleep(ms(100)).await;
    let expected = AttemptOutcome::Failed { error: Unreadable.to_string() };
    assert_eq!(stage.outbox.reports()[0].attempt.outcome, expected);
    assert_eq!(stage.courier.sent_to("answers"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_panics_costs_its_delivery_a_repetition_and_nothing_else() {
    let stage = Stage::open();
    let (panics, answers) = (endpoint(1, "https://panics/"), endpoint(2, "https://answers/"));
    stage.add(&panics, 40);
    stage.add(&answers, 40);
    sleep(ms(1_000)).await;
    assert_eq!(stage.outbox.delivered(&answers), 40);
    assert_eq!(stage.notes.of("panicked"), vec!["panicked a bug"; 40]);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.notes.of("panicked").len(), 80);
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_what_was_begun_and_takes_nothing_more() {
    let stage = Stage::open();
    let slow = endpoint(1, "https://slow/");
    stage.add(&slow, 100);
    sleep(ms(100)).await;
    let takes = stage.outbox.books().takes.len();
    let courier = Arc::clone(&stage.courier);
    let (outbox, _, took) = stage.stop().await;
    assert_eq!(outbox.books().takes.len(), takes);
    assert_eq!(outbox.delivered(&slow), 64, "what was taken");
    assert_eq!(courier.sent_to("slow"), 64);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_those_that_hang_no_longer_than_the_grace() {
    let outbox = TestOutbox { record_takes: ms(50), ..Default::default() };
    let stage = Stage::with(outbox, DispatchSettings { grace: Duration::from_secs(2), ..Default::default() });
    let (hangs, answers) = (endpoint(1, "https://hangs/"), endpoint(2, "https://answers/"));
    stage.add(&hangs, 100);
    stage.add(&answers, 20);
    sleep(ms(10)).await;
    let (outbox, notes, took) = stage.stop().await;
    assert_eq!(outbox.delivered(&answers), 20);
    assert!(Duration::from_secs(2) <= took && took < Duration::from_secs(3), "{took:?}");
    assert_eq!(notes.of("forgotten"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_a_store_that_fails() {
    let stage = Stage::open();
    stage.outbox.books().failing_records = 1_000;
    stage.add(&endpoint(1, "https://answers/"), 5);
    sleep(ms(10)).await;
    let (_, notes, took) = stage.stop().await;
    assert_eq!(notes.of("forgotten"), ["forgotten 5"]);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn it_stops_when_nobody_is_left_who_could_say_so() {
    let Stage { stop, running, .. } = Stage::open();
    drop(stop);
    running.await.expect("it does not panic");
}

#[tokio::test(start_paused = true)]
async fn takings_under_load_are_few_and_leave_the_store_time_for_others() {
    let outbox = TestOutbox { take_takes: ms(20), ..Default::default() };
    let stage = Stage::with(outbox, DispatchSettings::default());
    let one = endpoint(1, "https://answers/");
    for _ in 0..500 {
        stage.add(&one, 2);
        sleep(ms(2)).await;
    }
    let takes = stage.outbox.books().takes.len();
    assert!((15..=30).contains(&takes), "{takes} takings of 20 ms in a second");
    sleep(ms(500)).await;
    assert_eq!(stage.outbox.delivered(&one), 1_000);
}

#[tokio::test(start_paused = true)]
async fn what_can_be_told_in_time_is_told_in_time_again_after_much_came_at_once() {
    let outbox = TestOutbox { take_takes: ms(20), ..Default::default() };
    let stage = Stage::with(outbox, DispatchSettings::default());
    let one = endpoint(1, "https://answers/");
    stage.add(&one, 2_000);
    for _ in 0..15_000 {
        stage.add(&one, 1);
        sleep(ms(2)).await;
    }
    let waiting = 17_000 - stage.outbox.delivered(&one);
    assert!(waiting < 100, "{waiting} wait: more than come in the time of some takings");
}

#[tokio::test(start_paused = true)]
async fn chores_are_done_in_pieces_until_nothing_is_left() {
    let outbox = TestOutbox::default();
    outbox.books().expiries = vec![7, 500, 500];
    outbox.books().rubbish = vec![1, 500];
    let stage = Stage::with(outbox, DispatchSettings::default());
    sleep(ms(1_000)).await;
    assert_eq!(stage.outbox.books().expiries_told, 4);
    assert_eq!(stage.outbox.books().discarded_before.len(), 3);
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    assert_eq!(
        stage.outbox.books().discarded_before[0].plus(week),
        stage.clock.now().min(RuntimeClock(Instant::now()).now())
    );
    sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.outbox.books().expiries_told, 10);
    assert_eq!(stage.outbox.books().discarded_before.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_receivers_that_hang_or_fail_do_not_delay_a_third() {
    let hanging = Receiver::answering(|_| Reply::Nothing).await;
    let failing = Receiver::answering(|_| status(500, "Retry-After: 3600\r\n", "out of order")).await;
    let answering = Receiver::answering(|_| status(200, "", "")).await;
    let settings = CourierSettings { timeout: Duration::from_secs(30), ..Default::default() };
    let courier = HttpCourier::with(Allowances::parse("127.0.0.1").expect("valid"), settings).expect("it can be made");
    let settings = DispatchSettings { grace: Duration::ZERO, ..Default::default() };
    let stage = Stage::calling(TestOutbox::default(), settings, Arc::new(courier), Arc::default());
    let url = |receiver: &Receiver| format!("http://{}/hook", receiver.address);
    let hangs = endpoint(1, &url(&hanging));
    let fails = endpoint(2, &url(&failing));
    let answers = endpoint(3, &url(&answering));
    stage.add(&hangs, 200);
    stage.add(&fails, 200);
    stage.add(&answers, 200);
    let patience = Instant::now() + Duration::from_secs(20);
    let is_done = |stage: &Stage| stage.outbox.delivered(&answers) == 200 && failing.heard().len() >= 200;
    while !is_done(&stage) && Instant::now() < patience {
        sleep(ms(10)).await;
    }
    assert_eq!(stage.outbox.delivered(&answers), 200);
    let ids: BTreeSet<_> = answering.heard().iter().map(|heard| heard.header("webhook-id").to_owned()).collect();
    assert_eq!((ids.len(), answering.heard().len()), (200, 200), "each once");
    let connections: BTreeSet<_> = answering.heard().iter().map(|heard| heard.connection).collect();
    // A connection is free a moment after its answer was read, so there may be a few more than attempts at once.
    assert!(connections.len() < 100, "{} connections", connections.len());
    assert!(hanging.heard().len() <= 16);
    let (outbox, _, _) = stage.stop().await;
    let asked = Duration::from_secs(3_600);
    let reports = outbox.reports();
    let of_failing: Vec<_> = reports.iter().filter(|report| report.endpoint == fails.id).collect();
    assert!(!of_failing.is_empty());
    for report in of_failing {
        let AttemptOutcome::Answered { status: 500, body, retry_after } = &report.attempt.outcome else {
            panic!("{:?}", report.attempt.outcome)
        };
        assert_eq!((body.as_str(), *retry_after), ("out of order", Some(asked)));
        let Verdict::Retry { at } = report.verdict else { panic!("{:?}", report.verdict) };
        assert!(at.since(report.attempt.at) >= asked, "as it asked");
    }
}
