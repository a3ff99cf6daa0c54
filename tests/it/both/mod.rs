//! What holds on every database.

mod bad_input;
mod beside;
mod correctness;
mod crash;
mod first_run;
mod keys;
mod migrate;
mod operations;
mod overload;
mod reads;
mod sdk;
mod stop;
mod tenancy;
