//! For tests only: a clock moved by hand, builders of commands, adapters in memory, and the one contract suite that every
//! store keeps.
//!
//! The adapters in memory hold no rule of their own, as the contract demands of every adapter: [`MemoryStore`] loads the
//! footprint of a batch, asks the batch, and keeps the answer. Stamp the suite on an adapter with [`store_contract!`].

mod clock;
mod commands;
pub mod contract;
mod endpoints;
mod ids;
mod lanes;
mod lives;
mod memory;
mod play_drafts;
mod plays;
mod tenants;
mod workload;

pub use clock::{ManualClock, START};
pub use commands::{
    Draft, ack, coins, crates, create_grant, credit, debit, grant_item, immediate_grant, import_currency, import_items,
    import_player, items, revoke_item,
};
pub use endpoints::{
    enabled, endpoint, endpoint_change, endpoint_url, form_endpoint, names, new_endpoint, replay_between, replay_one,
    report, sealed, subscribed, take,
};
pub use ids::SequentialIds;
pub use lanes::{SilentObserver, start_lanes, start_play_lanes};
pub use lives::{LifeDraft, MergeInto, ban, erase, lift_ban, merge, secret};
pub use memory::{MemoryFixture, MemoryStore};
pub use play_drafts::{
    PlayDraft, close, event, event_change, exact_score, finish, increment, join, leaderboard, leaderboard_change,
    leave, metric_key, new_event, new_leaderboard, points, push, score, set_metrics, start,
};
pub use plays::PlayWorkload;
pub use tenants::{asset_key, caller, external_id, realm, slug, text};
pub use workload::Workload;
