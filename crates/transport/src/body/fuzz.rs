//! Fingerprints of bodies: the same for whatever says the same, and for nothing else. See `cargo xtask fuzz`.

use bolero::check;
use serde_json::Map;

use super::*;

/// Names and texts.
const TEXTS: [&str; 8] = ["amount", "reason", "a", "", "Ærø 🗡", "\"\\/\u{8}\n", "idempotencyKey", "0"];

/// Makes values of an input, and decides how they are written.
struct Bytes<'b>(std::slice::Iter<'b, u8>);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }

    fn text(&mut self) -> String {
        TEXTS.get(usize::from(self.next()) % TEXTS.len()).copied().unwrap_or_default().to_owned()
    }

    fn value(&mut self, depth: u8) -> Value {
        match self.next() % if depth == 0 { 5 } else { 7 } {
            0 => Value::Null,
            1 => (self.next().is_multiple_of(2)).into(),
            2 => u64::from(self.next()).into(),
            3 => (i64::from(self.next()) << (self.next() % 45)).wrapping_neg().into(),
            4 => self.text().into(),
            5 => (0..self.next() % 4).map(|_| self.value(depth - 1)).collect(),
            _ => self.object(depth - 1).into(),
        }
    }

    fn object(&mut self, depth: u8) -> Map<String, Value> {
        (0..self.next() % 5).map(|_| (self.text(), self.value(depth))).collect()
    }

    /// Writes `value` as one of the many texts that say it.
    fn written(&mut self, value: &Value) -> String {
        let space = [" ", "", "\n\t", ""].get(usize::from(self.next()) % 4).copied().unwrap_or_default();
        let text = match value {
            Value::Null | Value::Bool(_) => value.to_string(),
            Value::Number(number) => {
                let ending = ["", ".0", "e0", ".00E+0"].get(usize::from(self.next()) % 4).copied().unwrap_or_default();
                format!("{number}{ending}")
            }
            Value::String(text) => self.quoted(text),
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| self.written(item)).collect();
                format!("[{}]", items.join(","))
            }
            Value::Object(members) => {
                let mut written = Vec::new();
                for (name, value) in members {
                    written.push(format!("{}{space}:{}", self.quoted(name), self.written(value)));
                }
                let turn = usize::from(self.next()).checked_rem(written.len()).unwrap_or_default();
                written.rotate_left(turn);
                format!("{{{space}{}}}", written.join(","))
            }
        };
        format!("{space}{text}{space}")
    }

    fn quoted(&mut self, text: &str) -> String {
        if self.next().is_multiple_of(2) {
            return Value::from(text).to_string();
        }
        let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        format!("\"{units}\"")
    }
}

fn fingerprint(text: &str) -> domain::economy::Fingerprint {
    let body = Body { bytes: text.to_owned().into(), depth_max: 64, members_max: 1_000 };
    let mut errors = FieldErrors::default();
    let members = body.members(&mut errors).unwrap_or_else(|| panic!("an object: {text}"));
    assert!(errors.is_empty(), "{text}");
    let mut fingerprint = Fingerprinter::named("fuzz");
    members.fingerprint(&mut fingerprint);
    fingerprint.finish()
}

/// What counts of a body.
fn counted(mut body: Map<String, Value>) -> Map<String, Value> {
    body.retain(|name, value| name != IDEMPOTENCY_KEY && !value.is_null());
    body
}

#[test]
fn a_fingerprint_is_of_what_a_body_says_and_not_of_how() {
    check!(name = "fingerprinting").with_iterations(10_000).with_max_len(512).for_each(|input: &[u8]| {
        let mut bytes = Bytes(input.iter());
        let (one, other) = (bytes.object(3), bytes.object(3));
        let print =
            |bytes: &mut Bytes<'_>, body: &Map<String, Value>| fingerprint(&bytes.written(&body.clone().into()));
        let of_one = print(&mut bytes, &one);
        assert_eq!(of_one, print(&mut bytes, &one), "{one:?}");
        let of_other = print(&mut bytes, &other);
        assert_eq!(of_one == of_other, counted(one.clone()) == counted(other.clone()), "{one:?} and {other:?}");
        let mut more = one.clone();
        more.insert("more".to_owned(), bytes.text().into());
        assert_ne!(of_one, print(&mut bytes, &more), "{more:?}");
    });
}
