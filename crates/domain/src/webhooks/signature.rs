//! How a receiver knows that a request is from us, and that nothing in it was changed.
//!
//! Three schemes that the world knows, each over exactly the bytes that are sent. This module must not know what it signs.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::Timestamp;

/// What the text of a signing secret begins with.
const SECRET_PREFIX: &str = "whsec_";

/// A signing secret as it is shown: `whsec_` and the base64 of its bytes.
pub fn secret_text(bytes: &[u8; 32]) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes))
}

/// The headers that sign `body`, sent at `now` under `id`, with each of `secrets`: `X-Signature`, keyed by the text of the
/// secret, and the three of Standard Webhooks, keyed by its bytes.
pub(super) fn headers(id: &str, body: &str, secrets: &[String], now: Timestamp) -> Vec<(&'static str, String)> {
    let sent_at = unix_seconds(now).to_string();
    let by_text = secrets.iter().map(|secret| {
        let code = code(secret.as_bytes(), [sent_at.as_str(), ".", body]);
        format!(",v1={}", hexadecimal(&code))
    });
    // What is no secret of ours has no bytes to sign with; an empty key would be known to everybody.
    let bytes = secrets.iter().filter_map(|secret| STANDARD.decode(secret.strip_prefix(SECRET_PREFIX)?).ok());
    let by_bytes: Vec<_> = bytes
        .map(|key| format!("v1,{}", STANDARD.encode(code(&key, [id, ".", sent_at.as_str(), ".", body]))))
        .collect();
    vec![
        ("X-Signature", format!("t={sent_at}{}", by_text.collect::<String>())),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", sent_at.clone()),
        ("webhook-signature", by_bytes.join(" ")),
    ]
}

/// `payload`, signed with `key` as it is written: the signature, a dot and the payload, both in base64 for URLs.
pub(super) fn signed_request(key: &str, payload: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let signature = URL_SAFE_NO_PAD.encode(code(key.as_bytes(), [payload.as_str()]));
    format!("{signature}.{payload}")
}

/// Whole seconds since the Unix epoch, rounded down.
pub(super) fn unix_seconds(at: Timestamp) -> i64 {
    at.unix_millis().div_euclid(1_000)
}

/// The HMAC-SHA256 of `parts`, one after the other.
fn code<const N: usize>(key: &[u8], parts: [&str; N]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("an HMAC takes a key of any length");
    parts.into_iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().into()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The key of the published example of signed requests.
    const KEY: &str = "748e63d7-c48c-418c-aa25-80456de2b98c";

    fn at(unix_seconds: u64) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_secs(unix_seconds))
    }

    fn header(headers: &[(&'static str, String)], name: &str) -> String {
        headers.iter().find(|(found, _)| *found == name).expect("the header is there").1.clone()
    }

    #[test]
    fn a_signed_request_is_that_of_the_published_example() {
        let expected =
            "GbmlDg_VNvaFZFKMR6iIXBqQWtdCyzgwSPTc1IB7pC8.eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsImV2ZW50IjoidGVzdCJ9";
        assert_eq!(signed_request(KEY, r#"{"algorithm":"HMAC-SHA256","event":"test"}"#), expected);
        let expected = "A-vJNq1mP-7QnrSlCBln3ti-5N2wiIdSeo0l2TWHrDs.eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsImV2ZW50IjoiaW52\
            YWxpZGF0ZV91c2VyX2ludmVudG9yeSIsInVzZXJfaWQiOjc2NX0";
        let payload = r#"{"algorithm":"HMAC-SHA256","event":"invalidate_user_inventory","user_id":765}"#;
        assert_eq!(signed_request(KEY, payload), expected);
    }

    #[test]
    fn a_signature_is_that_of_the_published_example_of_standard_webhooks() {
        let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()];
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let headers = headers(id, r#"{"test": 2432232314}"#, &secrets, at(1_614_265_330));
        assert_eq!(header(&headers, "webhook-id"), id);
        assert_eq!(header(&headers, "webhook-timestamp"), "1614265330");
        assert_eq!(header(&headers, "webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn the_other_signature_is_keyed_by_the_text_of_the_secret() {
        // hmac.new(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'1614265330.{"test": 2432232314}', "sha256") in Python.
        let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()];
        let headers = headers("any", r#"{"test": 2432232314}"#, &secrets, at(1_614_265_330));
        let expected = "t=1614265330,v1=2e37df5d4a028c51a7f3133d64ae1e300d2c2c900f1b1d49d4369ad2530f8964";
        assert_eq!(header(&headers, "X-Signature"), expected);
    }

    #[test]
    fn both_secrets_sign_while_both_are_good() {
        let secrets = [secret_text(&[1; 32]), secret_text(&[2; 32])];
        let one_by_one = secrets.clone().map(|secret| headers("id", "body", &[secret], at(7)));
        let together = headers("id", "body", &secrets, at(7));
        let [new, old] = one_by_one.each_ref().map(|headers| header(headers, "webhook-signature"));
        assert_ne!(new, old);
        assert_eq!(header(&together, "webhook-signature"), format!("{new} {old}"));
        let [new, old] = one_by_one.each_ref().map(|headers| header(headers, "X-Signature").replace("t=7,", ""));
        assert_eq!(header(&together, "X-Signature"), format!("t=7,{new},{old}"));
    }

    #[test]
    fn a_secret_is_shown_so_that_its_bytes_can_be_read_back() {
        let text = secret_text(&[0xff; 32]);
        let shown = text.strip_prefix("whsec_").expect("it begins as all do");
        assert_eq!(STANDARD.decode(shown).expect("it is base64"), [0xff; 32]);
    }

    #[test]
    fn what_is_no_secret_signs_nothing_with_an_empty_key() {
        let headers = headers("id", "body", &["junk".to_owned()], at(7));
        assert_eq!(header(&headers, "webhook-signature"), "");
    }
}
