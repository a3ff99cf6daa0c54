//! The conditions of state machines: arithmetic, comparisons and logic on ten variables, and nothing else.
//!
//! The grammar is checked here, token by token, before the text is given to `exmex`, which decides what binds to what
//! and evaluates: so every refusal says what is wrong in words of the language, and nothing odd ever reaches the crate.

use exmex::{Express, FlatEx, NumberMatcher};

use super::value::{Operators, Value};

/// A variable of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    Elapsed,
    InState,
    Remaining,
    Progress,
    Score,
    Leader,
    Median,
    Players,
    Rank,
    Random,
}

const VARIABLES: [(&str, Variable); 10] = [
    ("elapsed", Variable::Elapsed),
    ("in_state", Variable::InState),
    ("remaining", Variable::Remaining),
    ("progress", Variable::Progress),
    ("score", Variable::Score),
    ("leader", Variable::Leader),
    ("median", Variable::Median),
    ("players", Variable::Players),
    ("rank", Variable::Rank),
    ("random", Variable::Random),
];

impl Variable {
    fn named(name: &str) -> Option<Self> {
        VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, variable)| *variable)
    }

    /// Whether it tells something about the players.
    fn is_of_players(self) -> bool {
        matches!(self, Self::Leader | Self::Median | Self::Players | Self::Rank)
    }
}

/// The values of the variables at one moment, in millionths.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    pub(super) elapsed: i128,
    pub(super) in_state: i128,
    pub(super) remaining: i128,
    pub(super) progress: i128,
    pub(super) score: i128,
    pub(super) leader: i128,
    pub(super) median: i128,
    pub(super) players: i128,
    pub(super) rank: i128,
    pub(super) random: i128,
}

impl Facts {
    fn get(&self, variable: Variable) -> i128 {
        match variable {
            Variable::Elapsed => self.elapsed,
            Variable::InState => self.in_state,
            Variable::Remaining => self.remaining,
            Variable::Progress => self.progress,
            Variable::Score => self.score,
            Variable::Leader => self.leader,
            Variable::Median => self.median,
            Variable::Players => self.players,
            Variable::Rank => self.rank,
            Variable::Random => self.random,
        }
    }
}

/// A condition, ready to be evaluated.
#[derive(Debug)]
pub(super) struct Condition {
    expression: FlatEx<Value, Operators, NumberMatcher>,
    /// The variables that occur, in the order in which the expression takes their values.
    variables: Vec<Variable>,
}

impl Condition {
    pub(super) const CHARS_MAX: usize = 200;
    const DEPTH_MAX: usize = 16;

    /// Compiles a text, or says what is wrong with it.
    pub(super) fn try_new(text: &str) -> Result<Self, String> {
        if Self::CHARS_MAX < text.chars().count() {
            return Err(format!("must be at most {} characters", Self::CHARS_MAX));
        }
        check_grammar(text)?;
        let cannot_read = |error: exmex::ExError| format!("cannot be read: {error}");
        let expression = FlatEx::<Value, Operators, NumberMatcher>::parse_wo_compile(text).map_err(cannot_read)?;
        let variables = expression.var_names().iter().filter_map(|name| Variable::named(name)).collect();
        let this = Self { expression, variables };
        match this.evaluate(&Facts::default()) {
            Value::Truth(_) | Value::NoTruth => Ok(this),
            Value::Number(_) | Value::NoNumber => Err("must be true or false, and is a number".to_owned()),
            Value::Mistyped => {
                Err("takes numbers for truths or the other way round: compare numbers, combine truths".to_owned())
            }
        }
    }

    /// Whether it is true. One that cannot be given, because something is divided by zero or too large, is not.
    pub(super) fn holds(&self, facts: &Facts) -> bool {
        self.evaluate(facts) == Value::Truth(true)
    }

    /// Whether it depends on the players.
    pub(super) fn is_of_players(&self) -> bool {
        self.variables.iter().any(|variable| variable.is_of_players())
    }

    fn evaluate(&self, facts: &Facts) -> Value {
        let mut values = [Value::default(); VARIABLES.len()];
        for (value, variable) in values.iter_mut().zip(&self.variables) {
            *value = Value::Number(facts.get(*variable));
        }
        self.expression.eval_relaxed(&values).unwrap_or_default()
    }
}

const BINARY: [&str; 13] = ["||", "&&", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%"];

/// Refuses what is not an operand, or operands with binary operators between them. An operand is a number, a variable,
/// `true`, `false`, an expression in parentheses, or `!` or `-` in front of an operand.
fn check_grammar(text: &str) -> Result<(), String> {
    let mut rest = text.trim_start_matches(' ');
    let mut depth = 0_usize;
    let mut wants_operand = true;
    while let Some(first) = rest.chars().next() {
        let length = if wants_operand {
            if first == '(' {
                depth += 1;
                if Condition::DEPTH_MAX < depth {
                    return Err(format!("must have at most {} parentheses in one another", Condition::DEPTH_MAX));
                }
                1
            } else if first == '!' || first == '-' {
                1
            } else {
                wants_operand = false;
                operand_length(rest)?
            }
        } else if first == ')' {
            depth = depth.checked_sub(1).ok_or("closes a parenthesis that was not opened")?;
            1
        } else {
            wants_operand = true;
            let operator = BINARY.iter().find(|operator| rest.starts_with(**operator));
            operator.ok_or_else(|| format!("must have one of {} before `{rest}`", BINARY.join(" ")))?.len()
        };
        rest = rest.get(length..).unwrap_or_default().trim_start_matches(' ');
    }
    if wants_operand {
        return Err("ends where a number, a variable or a parenthesis is missing".to_owned());
    }
    if depth != 0 { Err("leaves a parenthesis open".to_owned()) } else { Ok(()) }
}

/// The length of the number or the name at the start of a text.
fn operand_length(rest: &str) -> Result<usize, String> {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
    let word = rest.get(..length).unwrap_or_default();
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        let number = word.parse::<Value>();
        number.map_err(|_| format!("`{word}` must be a number of at most 15 digits, with at most 6 decimals"))?;
        return Ok(length);
    }
    if word.is_empty() {
        return Err(format!("must have a number, a variable or a parenthesis before `{rest}`"));
    }
    if Variable::named(word).is_none() && !["true", "false"].contains(&word) {
        let known: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
        return Err(format!("does not know `{word}`; known are {}", known.join(", ")));
    }
    Ok(length)
}
