//! What expressions calculate with: whole millionths and truths, and the operators on them.
//!
//! Whether an expression is well typed does not depend on the values of its variables: what cannot be given, because
//! something was divided by zero or grew too large, still has its kind. One evaluation finds every mistake in kinds.

use std::str::FromStr;

use exmex::{BinOp, MakeOperators, Operator};

use super::draw::MILLION;

/// What a part of an expression comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Value {
    /// So many millionths.
    Number(i128),
    Truth(bool),
    /// A number that cannot be given.
    NoNumber,
    /// A truth that cannot be given: something was compared with a number that cannot be.
    NoTruth,
    /// An operator was given what it is not for.
    #[default]
    Mistyped,
}

/// A number in an expression that is not written as it must be.
#[derive(Debug)]
pub(super) struct InvalidNumber;

impl FromStr for Value {
    type Err = InvalidNumber;

    /// Reads at most fifteen digits, with at most six more after a point.
    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let are_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(fraction) || 15 < whole.len() || 6 < fraction.len() {
            return Err(InvalidNumber);
        }
        let millionths = format!("{whole}{fraction:0<6}").parse::<i128>().map_err(|_| InvalidNumber)?;
        Ok(Self::Number(millionths))
    }
}

/// The operators of the language, from the loosest to the tightest: `||`, `&&`, `== !=`, `< <= > >=`, `+ -`, `* / %`,
/// then `!` and `-` in front of one operand.
#[derive(Debug, Clone)]
pub(super) struct Operators;

impl MakeOperators<Value> for Operators {
    fn make<'a>() -> Vec<Operator<'a, Value>> {
        // None is called commutative: that would let the crate change the order of evaluation.
        let binary = |prio, apply| BinOp { apply, prio, is_commutative: false };
        vec![
            Operator::make_bin("||", binary(1, |left, right| logic(left, right, |left, right| left || right))),
            Operator::make_bin("&&", binary(2, |left, right| logic(left, right, |left, right| left && right))),
            Operator::make_bin("==", binary(3, |left, right| same(left, right, true))),
            Operator::make_bin("!=", binary(3, |left, right| same(left, right, false))),
            Operator::make_bin("<", binary(4, |left, right| compare(left, right, |left, right| left < right))),
            Operator::make_bin("<=", binary(4, |left, right| compare(left, right, |left, right| left <= right))),
            Operator::make_bin(">", binary(4, |left, right| compare(left, right, |left, right| left > right))),
            Operator::make_bin(">=", binary(4, |left, right| compare(left, right, |left, right| left >= right))),
            Operator::make_bin("+", binary(5, |left, right| arithmetic(left, right, i128::checked_add))),
            Operator::make_bin_unary(
                "-",
                binary(5, |left, right| arithmetic(left, right, i128::checked_sub)),
                |value| arithmetic(Value::Number(0), value, i128::checked_sub),
            ),
            Operator::make_bin("*", binary(6, |left, right| arithmetic(left, right, times))),
            Operator::make_bin("/", binary(6, |left, right| arithmetic(left, right, divided))),
            Operator::make_bin("%", binary(6, |left, right| arithmetic(left, right, i128::checked_rem))),
            Operator::make_unary("!", |value| logic(Value::Truth(true), value, |_, right| !right)),
            Operator::make_constant("true", Value::Truth(true)),
            Operator::make_constant("false", Value::Truth(false)),
        ]
    }
}

fn times(left: i128, right: i128) -> Option<i128> {
    left.checked_mul(right).map(|product| product / MILLION)
}

fn divided(left: i128, right: i128) -> Option<i128> {
    left.checked_mul(MILLION)?.checked_div(right)
}

fn arithmetic(left: Value, right: Value, calculate: fn(i128, i128) -> Option<i128>) -> Value {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => calculate(left, right).map_or(Value::NoNumber, Value::Number),
        (Value::Number(_) | Value::NoNumber, Value::Number(_) | Value::NoNumber) => Value::NoNumber,
        _ => Value::Mistyped,
    }
}

fn compare(left: Value, right: Value, holds: fn(i128, i128) -> bool) -> Value {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Value::Truth(holds(left, right)),
        (Value::Number(_) | Value::NoNumber, Value::Number(_) | Value::NoNumber) => Value::NoTruth,
        _ => Value::Mistyped,
    }
}

fn logic(left: Value, right: Value, combine: fn(bool, bool) -> bool) -> Value {
    match (left, right) {
        (Value::Truth(left), Value::Truth(right)) => Value::Truth(combine(left, right)),
        (Value::Truth(_) | Value::NoTruth, Value::Truth(_) | Value::NoTruth) => Value::NoTruth,
        _ => Value::Mistyped,
    }
}

/// Numbers and truths alike are the same or not, but never across.
fn same(left: Value, right: Value, wanted: bool) -> Value {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Value::Truth((left == right) == wanted),
        (Value::Truth(left), Value::Truth(right)) => Value::Truth((left == right) == wanted),
        (Value::Number(_) | Value::NoNumber, Value::Number(_) | Value::NoNumber) => Value::NoTruth,
        (Value::Truth(_) | Value::NoTruth, Value::Truth(_) | Value::NoTruth) => Value::NoTruth,
        _ => Value::Mistyped,
    }
}
