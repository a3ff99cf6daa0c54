//! Reading and checking JSON bodies.
//!
//! A body is read in two passes, neither of which fails on the first thing that is wrong. The first splits the object into
//! its members, as text ([`Members`]); only what is not a JSON object at all fails there. The second reads each known
//! field with the reader for its type ([`crate::fields`]) and notes all that is wrong. So a number of four hundred digits is an error of its
//! field, not of the body, and `5.0` is the integer that it is in JSON Schema. A member sent twice is an error: which of
//! two amounts wins must not depend on a parser. Nothing here asks for a `Content-Type`.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use actix_web::web::{Bytes, Data, Payload};
use domain::economy::{Fingerprinter, KeyDigest, Once};
use domain::lobbies::Revised;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::depth::{self, TooDeep};
use crate::elements;
use crate::field_errors::FieldErrors;
use crate::fields::{InvalidText, text, whole_number};
use crate::limits::{Limit, Limits};
use crate::problem::Problem;
use crate::receive::receive;
use crate::split::{Member, split, split_part};

/// The member that names a request, and is no part of what it asks for.
const IDEMPOTENCY_KEY: &str = "idempotencyKey";

/// The header that stands in for it.
static IDEMPOTENCY_KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// What errors call that header.
const IDEMPOTENCY_KEY_HEADER_PATH: &str = "Idempotency-Key";

/// A request's body, whole.
pub(crate) struct Body {
    bytes: Bytes,
    depth_max: usize,
    members_max: usize,
}

impl Body {
    /// Reads the body of `request`.
    ///
    /// # Errors
    /// Those of [`receive`].
    pub(crate) async fn read(request: &HttpRequest, payload: Payload) -> Result<Self, Problem> {
        let limits = limits_of(request);
        let bytes = receive(request, payload, limits.body_bytes_max, limits.body_time_max).await?;
        Ok(Self::within(limits, bytes))
    }

    /// Reads the body of `request`, a bulk import: it may be larger than others, and take longer.
    ///
    /// # Errors
    /// As for [`Body::read`].
    pub(crate) async fn read_bulk(request: &HttpRequest, payload: Payload) -> Result<Self, Problem> {
        let limits = limits_of(request);
        let bytes = receive(request, payload, limits.bulk_body_bytes_max, limits.bulk_body_time_max).await?;
        Ok(Self::within(limits, bytes))
    }

    fn within(limits: &Limits, bytes: Bytes) -> Self {
        Self { bytes, depth_max: limits.json_depth_max, members_max: limits.json_members_max }
    }

    /// The members of the body's object. An empty body is an empty object.
    ///
    /// Notes an error and answers `None` when it is not an object at all; notes every member that is there twice.
    pub(crate) fn members(&self, errors: &mut FieldErrors) -> Option<Members<'_>> {
        let text = std::str::from_utf8(&self.bytes).map_err(|error| NotUtf8::at(&self.bytes, error));
        let text = errors.check("", text)?;
        if text.bytes().all(|byte| byte.is_ascii_whitespace()) {
            return Some(Members { path: String::new(), sorted: Vec::new(), members_max: self.members_max });
        }
        let unsorted = errors.check("", split(text, self.members_max))?;
        if depth::may_exceed(text, self.depth_max) && self.note_depth(&unsorted, errors) {
            return None;
        }
        Some(Members::of(String::new(), unsorted, self.members_max, errors))
    }

    /// The members of `element`, a row of the body, whose own members are named without where it is; notes an error if it is
    /// not an object.
    pub(crate) fn row<'b>(&self, element: &'b RawValue, errors: &mut FieldErrors) -> Option<Members<'b>> {
        let unsorted = errors.check("", split_part(element, self.members_max))?;
        Some(Members::of(String::new(), unsorted, self.members_max, errors))
    }

    /// Notes every member that is deeper than it may be; whether there is one. The body around it counts as one.
    fn note_depth(&self, members: &[Member<'_>], errors: &mut FieldErrors) -> bool {
        let mut is_deep = false;
        for (name, value) in members {
            let Some(excess) = depth::excess(value.get(), self.depth_max.saturating_sub(1)) else { continue };
            let too_deep =
                format!("must be at most {} arrays and objects deep, counted from the body on", self.depth_max);
            match excess {
                TooDeep::Within => errors.add(&**name, too_deep),
                TooDeep::Element(index) => errors.add(&**name, format_args!("{too_deep}; its element {index} is not")),
            }
            is_deep = true;
        }
        if is_deep {
            Limit::JsonDepth.count();
        }
        is_deep
    }
}

fn limits_of(request: &HttpRequest) -> &Limits {
    request.app_data::<Data<Limits>>().expect("the limits are registered with the routes")
}

/// Where a body stops being UTF-8.
struct NotUtf8 {
    line: usize,
    column: usize,
}

impl NotUtf8 {
    fn at(bytes: &[u8], error: std::str::Utf8Error) -> Self {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + valid.iter().rev().take_while(|byte| **byte != b'\n').count();
        Self { line, column }
    }
}

impl fmt::Display for NotUtf8 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "must be UTF-8: invalid bytes at line {} column {}", self.line, self.column)
    }
}

/// The members of one JSON object, as text, in ascending order of their names.
pub(crate) struct Members<'b> {
    /// Where in the body the object is: empty for the body itself, else it ends in a full stop.
    path: String,
    sorted: Vec<Member<'b>>,
    members_max: usize,
}

impl<'b> Members<'b> {
    fn of(path: String, mut unsorted: Vec<Member<'b>>, members_max: usize, errors: &mut FieldErrors) -> Self {
        unsorted.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        let mut twice = None;
        for pair in unsorted.windows(2) {
            let [(left, _), (right, _)] = pair else { continue };
            if left == right && twice != Some(left) {
                errors.add(format!("{path}{left}"), "was sent more than once");
                twice = Some(left);
            }
        }
        Self { path, sorted: unsorted, members_max }
    }

    /// The member `name`, `null` included.
    fn sent(&self, name: &str) -> Option<&'b RawValue> {
        self.sorted.iter().find(|(sent, _)| sent == name).map(|(_, value)| *value)
    }

    /// The member `name`, unless it is `null`.
    fn given(&self, name: &str) -> Option<&'b RawValue> {
        self.sent(name).filter(|value| !is_null(value))
    }

    /// Where in the body the member `name` is.
    pub(crate) fn path_of(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// Reads the required member `name` with `read`; `null` is a value like another, and none that any reader takes.
    pub(crate) fn required<T, E: fmt::Display>(
        &self,
        name: &str,
        read: impl FnOnce(&'b RawValue) -> Result<T, E>,
        errors: &mut FieldErrors,
    ) -> Option<T> {
        let Some(value) = self.sent(name) else {
            errors.missing(self.path_of(name));
            return None;
        };
        read(value).map_err(|refused| errors.add(self.path_of(name), refused)).ok()
    }

    /// Reads the member `name` with `read`; `None` when it is absent or `null`, and after noting an error.
    pub(crate) fn optional<T, E: fmt::Display>(
        &self,
        name: &str,
        read: impl FnOnce(&'b RawValue) -> Result<T, E>,
        errors: &mut FieldErrors,
    ) -> Option<T> {
        let value = self.given(name)?;
        read(value).map_err(|refused| errors.add(self.path_of(name), refused)).ok()
    }

    /// What a change says of the member `name`: nothing when it is absent, and after noting an error; that it goes away when
    /// it is `null`; otherwise what `read` reads.
    pub(crate) fn revised<T, E: fmt::Display>(
        &self,
        name: &str,
        read: impl FnOnce(&'b RawValue) -> Result<T, E>,
        errors: &mut FieldErrors,
    ) -> Revised<T> {
        match self.sent(name) {
            None => Revised::Kept,
            Some(value) if is_null(value) => Revised::Removed,
            Some(_) => self.optional(name, read, errors).map_or(Revised::Kept, Revised::Set),
        }
    }

    /// Whether the member `name` was sent and is not `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// Reads the elements of the required member `name`, an array, as text; notes an error if it is none.
    pub(crate) fn elements(
        &self,
        name: &str,
        refusal: impl fmt::Display,
        errors: &mut FieldErrors,
    ) -> Option<Vec<&'b RawValue>> {
        self.required(name, |value| serde_json::from_str(value.get()).map_err(|_| refusal), errors)
    }

    /// The members of `element`, the element at `index` of the member `name`; notes an error if it is not an object.
    pub(crate) fn element(
        &self,
        name: &str,
        index: usize,
        element: &'b RawValue,
        errors: &mut FieldErrors,
    ) -> Option<Members<'b>> {
        let path = format!("{}{name}[{index}]", self.path);
        let unsorted = errors.check(path.as_str(), split_part(element, self.members_max))?;
        Some(Members::of(format!("{path}."), unsorted, self.members_max, errors))
    }

    /// The members of the member `name`, an object; `None` when it is absent or `null`, and after noting an error.
    pub(crate) fn object(&self, name: &str, errors: &mut FieldErrors) -> Option<Members<'b>> {
        let path = self.path_of(name);
        let unsorted = errors.check(path.as_str(), split_part(self.given(name)?, self.members_max))?;
        Some(Members::of(format!("{path}."), unsorted, self.members_max, errors))
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Reads every member's name with `name` and its value with `read`; those in which an error was noted are left out.
    pub(crate) fn each<N, T, E: fmt::Display, F: fmt::Display>(
        &self,
        name: impl Fn(&str) -> Result<N, E>,
        read: impl Fn(&'b RawValue) -> Result<T, F>,
        errors: &mut FieldErrors,
    ) -> Vec<(N, T)> {
        let mut each = Vec::with_capacity(self.sorted.len());
        for (sent, value) in &self.sorted {
            let name = errors.check(self.path_of(sent), name(sent));
            let value = errors.check(self.path_of(sent), read(value));
            each.extend(name.zip(value));
        }
        each
    }

    /// The first elements of the required member `name`, an array, as text: one more than `count_max` at most, by which it is
    /// known to have too many. Notes an error if it is no array.
    pub(crate) fn elements_up_to(
        &self,
        name: &str,
        count_max: usize,
        refusal: impl fmt::Display,
        errors: &mut FieldErrors,
    ) -> Option<Vec<&'b RawValue>> {
        self.required(name, |value| elements::first_of(value, count_max.saturating_add(1)).ok_or(refusal), errors)
    }

    /// Whether there is an idempotency key, good or bad.
    pub(crate) fn has_idempotency_key(&self, request: &HttpRequest) -> bool {
        self.given(IDEMPOTENCY_KEY).is_some() || request.headers().contains_key(&IDEMPOTENCY_KEY_HEADER)
    }

    /// The idempotency key: the member, or the header of `request` where the body has none. The header must be well-formed
    /// even where it does not count.
    pub(crate) fn idempotency_key(&self, request: &HttpRequest, errors: &mut FieldErrors) -> Option<KeyDigest> {
        let by_header = header_key(request, errors);
        if self.given(IDEMPOTENCY_KEY).is_none() {
            return by_header;
        }
        let key = self.optional(IDEMPOTENCY_KEY, text, errors)?;
        errors.check(self.path_of(IDEMPOTENCY_KEY), KeyDigest::of(&key))
    }

    /// What keeps a request for `operation` from happening twice: its idempotency key, and the fingerprint of the
    /// `parameters` of its path and of these members.
    pub(crate) fn once(&self, key: KeyDigest, operation: &str, parameters: &[&str]) -> Once {
        let mut fingerprint = Fingerprinter::named(operation);
        parameters.iter().for_each(|parameter| fingerprint.text(parameter));
        self.fingerprint(&mut fingerprint);
        Once { key, fingerprint: fingerprint.finish() }
    }

    /// Takes every member but the idempotency key into `fingerprint`. A member that is `null` counts as absent.
    pub(crate) fn fingerprint(&self, fingerprint: &mut Fingerprinter) {
        let counted = self.sorted.iter().filter(|(name, value)| name != IDEMPOTENCY_KEY && !is_null(value));
        for (name, value) in counted {
            fingerprint.field(name, &canonical(value));
        }
    }
}

fn header_key(request: &HttpRequest, errors: &mut FieldErrors) -> Option<KeyDigest> {
    let mut headers = request.headers().get_all(&IDEMPOTENCY_KEY_HEADER);
    let header = headers.next()?;
    if headers.any(|other| other != header) {
        errors.add(IDEMPOTENCY_KEY_HEADER_PATH, "was sent more than once");
        return None;
    }
    let key = std::str::from_utf8(header.as_bytes()).map_err(|_| InvalidText::NotUnicode);
    let key = errors.check(IDEMPOTENCY_KEY_HEADER_PATH, key)?;
    errors.check(IDEMPOTENCY_KEY_HEADER_PATH, KeyDigest::of(key))
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// The value of a member for its fingerprint. What has no value (a number past all floats, nesting past all sense) counts
/// as its text.
fn canonical(value: &RawValue) -> Value {
    let text = value.get();
    match whole_number(text) {
        Some(number) => number.into(),
        None => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod fuzz;
