//! Chooses a port for a cluster.

use std::net::{Ipv4Addr, TcpListener};

use crate::random;

/// Below the ports that systems give to outgoing connections. A client that keeps calling a stopped server at one of those
/// may be given the very port as its own, connect to itself, and so keep the server from coming back.
const FIRST: u16 = 15_000;

/// How many ports there are to choose from.
const COUNT: u16 = 16_384;

/// A port that nobody listens on at this moment; somebody may take it at the next.
pub(crate) fn free() -> Option<u16> {
    (0..100)
        .map(|_| FIRST + random::number() % COUNT)
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}
