//! What starts the program and speaks to it.
//!
//! Must not know which database is behind it: that is `crate::store`, of which there is one for each.

pub(crate) mod api;
pub(crate) mod forged_key;
pub(crate) mod load;
pub(crate) mod patience;
pub(crate) mod program;
pub(crate) mod receiver;
pub(crate) mod small_disk;
pub(crate) mod socket;
pub(crate) mod staged;
