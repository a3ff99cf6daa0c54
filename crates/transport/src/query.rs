//! The parameters in a request's query string. Unknown ones are ignored; a known one that is malformed or sent twice is
//! refused.

use std::borrow::Cow;
use std::fmt;

use actix_web::HttpRequest;
use percent_encoding::percent_decode_str;

use crate::field_errors::FieldErrors;

/// How many rows a page has at most.
const LIMIT_MAX: u32 = 200;
/// How many rows a page has unless told otherwise.
const LIMIT_DEFAULT: u32 = 50;

/// The query string of a request.
pub(crate) struct Query<'r>(&'r str);

/// Why a parameter was refused.
enum InvalidParameter {
    NotUtf8,
    SentTwice,
    Limit,
    NotOneOf(&'static str),
}

impl fmt::Display for InvalidParameter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => formatter.write_str("must be percent-encoded UTF-8"),
            Self::SentTwice => formatter.write_str("was sent more than once"),
            Self::Limit => write!(formatter, "must be an integer from 1 to {LIMIT_MAX}"),
            Self::NotOneOf(names) => write!(formatter, "must be {names}"),
        }
    }
}

impl<'r> Query<'r> {
    /// The query string of `request`.
    pub(crate) fn of(request: &'r HttpRequest) -> Self {
        Self(request.uri().query().unwrap_or_default())
    }

    /// The text of the parameter `name`, if it was sent.
    pub(crate) fn text(&self, name: &'static str, errors: &mut FieldErrors) -> Option<Cow<'r, str>> {
        let mut values = self.0.split('&').filter_map(|pair| {
            let (encoded, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(encoded).ok()? == name).then_some(value)
        });
        let value = values.next()?;
        let read = if values.next().is_some() { Err(InvalidParameter::SentTwice) } else { decode(value) };
        errors.check(name, read)
    }

    /// The parameter `name` as read by `parse`, which knows the names listed in `names`.
    pub(crate) fn one_of<T>(
        &self,
        name: &'static str,
        names: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        errors: &mut FieldErrors,
    ) -> Option<T> {
        let text = self.text(name, errors)?;
        errors.check(name, parse(&text).ok_or(InvalidParameter::NotOneOf(names)))
    }

    /// The parameter `name`, true or false; false without it.
    pub(crate) fn flag(&self, name: &'static str, errors: &mut FieldErrors) -> bool {
        self.one_of(name, "true or false", |text| text.parse().ok(), errors).unwrap_or(false)
    }

    /// The parameter `limit`, or how many rows a page has without it.
    pub(crate) fn limit(&self, errors: &mut FieldErrors) -> u32 {
        let Some(text) = self.text("limit", errors) else { return LIMIT_DEFAULT };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let limit = text.parse().ok().filter(|limit| digits && (1..=LIMIT_MAX).contains(limit));
        errors.check("limit", limit.ok_or(InvalidParameter::Limit)).unwrap_or(LIMIT_DEFAULT)
    }
}

/// Decodes `application/x-www-form-urlencoded` text.
fn decode(encoded: &str) -> Result<Cow<'_, str>, InvalidParameter> {
    if encoded.contains('+') {
        let spaced = encoded.replace('+', " ");
        let text = percent_decode_str(&spaced).decode_utf8().map_err(|_| InvalidParameter::NotUtf8)?;
        return Ok(Cow::Owned(text.into_owned()));
    }
    percent_decode_str(encoded).decode_utf8().map_err(|_| InvalidParameter::NotUtf8)
}
