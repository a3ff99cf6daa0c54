//! Reaches a studio's servers: delivers what waits in the outbox, to addresses that may be dialled, signed with secrets that
//! only this installation can read.
//!
//! This crate must not know SQL, routes, nor what any event means: it implements ports of the domain
//! ([`domain::webhooks::Courier`], [`domain::webhooks::Vault`]) and drives another ([`domain::webhooks::Outbox`]). It logs
//! nothing: what happens is told to a [`DispatchObserver`].

mod address;
mod allowances;
mod answer;
mod chores;
mod courier;
mod dispatcher;
mod guard;
mod line;
mod observer;
mod resolver;
mod vault;

#[cfg(test)]
mod courier_tests;
#[cfg(test)]
mod dispatcher_tests;
#[cfg(test)]
mod receiver;

pub use allowances::{Allowances, InvalidAllowance};
pub use courier::{CourierError, CourierSettings, HttpCourier};
pub use dispatcher::{DispatchPorts, DispatchSettings, Dispatcher};
pub use observer::{Attempted, DispatchObserver, DispatchWork};
pub use resolver::{Resolver, SystemResolver};
pub use vault::SealingVault;
