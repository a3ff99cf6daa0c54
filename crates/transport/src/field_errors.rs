//! What is wrong with the fields of a request, all of it at once.

use std::fmt;

/// The most errors that are listed: a body can repeat a field a hundred thousand times.
const LISTED_MAX: usize = 1_000;

/// The most characters of a path and of a message: both may repeat what was sent, and what was sent may be a mebibyte.
const CHARACTERS_MAX: usize = 300;

/// The most errors that are named in the sentence about a row.
const NAMED_MAX: usize = 20;

/// In what way a field is wrong, as far as the code of the answer tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is required and was not sent.
    Missing,
    /// It is no URL that a webhook may have.
    WebhookUrl,
    /// It names no events.
    EventNames,
    /// In any other way.
    Other,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// Which field: a name, or a path like `entries[0].amount`; empty for the body as a whole.
    pub(crate) path: String,
    /// What is wrong with it.
    pub(crate) message: String,
    /// In what way.
    fault: Fault,
}

/// Everything that is wrong with a request, in the order in which it was noticed.
#[derive(Debug, Default)]
pub(crate) struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Notes that the field at `path` is wrong.
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl fmt::Display) {
        self.note(path.into(), message.to_string(), Fault::Other);
    }

    /// Notes that the field at `path` is wrong in the way of `fault`.
    pub(crate) fn add_as(&mut self, fault: Fault, path: impl Into<String>, message: impl fmt::Display) {
        self.note(path.into(), message.to_string(), fault);
    }

    /// Notes that the required field at `path` was not sent.
    pub(crate) fn missing(&mut self, path: impl Into<String>) {
        self.note(path.into(), "is required".to_owned(), Fault::Missing);
    }

    /// Notes that neither the required field at `path` was sent nor the one that may stand in for it.
    pub(crate) fn missing_either(&mut self, path: impl Into<String>, instead: &str) {
        self.note(path.into(), format!("is required, or {instead} instead"), Fault::Missing);
    }

    /// The value of a field that was read, or `None` after noting why it was refused.
    pub(crate) fn check<T, E: fmt::Display>(&mut self, path: impl Into<String>, read: Result<T, E>) -> Option<T> {
        read.map_err(|refused| self.add(path, refused)).ok()
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The way in which all fields are wrong; [`Fault::Other`] when they are in several.
    pub(crate) fn fault(&self) -> Fault {
        let Some((first, others)) = self.0.split_first() else { return Fault::Other };
        if others.iter().all(|error| error.fault == first.fault) { first.fault } else { Fault::Other }
    }

    /// What was noted.
    pub(crate) fn as_slice(&self) -> &[FieldError] {
        &self.0
    }

    /// All of them, as a sentence about the row of an import; past a number that no honest row has, how many more there are.
    pub(crate) fn of_row(&self) -> String {
        let named = self.0.iter().take(NAMED_MAX).map(|FieldError { path, message, .. }| {
            if path.is_empty() { format!("It {message}") } else { format!("{path}: {message}") }
        });
        let named = named.collect::<Vec<_>>().join("; ");
        let more = self.0.len().saturating_sub(NAMED_MAX);
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        format!("The row failed validation. {named}{more}")
    }

    /// The first of them, and how many more there are, as a sentence.
    pub(crate) fn summary(&self) -> String {
        let Some((first, more)) = self.0.split_first() else { return "The request failed validation".to_owned() };
        let field = if first.path.is_empty() { "The body" } else { &first.path };
        let more = if more.is_empty() { String::new() } else { format!(" (and {} more)", more.len()) };
        format!("The request failed validation. {field}: {}{more}", first.message)
    }

    fn note(&mut self, path: String, message: String, fault: Fault) {
        if self.0.len() < LISTED_MAX {
            self.0.push(FieldError { path: shortened(path), message: shortened(message), fault });
        }
    }
}

fn shortened(mut text: String) -> String {
    if CHARACTERS_MAX < text.len()
        && let Some((end, _)) = text.char_indices().nth(CHARACTERS_MAX)
    {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_of_a_request_is_bounded() {
        let mut errors = FieldErrors::default();
        for _ in 0..LISTED_MAX + 5 {
            errors.add("ö".repeat(10_000), "x".repeat(CHARACTERS_MAX));
        }
        assert_eq!(errors.as_slice().len(), LISTED_MAX);
        let first = &errors.as_slice()[0];
        assert_eq!((first.path.chars().count(), first.message.len()), (CHARACTERS_MAX + 1, CHARACTERS_MAX));
        assert!(first.path.ends_with("ö…") && !first.message.ends_with('…'));
    }
}
