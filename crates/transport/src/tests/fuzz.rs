//! Whatever is sent as the body of a request. See `cargo xtask fuzz`.

use std::panic::AssertUnwindSafe;

use actix_web::rt::System;
use bolero::check;

use super::world::{World, post};

/// Routes whose bodies have members of every type, members in members, and rows.
const ROUTES: [&str; 5] = [
    "/server/v1/players/p-1/wallet/gold/credit",
    "/server/v1/players/p-1/inventory/sword/revoke",
    "/server/v1/players/p-1/grants",
    "/server/v1/migrate/wallet",
    "/server/v1/migrate/inventory",
];

/// What bodies are made of.
const WORDS: [&str; 48] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    " ",
    "\\u0041",
    "\\ud800",
    "\\\"",
    "null",
    "true",
    "5",
    "5.0",
    "-1",
    "1e400",
    "9007199254740991",
    "9007199254740992",
    "\"amount\":5",
    "\"amount\":",
    "\"quantity\":2",
    "\"reason\":\"r\"",
    "\"idempotencyKey\":\"k\"",
    "\"entries\":[",
    "{\"type\":\"currency\",\"currencyKey\":\"gold\",\"amount\":1}",
    "{\"type\":\"item\",\"itemKey\":\"sword\",\"quantity\":1,\"parameters\":{}}",
    "{\"type\":\"crate\"}",
    "\"metadata\":{\"a\":[1]}",
    "\"expiresAt\":\"2026-06-08T12:00:00Z\"",
    "\"expiresAt\":\"",
    "\"delivery\":\"immediate\"",
    "\"kind\":\"crate\"",
    "\"rows\":[",
    "\"rows\":[]",
    "{\"externalPlayerId\":\"p\",\"economyKey\":\"gold\",",
    "{\"externalPlayerId\":\"p\",\"itemKey\":\"sword\",\"quantity\":1,\"idempotencyKey\":\"i\"}",
    "\"amount\":1,",
    "\"idempotencyKey\":\"w\"}",
    "é",
    "🗡",
    "\u{0}",
    "\n",
    "\"sourceRefId\":",
    "\"x\"",
    "[[[[",
    "{\"a\":",
    "//",
];

/// The body that the input says: as it is, or by words.
fn written(input: &[u8]) -> Vec<u8> {
    match input.split_first() {
        Some((first, rest)) if 0x80 <= *first => {
            let words = rest.iter().map(|byte| match usize::from(*byte) {
                0xFF => &[0xFF][..],
                byte => WORDS.get(byte % WORDS.len()).map(|word| word.as_bytes()).unwrap_or_default(),
            });
            words.flatten().copied().collect()
        }
        Some(_) | None => input.to_vec(),
    }
}

#[test]
fn a_body_is_taken_or_refused_with_reasons_and_the_next_time_for_the_same_ones() {
    let system = System::new();
    let routes = system.block_on(World::default().start());
    let ask = AssertUnwindSafe(|path: &str, body: &[u8]| system.block_on(routes.send(post(path, body.to_vec()))));
    check!(name = "request_parsing").with_iterations(1_500).with_max_len(256).for_each(|input: &[u8]| {
        let body = written(input);
        for path in ROUTES {
            let first = ask(path, &body);
            let again = ask(path, &body);
            assert!(first.status < 500 && again.status < 500, "{path}: {first:?} {again:?}");
            if first.status == 400 {
                assert!(!first.wrong_fields().is_empty(), "{path}: {first:?}");
            }
            // What was taken may be refused the next time: a balance is full, or empty.
            assert!(first.status < 300 || first.body == again.body, "{path}: {first:?} became {again:?}");
        }
    });
}
