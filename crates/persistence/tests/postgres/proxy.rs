//! A wire to the database that can be cut at a commit.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The message with which a client commits.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// When the wire is cut, seen from the COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The server never gets the COMMIT.
    Before,
    /// The server gets the COMMIT, and the client is gone at once.
    During,
    /// The server commits and says so, but the client is not told.
    After,
}

/// Listens in front of a database. Ends with the test's runtime.
pub(crate) struct Proxy {
    url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    next: Mutex<Option<Cut>>,
    cuts: AtomicUsize,
}

impl Proxy {
    /// A proxy in front of the database at `url`.
    pub(crate) async fn to(url: &str) -> Self {
        let (user, rest) = url.split_once('@').expect("a URL with a user");
        let (server, database) = rest.split_once('/').expect("a URL with a database");
        let server: SocketAddr = server.parse().expect("a numeric address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("{user}@{}/{database}", listener.local_addr().expect("it listens"));
        let state = Arc::new(State::default());
        tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let server = TcpStream::connect(server).await.expect("the server can be reached");
                    tokio::spawn(forward(client, server, Arc::clone(&state)));
                }
            }
        });
        Self { url, state }
    }

    /// The database as seen through the proxy.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Cuts the wire at the next commit.
    pub(crate) fn cut_next(&self, cut: Cut) {
        *self.state.next.lock().unwrap() = Some(cut);
    }

    /// How often the wire was cut.
    pub(crate) fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::SeqCst)
    }
}

/// Carries bytes both ways until one side ends or the wire is cut.
async fn forward(mut client: TcpStream, mut server: TcpStream, state: Arc<State>) {
    let (mut up, mut down) = ([0; 65_536], [0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(read) if 0 < read => {
                    let sent = &up[..read];
                    let cut = sent.ends_with(COMMIT).then(|| state.next.lock().unwrap().take()).flatten();
                    if cut.is_some() {
                        state.cuts.fetch_add(1, Ordering::SeqCst);
                    }
                    if cut == Some(Cut::Before) || server.write_all(sent).await.is_err() {
                        return;
                    }
                    if cut == Some(Cut::After) {
                        assert!(0 < server.read(&mut down).await.expect("the server answers"));
                    }
                    if cut.is_some() {
                        return;
                    }
                }
                Ok(_) | Err(_) => return,
            },
            read = server.read(&mut down) => match read {
                Ok(read) if 0 < read => {
                    if client.write_all(&down[..read]).await.is_err() {
                        return;
                    }
                }
                Ok(_) | Err(_) => return,
            },
        }
    }
}
