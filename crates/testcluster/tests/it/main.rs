//! What tests rely on: clusters that come, crash, come back and go, and databases that are theirs alone.

#[cfg(test)]
mod clusters;
#[cfg(test)]
mod databases;
#[cfg(test)]
mod owners;
#[cfg(test)]
mod sessions;
