//! Which request this is, of which trace: W3C Trace Context and request ids, read from the headers of every request and
//! written into the headers of every answer.
//!
//! This is on the path of every request: nothing is formatted by machinery, and what callers gave is shared, not copied. Must
//! not know who exports spans, nor where random bytes come from.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest};
use domain::keys::{Caller, PermissionSet};
use domain::tenancy::RealmId;

/// The header by which a caller names a request, and is told its name.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header by which a trace goes from one program to the next.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest id that a caller may give a request.
const REQUEST_ID_LENGTH_MAX: usize = 128;
/// What API keys begin with. A caller who confuses the headers must not find its key in our log.
const KEY_PREFIXES: [&[u8]; 3] = [b"ks_", b"kp_", b"whsec_"];

/// How long a `traceparent` of version 00 is: `00-<trace id>-<span id>-<flags>`.
const TRACEPARENT_LENGTH: usize = 55;
/// The flag that says that the caller records its part of the trace.
const SAMPLED: u8 = 0b01;
/// The flag that says that the trace id is random.
const RANDOM: u8 = 0b10;

/// What this server knows of traces, and what it needs for them.
#[derive(Clone)]
pub struct Tracing {
    /// Makes random bytes, fast: for the ids of a trace and a span.
    pub random: fn() -> [u8; 24],
    /// Is told of every request, where spans are exported.
    pub spans: Option<Arc<dyn RequestSpans>>,
}

/// Where spans of requests go.
pub trait RequestSpans: Send + Sync {
    /// A request was answered just now. Whether a span of it is recorded.
    fn answered(&self, request: &AnsweredRequest<'_>) -> bool;
}

/// A request that was answered.
#[derive(Debug)]
pub struct AnsweredRequest<'a> {
    /// Which one.
    pub context: TraceContext,
    /// What it is called.
    pub request_id: &'a str,
    /// Its method, from a closed set.
    pub method: &'static str,
    /// The pattern of its route.
    pub route: &'static str,
    /// What it was answered.
    pub status: u16,
    /// How long that took.
    pub took: Duration,
    /// Whose it was, if its key was good.
    pub caller: Option<(RealmId, PermissionSet)>,
}

/// The place of a request in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace, the caller's if it named one.
    pub trace_id: [u8; 16],
    /// This request in it.
    pub span_id: [u8; 8],
    /// What of the caller's it is part of.
    pub parent_id: Option<[u8; 8]>,
    /// What the caller said of the trace.
    pub flags: u8,
}

impl TraceContext {
    /// The place of a request with these headers; `random` makes what they do not say.
    fn of(headers: &HeaderMap, random: [u8; 24]) -> Self {
        let (mut trace_id, mut span_id) = ([0; 16], [0; 8]);
        let (for_trace, for_span) = random.split_at(16);
        trace_id.copy_from_slice(for_trace);
        span_id.copy_from_slice(for_span);
        // All zeros mean that there is none.
        if trace_id == [0; 16] {
            trace_id = [1; 16];
        }
        if span_id == [0; 8] {
            span_id = [1; 8];
        }
        match parent(headers) {
            Some(Parent { trace_id, span_id: parent_id, flags }) => {
                Self { trace_id, span_id, parent_id: Some(parent_id), flags }
            }
            None => Self { trace_id, span_id, parent_id: None, flags: 0 },
        }
    }

    /// Whether the caller records its part of the trace; `None` when the trace begins here.
    pub fn sampled_by_caller(&self) -> Option<bool> {
        self.parent_id.map(|_| self.flags & SAMPLED == SAMPLED)
    }

    /// The trace's id as it is written.
    pub fn trace_id(&self) -> impl fmt::Display + use<> {
        Hex(self.trace_id)
    }

    /// The `traceparent` of whoever goes on from here.
    fn written(&self, flags: u8) -> [u8; TRACEPARENT_LENGTH] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let digits = self.trace_id.iter().chain(&self.span_id).chain([&flags]).flat_map(|byte| digits_of(*byte));
        let places = text.iter_mut().skip(3).filter(|place| **place != b'-');
        places.zip(digits).for_each(|(place, digit)| *place = digit);
        text
    }
}

/// What a caller says of itself.
struct Parent {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
}

/// The one `traceparent` among `headers`, if it is sound. Anything else is as if there were none.
fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut given = headers.get_all(TRACEPARENT);
    let text = given.next()?.as_bytes();
    if given.next().is_some() {
        return None;
    }
    let (known, rest) = text.split_at_checked(TRACEPARENT_LENGTH)?;
    let [version] = bytes_of(known.get(..2)?)?;
    // Later versions may say more at the end, and mean the beginning as version 00 does.
    let is_complete = if version == 0 { rest.is_empty() } else { rest.is_empty() || rest.starts_with(b"-") };
    let dashes = [2, 35, 52].iter().all(|place| known.get(*place) == Some(&b'-'));
    if version == 0xff || !is_complete || !dashes {
        return None;
    }
    let (trace_id, span_id) = (bytes_of(known.get(3..35)?)?, bytes_of(known.get(36..52)?)?);
    let [flags] = bytes_of(known.get(53..)?)?;
    let flags = flags & if version == 0 { SAMPLED | RANDOM } else { SAMPLED };
    (trace_id != [0; 16] && span_id != [0; 8]).then_some(Parent { trace_id, span_id, flags })
}

/// The bytes that lower-case hexadecimal digits stand for.
fn bytes_of<const LENGTH: usize>(digits: &[u8]) -> Option<[u8; LENGTH]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; LENGTH];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = value(high)? << 4 | value(low)?;
    }
    Some(bytes)
}

fn digits_of(byte: u8) -> [u8; 2] {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
    [digit(byte >> 4), digit(byte & 0x0f)]
}

/// Bytes that are shown as hexadecimal digits.
struct Hex<const LENGTH: usize>([u8; LENGTH]);

impl<const LENGTH: usize> fmt::Display for Hex<LENGTH> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// A request's place in its trace and what it is called, kept with the request while it is answered.
#[derive(Debug)]
pub(crate) struct RequestTrace {
    pub(crate) context: TraceContext,
    request_id: HeaderValue,
    traceparent: HeaderValue,
    caller: Cell<Option<(RealmId, PermissionSet)>>,
}

impl RequestTrace {
    /// Of a request with these headers.
    pub(crate) fn of(headers: &HeaderMap, random: [u8; 24]) -> Self {
        let context = TraceContext::of(headers, random);
        let written = Bytes::copy_from_slice(&context.written(context.flags));
        let made = || header(written.slice(3..35));
        let request_id = headers.get(&REQUEST_ID).filter(|given| is_request_id(given)).cloned().unwrap_or_else(made);
        Self { context, request_id, traceparent: header(written), caller: Cell::new(None) }
    }

    /// What the request is called.
    pub(crate) fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// Notes whose request it is.
    pub(crate) fn note_caller(&self, caller: &Caller) {
        self.caller.set(Some((caller.realm.id, caller.permissions)));
    }

    /// Whose request it is, if its key was good.
    pub(crate) fn caller(&self) -> Option<(RealmId, PermissionSet)> {
        self.caller.get()
    }

    /// Writes into the head of an answer which request it is of. `is_recorded` when there is a span of it that the caller
    /// did not ask for.
    pub(crate) fn write(&self, headers: &mut HeaderMap, is_recorded: bool) {
        let is_news = is_recorded && self.context.flags & SAMPLED == 0;
        let traceparent = if is_news {
            header(Bytes::copy_from_slice(&self.context.written(self.context.flags | SAMPLED)))
        } else {
            self.traceparent.clone()
        };
        headers.insert(REQUEST_ID, self.request_id.clone());
        headers.insert(TRACEPARENT, traceparent);
    }
}

/// Notes whose request this is, for its span.
pub(crate) fn note_caller(request: &HttpRequest, caller: &Caller) {
    if let Some(trace) = trace_of(request) {
        trace.note_caller(caller);
    }
}

/// Which request this is; nothing only where no middleware runs.
pub(crate) fn trace_of(request: &HttpRequest) -> Option<Rc<RequestTrace>> {
    request.extensions().get::<Rc<RequestTrace>>().cloned()
}

fn header(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).expect("digits and dashes may stand in a header")
}

fn is_request_id(given: &HeaderValue) -> bool {
    let text = given.as_bytes();
    (1..=REQUEST_ID_LENGTH_MAX).contains(&text.len())
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && !KEY_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";
    const RANDOM_BYTES: [u8; 24] = [0x5a; 24];

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn read(traceparent: &str) -> TraceContext {
        TraceContext::of(&headers(&[(TRACEPARENT, traceparent)]), RANDOM_BYTES)
    }

    fn answered(pairs: &[(HeaderName, &str)], is_recorded: bool) -> (String, String) {
        let mut answer = HeaderMap::new();
        RequestTrace::of(&headers(pairs), RANDOM_BYTES).write(&mut answer, is_recorded);
        let text = |name: HeaderName| answer.get(name).unwrap().to_str().unwrap().to_owned();
        (text(REQUEST_ID), text(TRACEPARENT))
    }

    #[test]
    fn a_trace_goes_on_under_its_id() {
        let context = read(&format!("00-{TRACE}-{SPAN}-01"));
        assert_eq!(context.trace_id().to_string(), TRACE);
        assert_eq!(context.parent_id.map(|id| Hex(id).to_string()).as_deref(), Some(SPAN));
        assert_eq!((context.span_id, context.sampled_by_caller()), ([0x5a; 8], Some(true)));
        assert_eq!(read(&format!("00-{TRACE}-{SPAN}-00")).sampled_by_caller(), Some(false));
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for rest in ["", "-", "-what-ever"] {
            assert_eq!(read(&format!("cc-{TRACE}-{SPAN}-03{rest}")).flags, SAMPLED, "{rest}");
        }
        assert_eq!(read(&format!("cc-{TRACE}-{SPAN}-01.more")).parent_id, None);
    }

    #[test]
    fn what_is_no_traceparent_begins_a_new_trace() {
        let (zero_trace, zero_span) = ("0".repeat(32), "0".repeat(16));
        for text in [
            String::new(),
            "garbage".to_owned(),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-0"),
            format!("00-{zero_trace}-{SPAN}-01"),
            format!("00-{TRACE}-{zero_span}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}x{SPAN}-01"),
            format!("0g-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-zz"),
            format!(" 00-{TRACE}-{SPAN}-01"),
        ] {
            let context = read(&text);
            assert_eq!((context.trace_id, context.parent_id), ([0x5a; 16], None), "{text}");
        }
        let twice = format!("00-{TRACE}-{SPAN}-01");
        let twice = headers(&[(TRACEPARENT, &twice), (TRACEPARENT, &twice)]);
        assert_eq!(TraceContext::of(&twice, RANDOM_BYTES).parent_id, None);
    }

    #[test]
    fn an_id_is_never_zero() {
        let context = TraceContext::of(&HeaderMap::new(), [0; 24]);
        assert!(context.trace_id != [0; 16] && context.span_id != [0; 8]);
    }

    #[test]
    fn a_request_keeps_the_name_that_its_caller_gave_it() {
        let longest = "a".repeat(128);
        for name in ["order-66", "A.b_c-9", longest.as_str()] {
            assert_eq!(answered(&[(REQUEST_ID, name)], false).0, name);
        }
    }

    #[test]
    fn a_request_without_a_sound_name_is_called_as_its_trace() {
        let long = "a".repeat(129);
        let key = format!("ks_sandbox_{}", "a".repeat(48));
        for name in ["", "two words", "a/b", "naïve", long.as_str(), key.as_str(), "whsec_abc"] {
            assert_eq!(answered(&[(REQUEST_ID, name)], false).0, "5a".repeat(16), "{name}");
        }
        let parent = format!("00-{TRACE}-{SPAN}-01");
        assert_eq!(answered(&[(TRACEPARENT, &parent)], false).0, TRACE);
    }

    #[test]
    fn an_answer_says_its_own_span_and_what_is_recorded() {
        let ours = "5a".repeat(8);
        for (given, is_recorded, flags) in
            [("01", true, "01"), ("01", false, "01"), ("00", false, "00"), ("02", false, "02")]
        {
            let parent = format!("00-{TRACE}-{SPAN}-{given}");
            let (_, traceparent) = answered(&[(TRACEPARENT, &parent)], is_recorded);
            assert_eq!(traceparent, format!("00-{TRACE}-{ours}-{flags}"));
        }
        assert_eq!(answered(&[], false).1, format!("00-{}-{ours}-00", "5a".repeat(16)));
        assert_eq!(answered(&[], true).1, format!("00-{}-{ours}-01", "5a".repeat(16)));
    }
}
