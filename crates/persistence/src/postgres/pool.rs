//! Connections, pooled, set up alike, and given back only in order.
//!
//! A connection that was left in the middle of something (an error, a panic, a future that was dropped) is closed, never
//! given to the next caller.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Object, PoolError, TimeoutType};
use diesel::{ConnectionError, QueryResult};
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use domain::store::causes;
use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::NoTls;

use super::address::PostgresAddress;
use super::trouble::Trouble;
use crate::observer::{PoolState, StoreObserver};

/// How long an idle transaction of ours may live: longer means that this process hangs, and others wait for its locks.
const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_secs(10);

/// How long making a connection and setting it up may take, however many hosts are tried.
const CONNECT_MAX: Duration = Duration::from_secs(8);

/// Forgets the plans of all statements, so that their next use plans them for the tables as they are now. A plan that was
/// made for empty tables must not outlive them, and PostgreSQL itself notices only when it analyses a table next. Done at
/// the first, second, fourth, eighth, … use of a connection, because by its next doubling a table is another table.
const REPLAN: &str = "DISCARD PLANS";

/// Some connections to one database.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool<AsyncPgConnection>,
    observer: Arc<dyn StoreObserver>,
    silence_max: Duration,
}

/// One of the connections, for a while.
pub(super) struct Lease {
    object: Option<Object<AsyncDieselConnectionManager<AsyncPgConnection>>>,
    in_order: bool,
}

impl Connections {
    /// At most `count` connections, each made when it is needed first. A caller waits at most `wait_max` for one; a
    /// statement may run for at most `statement_timeout`.
    pub(super) fn new(
        address: &PostgresAddress,
        count: usize,
        wait_max: Duration,
        statement_timeout: Duration,
        observer: Arc<dyn StoreObserver>,
    ) -> Result<Self, Trouble> {
        let (address, runtime) = (address.clone(), Handle::current());
        let mut config = ManagerConfig::default();
        // A connection that died in the pool shows on its first use, and then another one is taken (see `attempts`).
        config.recycling_method = RecyclingMethod::Fast;
        config.custom_setup = Box::new(move |_| {
            // A connection is driven by a task of the runtime in which it was made: ours, which outlives any worker's.
            let (address, runtime) = (address.clone(), runtime.clone());
            async move {
                let made = runtime.spawn(async move { connect(&address, statement_timeout).await }).await;
                made.unwrap_or_else(|gone| Err(ConnectionError::BadConnection(gone.to_string())))
            }
            .boxed()
        });
        let manager = AsyncDieselConnectionManager::new_with_config("", config);
        let pool = Pool::builder(manager)
            .max_size(count)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(wait_max))
            .build()
            .map_err(|error| Trouble::Connect(Box::new(error)))?;
        Ok(Self { pool, observer, silence_max: 2 * statement_timeout })
    }

    /// Who is told of what happens on them.
    pub(super) fn observer(&self) -> &dyn StoreObserver {
        &*self.observer
    }

    /// How they stand; they are for `name`.
    pub(super) fn state(&self, name: &'static str) -> PoolState {
        let status = self.pool.status();
        let in_use = status.size.saturating_sub(status.available);
        PoolState { name, connections_max: status.max_size, in_use, idle: status.available, waiting: status.waiting }
    }

    /// How long an attempt may take in all. PostgreSQL ends a statement long before; this is for one that is no longer
    /// answered at all, because the server hangs or the network swallows what is sent.
    pub(super) fn silence_max(&self) -> Duration {
        self.silence_max
    }

    /// A connection: a free one, or a new one, or the next that is given back.
    pub(super) async fn lease(&self) -> Result<Lease, Trouble> {
        let object = self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => Trouble::Exhausted,
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle)
            | PoolError::Backend(_)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => Trouble::Connect(Box::new(error)),
        })?;
        let uses = Object::metrics(&object).recycle_count;
        let lease = Lease { object: Some(object), in_order: false };
        if uses.is_power_of_two() {
            execute(&lease, REPLAN).await?;
        }
        Ok(lease)
    }
}

impl Lease {
    /// Gives the connection back for others to use: nothing is open on it and nothing is on its way.
    pub(super) fn give_back(mut self) {
        self.in_order = true;
    }
}

impl Deref for Lease {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        self.object.as_ref().expect("a lease holds its connection until it is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.object.take().filter(|_| !self.in_order) {
            drop(Object::take(object));
        }
    }
}

/// Runs text that binds nothing and answers nothing.
pub(super) async fn execute(mut connection: &AsyncPgConnection, sql: &'static str) -> QueryResult<()> {
    connection.batch_execute(sql).await
}

/// Makes a connection and sets it up.
pub(super) async fn connect(
    address: &PostgresAddress,
    statement_timeout: Duration,
) -> Result<AsyncPgConnection, ConnectionError> {
    let made = timeout(CONNECT_MAX, make(address, statement_timeout)).await;
    made.unwrap_or_else(|_| Err(ConnectionError::BadConnection("the server does not answer".to_owned())))
}

async fn make(address: &PostgresAddress, statement_timeout: Duration) -> Result<AsyncPgConnection, ConnectionError> {
    let (config, tls) = address.parts();
    let refused = |error: tokio_postgres::Error| ConnectionError::BadConnection(causes(&error));
    let mut connection = match tls {
        None => {
            let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await?
        }
        Some(tls) => {
            let (client, connection) = config.connect(tls).await.map_err(refused)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await?
        }
    };
    let set_up = connection.batch_execute(&session(statement_timeout)).await;
    set_up.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// The settings of a session. Every statement has its one plan (see `statement`); a sequential scan is never part of it,
/// nor is a bitmap, which knows no order and does not learn what is dead (a queue is read from its beginning, where all is dead);
/// and reading a row that is not wanted counts as much as reading a page, however small a table is when the plan is made. Nor
/// is a parallel one: to start the workers takes milliseconds, and ten rows of a large index are read in a tenth of one. Nor
/// are answers of look-ups remembered within a statement: they are hardly ever asked for twice, and making room for them costs a
/// page of a ranking an eighth of its time.
/// Citus must see the realm before it can plan, so there PostgreSQL chooses.
fn session(statement_timeout: Duration) -> String {
    let (statement, idle) = (statement_timeout.as_millis(), IDLE_IN_TRANSACTION_MAX.as_millis());
    format!(
        "SET statement_timeout = {statement}; SET idle_in_transaction_session_timeout = {idle};
        SET enable_seqscan = off; SET enable_bitmapscan = off; SET cpu_tuple_cost = 1; SET random_page_cost = 1.1; SET jit = off;
        SET max_parallel_workers_per_gather = 0; SET enable_memoize = off;
        SELECT set_config('plan_cache_mode', CASE WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')
            THEN 'auto' ELSE 'force_generic_plan' END, false)"
    )
}
