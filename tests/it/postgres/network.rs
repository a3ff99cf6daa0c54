//! The network between a server and its database, which can be cut at the worst moment and can swallow everything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How a client says COMMIT: a simple query, its length, its text.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// How many commits pass between two that do not.
const SPARED: usize = 6;

/// Carries bytes between clients and one database server. Dropping it cuts every connection.
pub(crate) struct Network {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    cutting: AtomicBool,
    commits: AtomicUsize,
    cut: [AtomicUsize; 2],
    silent: watch::Sender<bool>,
}

/// What becomes of a message.
enum Fate {
    Carried,
    /// The connection is cut before it arrives.
    Lost,
    /// It arrives, and the connection is cut before its answer does.
    AnswerLost,
}

impl Network {
    /// A network in front of the server that `url` names.
    pub(crate) async fn before(url: &str) -> Self {
        let server = host_and_port(url).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            cutting: AtomicBool::new(false),
            commits: AtomicUsize::new(0),
            cut: Default::default(),
            silent: watch::Sender::new(false),
        });
        let carrying = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            // They end with this task.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (server, state) = (server.clone(), Arc::clone(&carrying));
                connections.spawn(async move {
                    // A connection that fails is closed, as it is when it is cut.
                    drop(carry(client, &server, &state).await);
                });
            }
        });
        Self { address, state, accepting }
    }

    /// `url` by way of this network.
    pub(crate) fn way_to(&self, url: &str) -> String {
        url.replacen(host_and_port(url), &self.address.to_string(), 1)
    }

    /// Whether some connections are cut during a COMMIT, every other time after it has arrived.
    pub(crate) fn cut_commits(&self, cutting: bool) {
        self.state.cutting.store(cutting, Ordering::Relaxed);
    }

    /// How many connections were cut before a COMMIT arrived, and how many before its answer did.
    pub(crate) fn cut(&self) -> [usize; 2] {
        self.state.cut.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Whether everything is swallowed: nothing arrives, and nothing says so.
    pub(crate) fn swallow(&self, silent: bool) {
        self.state.silent.send_replace(silent);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    fn fate_of(&self, message: &[u8]) -> Fate {
        if !self.cutting.load(Ordering::Relaxed) || !message.ends_with(COMMIT) {
            return Fate::Carried;
        }
        let number = self.commits.fetch_add(1, Ordering::Relaxed);
        if !number.is_multiple_of(SPARED + 1) {
            return Fate::Carried;
        }
        let arrives = (number / (SPARED + 1)) % 2;
        self.cut[arrives].fetch_add(1, Ordering::Relaxed);
        if arrives == 0 { Fate::Lost } else { Fate::AnswerLost }
    }

    /// Returns once nothing is swallowed.
    async fn carries(&self) {
        // The sender is ours, so it is not gone.
        drop(self.silent.subscribe().wait_for(|silent| !silent).await);
    }
}

async fn carry(mut client: TcpStream, server: &str, state: &State) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let (mut sent, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut sent) => {
                let message = &sent[..read?];
                state.carries().await;
                if message.is_empty() {
                    return Ok(());
                }
                match state.fate_of(message) {
                    Fate::Carried => server.write_all(message).await?,
                    Fate::Lost => return Ok(()),
                    Fate::AnswerLost => {
                        server.write_all(message).await?;
                        return server.read(&mut answered).await.map(drop);
                    }
                }
            }
            read = server.read(&mut answered) => {
                let answer = &answered[..read?];
                state.carries().await;
                if answer.is_empty() {
                    return Ok(());
                }
                client.write_all(answer).await?;
            }
        }
    }
}

fn host_and_port(url: &str) -> &str {
    let (_, rest) = url.split_once('@').expect("an address behind name and password");
    rest.split('/').next().expect("a first part")
}
