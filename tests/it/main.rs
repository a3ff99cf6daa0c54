//! End-to-end tests: the real program, started as a user starts it, over real HTTP and real signals.
//!
//! Every test has a folder of its own and a port that the system chose. Nothing here sleeps for things to happen: what
//! takes time is asked for until it is so, and a test that asks for too long fails.
//!
//! Each module is `cfg(test)` because that is how clippy knows that its helpers may `unwrap`.

#[cfg(test)]
mod api;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod correctness;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod first_run;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod load;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod patience;
#[cfg(test)]
mod program;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod sdk;
#[cfg(test)]
mod socket;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod tenancy;
