//! The PostgreSQL adapter: the contract of every store, and what is PostgreSQL's own.
//!
//! Each module is `cfg(test)` because that is how clippy knows that its helpers may `unwrap`.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod distribution;
#[cfg(test)]
mod erasures;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod lives;
#[cfg(test)]
mod lives_faults;
#[cfg(test)]
mod lobbies;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod observed;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod webhooks;
