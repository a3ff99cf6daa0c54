//! Readers of what events and leaderboards have in common.

use std::convert::Infallible;

use domain::lobbies::{Aggregation, BotPlan, InvalidPart, Revised, SortOrder, check_name};
use domain::text::JsonObject;
use serde_json::value::RawValue;

use crate::body::Members;
use crate::field_errors::FieldErrors;
use crate::fields::{self, InvalidObject};

/// Which score of several counts; the best one unless told otherwise.
pub(super) fn aggregation(members: &Members<'_>, errors: &mut FieldErrors) -> Aggregation {
    let aggregations = fields::one_of("\"best\", \"latest\" or \"sum\"", Aggregation::parse);
    members.optional("aggregation", aggregations, errors).unwrap_or(Aggregation::Best)
}

/// Whether more is better; it is unless told otherwise.
pub(super) fn order(members: &Members<'_>, errors: &mut FieldErrors) -> SortOrder {
    let orders = fields::one_of("\"descending\" or \"ascending\"", SortOrder::parse);
    members.optional("order", orders, errors).unwrap_or(SortOrder::Descending)
}

/// How bots behave; `None` for the plan that is built in, and after noting all that is wrong with it.
pub(super) fn bots(members: &Members<'_>, errors: &mut FieldErrors) -> Option<JsonObject> {
    let sent = members.optional("bots", Ok::<_, Infallible>, errors)?;
    plan(&members.path_of("bots"), sent, errors)
}

/// What a change says of how bots behave.
pub(super) fn revised_bots(members: &Members<'_>, errors: &mut FieldErrors) -> Revised<JsonObject> {
    match members.revised("bots", Ok::<_, Infallible>, errors) {
        Revised::Kept => Revised::Kept,
        Revised::Removed => Revised::Removed,
        Revised::Set(sent) => plan(&members.path_of("bots"), sent, errors).map_or(Revised::Kept, Revised::Set),
    }
}

fn plan(path: &str, sent: &RawValue, errors: &mut FieldErrors) -> Option<JsonObject> {
    let value = errors.check(path, serde_json::from_str(sent.get()).map_err(|_| InvalidObject::Unreadable))?;
    let plan = BotPlan::try_new(&value).map_err(|parts| {
        for InvalidPart { path: part, message } in parts {
            errors.add(if part.is_empty() { path.to_owned() } else { format!("{path}.{part}") }, message);
        }
    });
    plan.map(|plan| JsonObject::restore(plan.as_json().to_owned())).ok()
}

/// Notes each of `names` that a change sends: what it names never changes.
pub(super) fn refuse_fixed(members: &Members<'_>, names: &[&str], errors: &mut FieldErrors) {
    for name in names.iter().filter(|name| members.has(name)) {
        errors.add(members.path_of(name), "cannot be changed");
    }
}

/// Notes what the rules found wrong; what they accepted.
pub(super) fn accepted<T>(checked: Result<T, Vec<InvalidPart>>, errors: &mut FieldErrors) -> Option<T> {
    checked.map_err(|parts| parts.into_iter().for_each(|part| errors.add(part.path, part.message))).ok()
}

/// Notes what the rules find wrong with the name of an event or a leaderboard, if one was sent.
pub(super) fn check_sent_name(name: Option<&str>, errors: &mut FieldErrors) {
    name.and_then(|name| accepted(check_name(name), errors));
}
