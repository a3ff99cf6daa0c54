//! A simulation of whole servers on one store, all of whose misfortune follows from a seed.
//!
//! Some processes, each with the real use cases, queues, lanes and key ring of the domain, share a store that fails: before it
//! does anything, after it has committed, in the middle of a process's life. Studios want things of them, ask again whenever
//! they got no answer, hang up, and use a key twice. The clock jumps, deliveries are refused and reported late or twice. A
//! scheduler of our own polls one task at a time, in an order that is drawn, so every await is a place where anything else may
//! come in between, and the same seed gives the same run, byte for byte.
//!
//! The judge (`judge/`) knows no rule of the domain. It knows what was asked, what was answered, and what the ports
//! show to be stored, and it looks after every commit:
//!
//! - every difference from the commit before was asked for, by a call that may still take effect, and happens once, whole;
//! - entries follow each other, sums are right, nothing is negative, merges conserve, what was stored is never edited;
//! - every answer, refusals too, was true at some moment between question and answer, and is the same to whoever repeats it;
//! - what happened and is wanted is in the outbox, under one id, in the same commit; what did not is not;
//! - an ended key is refused in time, no lobby goes back or holds more than fit, no word of an erased player is left.
//!
//! A run ends in calm: studios ask until they know, all that is due is told, and what is stored must be what was answered. What it
//! does not show: the real dispatcher's timing, the SQL of PostgreSQL, and the disk's own failures.

mod chaos;
mod dice;
mod disk;
mod executor;
mod faulty;
mod handling;
mod identity;
mod intent;
mod judge;
mod process;
mod report;
mod run;
mod scene;
mod seen;
mod shrink;
mod studio;
mod weather;
mod wishes;

pub use disk::Medium;
pub use faulty::Defect;
pub use report::report;
pub use run::{Failure, Outcome, Plan};
pub use shrink::shrunk;
