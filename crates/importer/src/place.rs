//! Where a column was found in the lines of one file, and what is found there in one line.
//!
//! A JSON text in a cell or in a string is looked into when a path goes on beyond it, because platforms put JSON into CSV and
//! JSON into JSON.

use std::borrow::Cow;

use csv::ByteRecord;
use serde_json::Value;

use crate::column::{Column, steps};

/// One line of a file, read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Record<'r> {
    /// A record of a CSV file.
    Cells(&'r ByteRecord),
    /// A line of a NDJSON file, or an element in a list.
    Json(&'r Value),
}

/// Where a column is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere in this file.
    Nowhere,
    /// In a cell, or further in its JSON.
    Cell {
        /// Which cell.
        index: usize,
        /// The way on in its JSON.
        rest: Vec<String>,
    },
    /// In JSON, at the first of these paths that leads to something.
    Paths(Vec<Vec<String>>),
}

/// What stands at a place.
#[derive(Debug)]
pub(crate) enum Found<'r> {
    /// Nothing, an empty cell, or `null`.
    Nothing,
    /// Text.
    Text(Cow<'r, str>),
    /// A JSON value, neither a string nor `null`.
    Json(Cow<'r, Value>),
    /// Something that cannot be read, and why.
    Unreadable(&'static str),
}

impl Place {
    /// Finds `column` under a CSV header: by its whole name, or by the longest beginning of a path that is one.
    pub(crate) fn in_header(column: &Column, header: &[String]) -> Self {
        column.names.iter().find_map(|name| in_header(name, header)).unwrap_or(Self::Nowhere)
    }

    /// Where `column` is in lines of JSON.
    pub(crate) fn in_json(column: &Column) -> Self {
        Self::Paths(column.names.iter().map(|name| steps(name)).collect())
    }

    /// What stands there in `record`.
    pub(crate) fn find<'r>(&self, record: Record<'r>) -> Found<'r> {
        match (self, record) {
            (Self::Cell { index, rest }, Record::Cells(cells)) => {
                let cell = cells.get(*index).map(std::str::from_utf8);
                match cell {
                    None | Some(Ok("")) => Found::Nothing,
                    Some(Err(_)) => Found::Unreadable("is not UTF-8"),
                    Some(Ok(text)) if rest.is_empty() => Found::Text(Cow::Borrowed(text)),
                    Some(Ok(text)) => match serde_json::from_str(text) {
                        Ok(value) => Found::of_owned(walk_owned(value, rest)),
                        Err(_) => Found::Unreadable("is not JSON"),
                    },
                }
            }
            (Self::Paths(paths), Record::Json(value)) => {
                let mut found = paths.iter().map(|path| Found::of(walk(value, path)));
                found.find(|found| !matches!(found, Found::Nothing)).unwrap_or(Found::Nothing)
            }
            (Self::Nowhere | Self::Cell { .. } | Self::Paths(_), Record::Cells(_) | Record::Json(_)) => Found::Nothing,
        }
    }
}

fn in_header(name: &str, header: &[String]) -> Option<Place> {
    let exactly = |wanted: &str| header.iter().position(|column| column == wanted);
    if let Some(index) = exactly(name) {
        return Some(Place::Cell { index, rest: Vec::new() });
    }
    if name.starts_with('/') {
        let mut path = steps(name).into_iter();
        let index = exactly(&path.next()?)?;
        return Some(Place::Cell { index, rest: path.collect() });
    }
    let ends = name.rmatch_indices('.').map(|(end, _)| end);
    ends.filter_map(|end| Some((name.get(..end)?, name.get(end + 1..)?)))
        .find_map(|(column, rest)| Some(Place::Cell { index: exactly(column)?, rest: steps(rest) }))
}

fn walk<'v>(value: &'v Value, path: &[String]) -> Option<Cow<'v, Value>> {
    let Some((step, rest)) = path.split_first() else { return Some(Cow::Borrowed(value)) };
    match value {
        Value::Object(members) => walk(members.get(step)?, rest),
        Value::Array(elements) => walk(elements.get(step.parse::<usize>().ok()?)?, rest),
        Value::String(text) => walk_owned(serde_json::from_str(text).ok()?, path).map(Cow::Owned),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn walk_owned(value: Value, path: &[String]) -> Option<Value> {
    walk(&value, path).map(Cow::into_owned)
}

impl<'r> Found<'r> {
    fn of(value: Option<Cow<'r, Value>>) -> Self {
        match value {
            Some(Cow::Owned(value)) => Self::of_owned(Some(value)),
            Some(Cow::Borrowed(Value::String(text))) if !text.is_empty() => Self::Text(Cow::Borrowed(text)),
            None | Some(Cow::Borrowed(Value::Null | Value::String(_))) => Self::Nothing,
            Some(value) => Self::Json(value),
        }
    }

    fn of_owned(value: Option<Value>) -> Found<'r> {
        match value {
            None | Some(Value::Null) => Found::Nothing,
            Some(Value::String(text)) if text.is_empty() => Found::Nothing,
            Some(Value::String(text)) => Found::Text(Cow::Owned(text)),
            Some(value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => {
                Found::Json(Cow::Owned(value))
            }
        }
    }

    /// As text: what a name or an id is.
    pub(crate) fn text(&self) -> Result<Option<String>, &'static str> {
        match self {
            Self::Nothing => Ok(None),
            Self::Text(text) => Ok(Some(text.as_ref().to_owned())),
            Self::Unreadable(why) => Err(why),
            Self::Json(value) => match value.as_ref() {
                Value::Number(number) => Ok(Some(number.to_string())),
                Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                    Err("is not text")
                }
            },
        }
    }

    /// As JSON, which a text may be.
    pub(crate) fn json(self) -> Result<Option<Cow<'r, Value>>, &'static str> {
        match self {
            Self::Nothing => Ok(None),
            Self::Unreadable(why) => Err(why),
            Self::Json(value) => Ok(Some(value)),
            Self::Text(text) => {
                serde_json::from_str(&text).map(|value| Some(Cow::Owned(value))).map_err(|_| "is not JSON")
            }
        }
    }

    /// As it was, for a person who has to mend it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Nothing | Self::Unreadable(_) => String::new(),
            Self::Text(text) => text.as_ref().to_owned(),
            Self::Json(value) => value.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn header() -> Vec<String> {
        ["id", "a.b", "value", "x"].map(str::to_owned).to_vec()
    }

    fn text_at(column: &str, cells: &[&str]) -> Option<String> {
        let record = ByteRecord::from(cells.to_vec());
        Place::in_header(&Column::given(column), &header()).find(Record::Cells(&record)).text().unwrap()
    }

    #[test]
    fn a_cell_is_found_by_its_name_and_json_in_it_by_a_path() {
        let cells = ["7", "dotted", r#"{"n":{"m":"deep"},"list":[1,"two"]}"#, ""];
        assert_eq!(text_at("id", &cells).as_deref(), Some("7"));
        assert_eq!(text_at("a.b", &cells).as_deref(), Some("dotted"));
        for column in ["value.n.m", "/value/n/m"] {
            assert_eq!(text_at(column, &cells).as_deref(), Some("deep"), "{column}");
        }
        assert_eq!(text_at("value.list.1", &cells).as_deref(), Some("two"));
        assert_eq!(text_at("x", &cells), None);
        assert_eq!(Place::in_header(&Column::given("nope.n"), &header()), Place::Nowhere);
    }

    #[test]
    fn json_inside_json_text_is_looked_into() {
        let line = json!({ "account": { "wallet": "{\"coins\": 10}", "user": { "id": "u" } }, "a.b": 1, "none": null });
        let find = |names: &[&str]| Place::in_json(&Column::one_of(names)).find(Record::Json(&line)).text();
        assert_eq!(find(&["account.wallet.coins"]), Ok(Some("10".to_owned())));
        assert_eq!(find(&["id", "user.id", "account.user.id"]), Ok(Some("u".to_owned())));
        assert_eq!(find(&["/a.b"]), Ok(Some("1".to_owned())));
        assert_eq!((find(&["none"]), find(&["none.at.all"])), (Ok(None), Ok(None)));
        assert_eq!(find(&["account"]), Err("is not text"));
    }

    #[test]
    fn bytes_that_are_no_text_are_unreadable() {
        let record = ByteRecord::from(vec![b"\xff".as_slice()]);
        let place = Place::Cell { index: 0, rest: Vec::new() };
        assert_eq!(place.find(Record::Cells(&record)).text(), Err("is not UTF-8"));
    }
}
