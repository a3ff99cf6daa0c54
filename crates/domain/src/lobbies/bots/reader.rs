//! Reading a configuration part by part, and noting everything that is wrong instead of stopping at the first.
//!
//! What is wrong is replaced by something that is fine, so that reading can go on; what was noted decides in the end.

use serde_json::{Map, Value};

use crate::lobbies::InvalidPart;
use crate::lobbies::Score;

/// What was found wrong so far.
#[derive(Debug, Default)]
pub(super) struct Wrong(Vec<InvalidPart>);

impl Wrong {
    pub(super) fn push(&mut self, path: &str, message: &str) {
        self.0.push(InvalidPart { path: path.to_owned(), message: message.to_owned() });
    }

    pub(super) fn into_parts(self) -> Vec<InvalidPart> {
        self.0
    }
}

/// Between which numbers one must lie, in thousandths, both included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    min: i64,
    max: i64,
    whole: bool,
}

impl Limits {
    pub(super) const fn thousandths(min: i64, max: i64) -> Self {
        Self { min, max, whole: false }
    }

    pub(super) const fn whole(min: i64, max: i64) -> Self {
        Self { min: min * 1_000, max: max * 1_000, whole: true }
    }

    fn read(self, value: &Value) -> Option<i64> {
        let Value::Number(number) = value else { return None };
        let thousandths = Score::try_new(&number.to_string()).ok()?.thousandths();
        let fits = (self.min..=self.max).contains(&thousandths) && !(self.whole && thousandths % 1_000 != 0);
        fits.then_some(thousandths)
    }

    fn message(self) -> String {
        let [min, max] = [self.min, self.max].map(Score::from_thousandths_clamped);
        if self.whole {
            return format!("must be a whole number between {min} and {max}");
        }
        format!("must be a number between {min} and {max}, with at most three decimals")
    }
}

/// The members of an object, taken out by name; the ones that nobody asked for are wrong.
#[derive(Debug)]
pub(super) struct Members<'a> {
    path: String,
    /// `None` when it is no object, which was noted; then nothing is missing from it either.
    map: Option<&'a Map<String, Value>>,
    known: Vec<&'static str>,
}

impl<'a> Members<'a> {
    pub(super) fn open(value: &'a Value, path: &str, wrong: &mut Wrong) -> Self {
        let map = value.as_object();
        if map.is_none() {
            wrong.push(path, "must be an object");
        }
        Self { path: path.to_owned(), map, known: Vec::new() }
    }

    /// Where a member is.
    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn optional(&mut self, name: &'static str) -> Option<&'a Value> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.map.and_then(|map| map.get(name))
    }

    pub(super) fn required(&mut self, name: &'static str, wrong: &mut Wrong) -> Option<&'a Value> {
        let value = self.optional(name);
        if value.is_none() && self.map.is_some() {
            wrong.push(&self.path_of(name), "is required");
        }
        value
    }

    /// A number that may be absent, in thousandths.
    pub(super) fn number(&mut self, name: &'static str, limits: Limits, wrong: &mut Wrong) -> Option<i64> {
        let number = limits.read(self.optional(name)?);
        if number.is_none() {
            wrong.push(&self.path_of(name), &limits.message());
        }
        number
    }

    /// A number that must be there, in thousandths.
    pub(super) fn required_number(&mut self, name: &'static str, limits: Limits, wrong: &mut Wrong) -> i64 {
        self.required(name, wrong);
        self.number(name, limits, wrong).unwrap_or(limits.max)
    }

    /// One of some words, if there is one.
    pub(super) fn choice<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)], wrong: &mut Wrong) -> Option<T> {
        let value = self.optional(name)?;
        let chosen = words.iter().find(|(word, _)| value.as_str() == Some(word)).map(|(_, choice)| *choice);
        if chosen.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            wrong.push(&self.path_of(name), &format!("must be one of {}", words.join(", ")));
        }
        chosen
    }

    /// The `type`, which must be there. Without a known one nothing can be said about the other members.
    pub(super) fn kind<T: Copy>(&mut self, words: &[(&str, T)], wrong: &mut Wrong) -> Option<T> {
        self.required("type", wrong);
        self.choice("type", words, wrong)
    }

    /// The elements of a list that must be there, each with its path.
    pub(super) fn list(&mut self, name: &'static str, count_max: usize, wrong: &mut Wrong) -> Vec<(String, &'a Value)> {
        let value = self.required(name, wrong);
        let path = self.path_of(name);
        value.map_or_else(Vec::new, |value| list_of(value, &path, count_max, wrong))
    }

    /// Notes the members that nobody asked for.
    pub(super) fn close(self, wrong: &mut Wrong) {
        for name in self.map.into_iter().flat_map(Map::keys) {
            if !self.known.contains(&name.as_str()) {
                let message = format!("is not known here; known are {}", self.known.join(", "));
                wrong.push(&self.path_of(name), &message);
            }
        }
    }
}

/// The elements of a list of at least one, each with its path.
pub(super) fn list_of<'a>(
    value: &'a Value,
    path: &str,
    count_max: usize,
    wrong: &mut Wrong,
) -> Vec<(String, &'a Value)> {
    let Value::Array(items) = value else {
        wrong.push(path, "must be a list");
        return Vec::new();
    };
    if !(1..=count_max).contains(&items.len()) {
        wrong.push(path, &format!("must hold 1 to {count_max} elements"));
    }
    items.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect()
}

pub(super) fn text_of<'a>(value: &'a Value, path: &str, wrong: &mut Wrong) -> Option<&'a str> {
    let text = value.as_str();
    if text.is_none() {
        wrong.push(path, "must be a text");
    }
    text
}
