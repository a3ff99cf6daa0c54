//! The first run: on an empty store, a demo studio with a game and a sandbox key, and a command that works when pasted.
//!
//! Never a live key, never a default password: the key is made of fresh randomness and shown this once.

use std::fmt;
use std::net::SocketAddr;

use domain::economy::Actor;
use domain::keys::{Keys, NewKey, PermissionSet};
use domain::limits::KeyLimits;
use domain::tenancy::{DirectoryError, Environment, Slug, Tenancy};
use domain::text::FreeText;

const DEMO: &str = "demo";

/// Makes the demo studio, game and key if the store is empty; the key's text if it did.
pub(crate) async fn make_demo(tenancy: &Tenancy, keys: &Keys) -> anyhow::Result<Option<String>> {
    if !tenancy.studios().await?.is_empty() {
        return Ok(None);
    }
    let demo = Slug::try_new(DEMO)?;
    match tenancy.create_studio(demo.clone()).await {
        Ok(_) => {}
        // Another server on the same database is making it right now, and prints the key.
        Err(DirectoryError::StudioExists(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    tenancy.create_game(demo.clone(), demo.clone()).await?;
    let realm = tenancy.find_realm(&demo, &demo, Environment::Sandbox).await?;
    let name = FreeText::try_new("first run")?;
    let (permissions, limits) = (PermissionSet::ServerIntegration, KeyLimits::default());
    let new = NewKey { realm, name, permissions, lifetime: None, limits };
    let (minted, _) = keys.issue(&Actor::new("first_run"), new).await?;
    Ok(Some(minted.reveal().to_owned()))
}

/// What a person who starts the server wants to know.
pub(crate) fn banner(scheme: &str, listen: SocketAddr, database: impl fmt::Display, demo_key: Option<&str>) -> String {
    let url = format!("{scheme}://{}", reachable(listen));
    let mut lines = vec![
        format!("Purser {}: an exact, replay-safe ledger for game studios.", env!("CARGO_PKG_VERSION")),
        String::new(),
        format!("  API   {url}/server/v1"),
        format!("  Docs  {url}/docs"),
        format!("  Data  {}", database),
    ];
    if let Some(key) = demo_key {
        lines.extend([
            String::new(),
            "The store was empty, so it now has a studio 'demo' with a game 'demo'. Its sandbox key, shown this once:"
                .to_owned(),
            String::new(),
            format!("  {key}"),
            String::new(),
            "Put 500 gold into a player's wallet (twice is safe, the idempotency key sees to that):".to_owned(),
            String::new(),
            format!("curl -sS -X POST {url}/server/v1/players/player-1/wallet/gold/credit \\"),
            format!("  -H 'X-API-Key: {key}' -H 'Content-Type: application/json' \\"),
            "  -d '{\"amount\": 500, \"reason\": \"welcome\", \"idempotencyKey\": \"welcome-player-1\"}'".to_owned(),
        ]);
    }
    lines.push(String::new());
    lines.join("\n")
}

/// An address that a client on this machine can use: "any address" is for listening only.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(match listen {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_shows_an_address_that_a_client_can_use() {
        let listen = "0.0.0.0:80".parse().expect("an address");
        let text = banner("http", listen, "x", None);
        assert!(text.contains("http://127.0.0.1:80/server/v1"), "{text}");
        assert!(!text.contains("curl"), "{text}");
    }
}
