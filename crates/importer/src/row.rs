//! Rows: what a line comes to, ready to be sent, or to be mended by a person.

/// A row that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where it comes from.
    pub(crate) line: u64,
    /// Whose it is.
    pub(crate) player: String,
    /// Of what; empty for a player.
    pub(crate) asset: String,
    /// How many; 0 for a player.
    pub(crate) quantity: u64,
    /// Why.
    pub(crate) reason: Option<String>,
    /// Its JSON object, as text.
    pub(crate) object: Option<String>,
    /// What makes it safe to repeat.
    pub(crate) key: String,
}

/// A row that failed, here or at the server, as its line says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FailedRow {
    /// Where it comes from.
    pub(crate) line: u64,
    /// Whose it would be.
    pub(crate) player: String,
    /// Of what; empty when that cannot be told.
    pub(crate) asset: String,
    /// How many, as it was written.
    pub(crate) quantity: String,
    /// How many it counts for; 0 when that cannot be told.
    pub(crate) sum: u64,
    /// Why it was to be brought in.
    pub(crate) reason: String,
    /// Its JSON object, as text.
    pub(crate) object: String,
    /// The key under which it is sent again, which it has used up nothing of.
    pub(crate) key: String,
    /// What is wrong with it.
    pub(crate) error: String,
    /// The line as it is, when it could not be taken apart.
    pub(crate) source: String,
}

/// What a part of a line comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A row.
    Row(Row),
    /// A row that cannot be sent.
    Failed(Box<FailedRow>),
    /// None of something, which need not be brought in.
    Nothing,
    /// Something that is not wanted.
    LeftOut,
}

impl Row {
    /// The row after the server refused it.
    pub(crate) fn failed(self, error: String) -> FailedRow {
        FailedRow {
            line: self.line,
            player: self.player,
            asset: self.asset,
            quantity: self.quantity.to_string(),
            sum: self.quantity,
            reason: self.reason.unwrap_or_default(),
            object: self.object.unwrap_or_default(),
            key: self.key,
            error,
            source: String::new(),
        }
    }
}
