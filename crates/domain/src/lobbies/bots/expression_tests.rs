//! What conditions may say, and that they mean what is written.

use proptest::prelude::*;

use super::draw::MILLION;
use super::expression::{Condition, Facts};

fn refusal(text: &str) -> String {
    Condition::try_new(text).map(|_| ()).expect_err(text)
}

#[test]
fn odd_texts_are_refused_and_say_why() {
    let cases = [
        ("", "ends where a number, a variable or a parenthesis is missing"),
        ("   ", "ends where a number, a variable or a parenthesis is missing"),
        ("score", "must be true or false, and is a number"),
        ("1 / 0", "must be true or false, and is a number"),
        ("score &&", "ends where a number, a variable or a parenthesis is missing"),
        ("!", "ends where a number, a variable or a parenthesis is missing"),
        ("(score > 1", "leaves a parenthesis open"),
        ("score > 1)", "closes a parenthesis that was not opened"),
        ("score 1", "must have one of || && == != <= >= < > + - * / % before `1`"),
        ("()", "must have a number, a variable or a parenthesis before `)`"),
        ("score > {x}", "must have a number, a variable or a parenthesis before `{x}`"),
        ("min(score, 1) > 1", "does not know `min`"),
        ("speed > 1", "does not know `speed`"),
        ("true1", "does not know `true1`"),
        ("score > 1e5", "`1e5` must be a number of at most 15 digits, with at most 6 decimals"),
        ("score > 1.", "`1.` must be a number of at most 15 digits, with at most 6 decimals"),
        ("score > 9999999999999999", "must be a number of at most 15 digits"),
        ("score > 0.0000001", "must be a number of at most 15 digits"),
        ("score > .5", "does not know `.5`"),
        ("score > é", "must have a number, a variable or a parenthesis before `é`"),
        ("score > 1 é", "before `é`"),
        ("score = 1", "must have one of"),
        ("score\t> 1", "must have one of"),
        ("score > 1 && 2", "takes numbers for truths"),
        ("true > 1", "takes numbers for truths"),
        ("true == 1", "takes numbers for truths"),
        ("-true", "takes numbers for truths"),
        ("!score", "takes numbers for truths"),
        ("(1 / 0) && true", "takes numbers for truths"),
        ("score < 1 < 2", "takes numbers for truths"),
    ];
    for (text, message) in cases {
        let found = refusal(text);
        assert!(found.contains(message), "{text}: {found}");
    }
    assert!(refusal(&"(".repeat(200)).contains("at most 16 parentheses"));
    assert!(refusal(&"(".repeat(201)).contains("at most 200 characters"));
    assert!(Condition::try_new(&format!("{}true", "!".repeat(196))).is_ok());
    assert!(Condition::try_new(&format!("{}(score > 1){}", "(".repeat(15), ")".repeat(15))).is_ok());
    let difference = Condition::try_new(&format!("1{} == -95", "-1".repeat(96))).unwrap();
    assert!(difference.holds(&Facts::default()));
}

/// An expression as a tree, and what it comes to by the rules of the language.
#[derive(Debug, Clone)]
enum Number {
    Literal(u16),
    Score,
    Elapsed,
    Minus(Box<Number>),
    Two(&'static str, Box<Number>, Box<Number>),
}

#[derive(Debug, Clone)]
enum Truth {
    Literal(bool),
    Not(Box<Truth>),
    Compared(&'static str, Box<Number>, Box<Number>),
    Two(&'static str, Box<Truth>, Box<Truth>),
}

const FACTS: Facts = Facts {
    elapsed: 7 * MILLION,
    score: 12_500_000,
    in_state: 0,
    remaining: 0,
    progress: 0,
    leader: 0,
    median: 0,
    players: 0,
    rank: 0,
    random: 0,
};

impl Number {
    /// The text, and how tightly its outermost operator binds. `spare` puts parentheses only where they are needed.
    fn text(&self, spare: bool) -> (String, u8) {
        match self {
            Self::Literal(number) => (number.to_string(), 9),
            Self::Score => ("score".to_owned(), 9),
            Self::Elapsed => ("elapsed".to_owned(), 9),
            Self::Minus(inner) => (format!("-{}", wrapped(inner.text(spare), 8, spare)), 8),
            Self::Two(operator, left, right) => {
                let level = if ["+", "-"].contains(operator) { 5 } else { 6 };
                two(operator, left.text(spare), right.text(spare), level, spare)
            }
        }
    }

    fn value(&self) -> Option<i128> {
        match self {
            Self::Literal(number) => Some(i128::from(*number) * MILLION),
            Self::Score => Some(FACTS.score),
            Self::Elapsed => Some(FACTS.elapsed),
            Self::Minus(inner) => inner.value().map(|number| -number),
            Self::Two(operator, left, right) => {
                let (left, right) = (left.value()?, right.value()?);
                match *operator {
                    "+" => left.checked_add(right),
                    "-" => left.checked_sub(right),
                    "*" => left.checked_mul(right).map(|product| product / MILLION),
                    "/" => left.checked_mul(MILLION)?.checked_div(right),
                    _ => left.checked_rem(right),
                }
            }
        }
    }
}

impl Truth {
    fn text(&self, spare: bool) -> (String, u8) {
        match self {
            Self::Literal(truth) => (truth.to_string(), 9),
            Self::Not(inner) => (format!("!{}", wrapped(inner.text(spare), 8, spare)), 8),
            Self::Compared(operator, left, right) => {
                let level = if ["==", "!="].contains(operator) { 3 } else { 4 };
                two(operator, left.text(spare), right.text(spare), level, spare)
            }
            Self::Two(operator, left, right) => {
                let level = if *operator == "||" { 1 } else { 2 };
                two(operator, left.text(spare), right.text(spare), level, spare)
            }
        }
    }

    fn value(&self) -> Option<bool> {
        match self {
            Self::Literal(truth) => Some(*truth),
            Self::Not(inner) => inner.value().map(|truth| !truth),
            Self::Compared(operator, left, right) => {
                let (left, right) = (left.value()?, right.value()?);
                Some(match *operator {
                    "==" => left == right,
                    "!=" => left != right,
                    "<" => left < right,
                    "<=" => left <= right,
                    ">" => left > right,
                    _ => left >= right,
                })
            }
            Self::Two(operator, left, right) => {
                let (left, right) = (left.value()?, right.value()?);
                Some(if *operator == "||" { left || right } else { left && right })
            }
        }
    }
}

fn wrapped((text, level): (String, u8), needed: u8, spare: bool) -> String {
    if needed <= level && (spare || level == 9) { text } else { format!("({text})") }
}

/// Operators of one level bind to the left.
fn two(operator: &str, left: (String, u8), right: (String, u8), level: u8, spare: bool) -> (String, u8) {
    let space = if spare { " " } else { "" };
    let (left, right) = (wrapped(left, level, spare), wrapped(right, level + 1, spare));
    (format!("{left}{space}{operator}{space}{right}"), level)
}

fn numbers() -> impl Strategy<Value = Number> {
    let leaf = prop_oneof![(0_u16..20).prop_map(Number::Literal), Just(Number::Score), Just(Number::Elapsed)];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let operators = prop::sample::select(vec!["+", "-", "*", "/", "%"]);
        prop_oneof![
            1 => inner.clone().prop_map(|number| Number::Minus(Box::new(number))),
            4 => (operators, inner.clone(), inner)
                .prop_map(|(operator, left, right)| Number::Two(operator, Box::new(left), Box::new(right))),
        ]
    })
}

fn truths() -> impl Strategy<Value = Truth> {
    let operators = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Truth::Literal),
        9 => (operators, numbers(), numbers())
            .prop_map(|(operator, left, right)| Truth::Compared(operator, Box::new(left), Box::new(right))),
    ];
    leaf.prop_recursive(3, 6, 2, |inner| {
        let operators = prop::sample::select(vec!["||", "&&"]);
        prop_oneof![
            1 => inner.clone().prop_map(|truth| Truth::Not(Box::new(truth))),
            3 => (operators, inner.clone(), inner)
                .prop_map(|(operator, left, right)| Truth::Two(operator, Box::new(left), Box::new(right))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn a_condition_means_what_the_rules_of_precedence_say(truth in truths()) {
        for spare in [true, false] {
            let (text, _) = truth.text(spare);
            if text.len() <= Condition::CHARS_MAX {
                match Condition::try_new(&text) {
                    Ok(condition) => prop_assert_eq!(condition.holds(&FACTS), truth.value() == Some(true), "{}", text),
                    Err(message) => prop_assert!(message.contains("parentheses"), "{}: {}", text, message),
                }
            }
        }
    }

    #[test]
    fn no_text_at_all_is_too_odd(text in "[-+*/%()!<>=&|., {}a-z0-9é]{0,60}") {
        if let Ok(condition) = Condition::try_new(&text) {
            condition.holds(&FACTS);
        }
    }

    #[test]
    fn no_row_of_words_of_the_language_is_too_odd(words in prop::collection::vec(
        prop::sample::select(vec![
            "score", "elapsed", "rank", "1", "0", "999999999999999", "0.000001", "true", "(", ")", "-", "!", "+", "*",
            "/", "%", "<", "<=", ">", "==", "!=", "&&", "||", " ",
        ]), 0..20)) {
        let big = i128::from(i64::MAX) * 1_000;
        if let Ok(condition) = Condition::try_new(&words.concat()) {
            for facts in [FACTS, Facts::default(), Facts { score: -big, elapsed: big, rank: big, ..FACTS }] {
                condition.holds(&facts);
            }
        }
    }
}
