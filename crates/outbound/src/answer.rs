//! What a receiver's answer, or the want of one, is in words that can be stored and read.

use std::error::Error;
use std::io;
use std::time::Duration;

use domain::webhooks::{Attempt, TargetRefused};
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// The longest error, in characters.
const ERROR_CHARS_MAX: usize = 500;

/// What people call the errors that a receiver's absence comes with.
const NAMED: [(io::ErrorKind, &str); 5] = [
    (io::ErrorKind::ConnectionRefused, "connection refused"),
    (io::ErrorKind::ConnectionReset, "the connection was closed by the receiver"),
    (io::ErrorKind::BrokenPipe, "the connection was closed by the receiver"),
    (io::ErrorKind::NetworkUnreachable, "the network is unreachable"),
    (io::ErrorKind::HostUnreachable, "the host is unreachable"),
];

/// The beginning of a body as text, at most [`Attempt::BODY_BYTES_MAX`] bytes of it. What is no text is written as `\xNN`, and so
/// is NUL, which a database may refuse. Only a character that was cut at the end of `bytes` is left out.
pub(crate) fn body_text(bytes: &[u8], is_cut: bool) -> String {
    let mut text = String::new();
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        for character in chunk.valid().chars() {
            match character {
                '\0' => text.push_str(r"\x00"),
                other => text.push(other),
            }
        }
        let is_half = is_cut && chunks.peek().is_none();
        if !is_half {
            text.extend(chunk.invalid().iter().map(|byte| format!(r"\x{byte:02x}")));
        }
    }
    text.truncate(text.floor_char_boundary(Attempt::BODY_BYTES_MAX));
    text
}

/// How long an answer asks to wait: seconds, or until an instant, which is compared with the answer's own date, so that it does not
/// matter whose clock is wrong.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let asked = value(headers, &RETRY_AFTER)?;
    if !asked.is_empty() && asked.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit are as long as can be asked for.
        return Some(Duration::from_secs(asked.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let until = OffsetDateTime::parse(asked, &Rfc2822).ok()?;
    let now = OffsetDateTime::parse(value(headers, &DATE)?, &Rfc2822).ok()?;
    Some(Duration::try_from(until - now).unwrap_or(Duration::ZERO))
}

fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Why there is no answer. The URL is not part of it: what is in its query is for the receiver alone.
pub(crate) fn failure(error: &reqwest::Error, connect_timeout: Duration) -> String {
    let error_itself: &(dyn Error + 'static) = error;
    let causes = || std::iter::successors(Some(error_itself), |error| deeper(*error));
    if let Some(refused) = causes().find_map(|cause| cause.downcast_ref::<TargetRefused>()) {
        return bounded(&refused.to_string());
    }
    if let Some(tls) = causes().find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return bounded(&format!("TLS: {tls}"));
    }
    if error.is_connect() && error.is_timeout() {
        return format!("no connection within {}", seconds(connect_timeout));
    }
    let of_system = causes().filter_map(|cause| cause.downcast_ref::<io::Error>()).last();
    let named = of_system.and_then(|error| NAMED.iter().find(|(kind, _)| *kind == error.kind()));
    match (named, causes().last()) {
        (Some((_, named)), _) => (*named).to_owned(),
        (None, Some(last)) => bounded(&last.to_string()),
        (None, None) => "no answer".to_owned(),
    }
}

/// That nothing came in time.
pub(crate) fn timed_out(after: Duration) -> String {
    format!("timed out after {}", seconds(after))
}

/// `text`, not longer than an error may be.
pub(crate) fn bounded(text: &str) -> String {
    text.chars().filter(|character| *character != '\0').take(ERROR_CHARS_MAX).collect()
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// The cause of `error`. Errors of input and output hold others that are not among their causes.
fn deeper<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => Some(held),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<const N: usize>(headers: [(&HeaderName, &'static str); N]) -> HeaderMap {
        headers.map(|(name, value)| (name.clone(), value.parse().expect("it is a value"))).into_iter().collect()
    }

    #[test]
    fn a_body_is_kept_as_text_as_far_as_it_is_text() {
        assert_eq!(body_text(b"", false), "");
        assert_eq!(body_text("žluť\n".as_bytes(), false), "žluť\n");
        assert_eq!(body_text(b"a\xffb\0c", false), r"a\xffb\x00c");
        assert_eq!(body_text(b"a\xc5", false), r"a\xc5");
    }

    #[test]
    fn a_long_body_is_cut_between_characters() {
        let long = "ž".repeat(600);
        let cut = body_text(&long.as_bytes()[..1_023], true);
        assert_eq!(cut, "ž".repeat(511));
        let escaped = body_text(&[0xff; 1_024], true);
        assert_eq!(escaped.len(), 1_024);
        assert_eq!(body_text(&[0xff; 300], false).len(), 1_024);
    }

    #[test]
    fn a_wait_is_read_in_seconds_or_as_a_date() {
        let date = (&DATE, "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(retry_after(&headers([date])), None);
        assert_eq!(retry_after(&headers([(&RETRY_AFTER, " 120 ")])), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(&headers([(&RETRY_AFTER, "0")])), Some(Duration::ZERO));
        let far = retry_after(&headers([(&RETRY_AFTER, "99999999999999999999999")]));
        assert_eq!(far, Some(Duration::from_secs(u64::from(u32::MAX))));
        let later = (&RETRY_AFTER, "Wed, 21 Oct 2015 07:29:30 GMT");
        assert_eq!(retry_after(&headers([date, later])), Some(Duration::from_secs(90)));
        assert_eq!(retry_after(&headers([later])), None);
        let earlier = (&RETRY_AFTER, "Wed, 21 Oct 2015 07:27:00 GMT");
        assert_eq!(retry_after(&headers([date, earlier])), Some(Duration::ZERO));
        for junk in ["", "soon", "-1", "1.5", "10 minutes"] {
            assert_eq!(retry_after(&headers([date, (&RETRY_AFTER, junk)])), None, "{junk}");
        }
    }

    #[test]
    fn errors_are_bounded_and_times_are_read_as_people_write_them() {
        assert_eq!(bounded(&"ž".repeat(600)).chars().count(), 500);
        assert_eq!(timed_out(Duration::from_secs(10)), "timed out after 10 s");
        assert_eq!(timed_out(Duration::from_millis(300)), "timed out after 0.3 s");
    }
}
