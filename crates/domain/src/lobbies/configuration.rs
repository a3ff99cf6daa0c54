//! What the studio configures, checked as one value: every wrong part is named at once.

use crate::text::JsonObject;

/// A part of a configuration that is wrong: where, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPart {
    /// Where, such as `leaderboard.capacity` or `windows[1].endsAt`.
    pub path: String,
    /// Why, such as "must be between 1 and 200".
    pub message: String,
}

impl InvalidPart {
    /// What is wrong at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// The longest name of an event or a leaderboard, in Unicode scalar values.
pub const NAME_CHARS_MAX: usize = 200;

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<InvalidPart>);

impl Findings {
    /// Notes `message` at `path` unless `holds`.
    pub(super) fn require(&mut self, holds: bool, path: impl Into<String>, message: impl Into<String>) {
        if !holds {
            self.0.push(InvalidPart::new(path, message));
        }
    }

    /// `value` if nothing is wrong.
    pub(super) fn none_in<T>(self, value: T) -> Result<T, Vec<InvalidPart>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }

    /// Checks the name of an event or a leaderboard.
    pub(super) fn check_name(&mut self, name: &str) {
        let fits = !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && !name.contains('\0');
        self.require(fits, "name", format!("must be 1 to {NAME_CHARS_MAX} characters, without NUL"));
    }
}

/// Checks the name of an event or a leaderboard by itself.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), Vec<InvalidPart>> {
    let mut findings = Findings::default();
    findings.check_name(name);
    findings.none_in(())
}

/// What a change says of something that may be absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Revised<T> {
    /// Nothing: it stays as it is.
    #[default]
    Kept,
    /// It is removed.
    Removed,
    /// It is this now.
    Set(T),
}

impl<T: Clone> Revised<T> {
    /// What becomes of `present`.
    pub fn over(&self, present: Option<T>) -> Option<T> {
        match self {
            Self::Kept => present,
            Self::Removed => None,
            Self::Set(value) => Some(value.clone()),
        }
    }
}

/// Metadata as a change says it.
pub type RevisedMetadata = Revised<JsonObject>;
