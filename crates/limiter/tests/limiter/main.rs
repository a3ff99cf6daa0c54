//! The contract of limiters, kept by counting in memory and by a real Redis; that both count alike; and what happens when
//! Redis goes.
//!
//! Each module is `cfg(test)` because that is how clippy knows that its helpers may `unwrap`.

#[cfg(test)]
mod away;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod stamped;
#[cfg(test)]
mod twins;
