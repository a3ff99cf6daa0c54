//! What bots are called and look like: pools in an order of the lobby's own, so that no two bots of a lobby share a
//! name.

use serde_json::Value;

use super::draw::{Draws, Purpose};
use super::reader::{Members, Wrong, text_of};

const ADJECTIVES: [&str; 40] = [
    "Amber", "Bold", "Brave", "Bright", "Calm", "Clever", "Cosmic", "Crimson", "Curious", "Daring", "Eager", "Fancy",
    "Fierce", "Gentle", "Golden", "Happy", "Hidden", "Humble", "Icy", "Jolly", "Keen", "Lively", "Lucky", "Mellow",
    "Mighty", "Misty", "Nimble", "Noble", "Proud", "Quick", "Quiet", "Rapid", "Royal", "Rusty", "Silent", "Silver",
    "Sleepy", "Sunny", "Swift", "Wild",
];

const ANIMALS: [&str; 40] = [
    "Badger", "Bear", "Beaver", "Bison", "Cobra", "Crane", "Crow", "Deer", "Dolphin", "Eagle", "Falcon", "Ferret",
    "Finch", "Fox", "Gecko", "Hare", "Hawk", "Heron", "Ibex", "Jaguar", "Koala", "Lemur", "Lion", "Lynx", "Marten",
    "Moose", "Newt", "Otter", "Owl", "Panda", "Puma", "Raven", "Robin", "Seal", "Shark", "Stork", "Tiger", "Turtle",
    "Walrus", "Wolf",
];

const POOL_MAX: usize = 200;
const NAME_CHARS_MAX: usize = 50;
const AVATAR_CHARS_MAX: usize = 500;

/// The names and avatars of a plan. An empty pool of names stands for the built-in one.
#[derive(Debug, Default)]
pub(super) struct Pools {
    names: Vec<String>,
    avatars: Vec<String>,
}

impl Pools {
    pub(super) fn parse(members: &mut Members<'_>, wrong: &mut Wrong) -> Self {
        let names = pool(members, "names", wrong, |text| {
            let length = text.chars().count();
            let fits = (1..=NAME_CHARS_MAX).contains(&length) && text.trim() == text;
            if fits && !text.chars().any(char::is_control) {
                return Ok(());
            }
            Err(format!("must be 1 to {NAME_CHARS_MAX} characters, without control characters or spaces around them"))
        });
        let avatars = pool(members, "avatars", wrong, |text| {
            let rest = text.strip_prefix("https://").unwrap_or_default();
            let plain = !rest.chars().any(|c| c.is_control() || c.is_whitespace());
            if !rest.is_empty() && plain && text.chars().count() <= AVATAR_CHARS_MAX {
                return Ok(());
            }
            Err(format!("must be an https:// address of at most {AVATAR_CHARS_MAX} characters"))
        });
        for (index, name) in names.iter().enumerate() {
            let path = format!("names[{index}]");
            if names.iter().take(index).any(|earlier| earlier == name) {
                wrong.push(&path, "must not be there twice");
            }
            if without_number(name).is_some_and(|base| names.iter().any(|other| other == base)) {
                wrong.push(&path, "must not be another name with a number: later bots are called that");
            }
        }
        Self { names, avatars }
    }

    /// The name in a slot. When there are more slots than names, the later ones get a number.
    pub(super) fn name(&self, lobby: &Draws, slot: u32) -> String {
        let count = if self.names.is_empty() { ADJECTIVES.len() * ANIMALS.len() } else { self.names.len() };
        let (index, round) = place(lobby, slot, count, Purpose::Name);
        let own = self.names.get(index).cloned();
        let name = own.unwrap_or_else(|| {
            let adjective = ADJECTIVES.get(index / ANIMALS.len()).copied().unwrap_or_default();
            let animal = ANIMALS.get(index % ANIMALS.len()).copied().unwrap_or_default();
            format!("{adjective} {animal}")
        });
        if round == 0 { name } else { format!("{name} {}", round + 1) }
    }

    /// The avatar in a slot; they come again when there are more slots than avatars.
    pub(super) fn avatar(&self, lobby: &Draws, slot: u32) -> Option<String> {
        if self.avatars.is_empty() {
            return None;
        }
        let (index, _) = place(lobby, slot, self.avatars.len(), Purpose::Avatar);
        self.avatars.get(index).cloned()
    }
}

/// Which of `count` things a slot gets, and how often all of them were given away before.
fn place(lobby: &Draws, slot: u32, count: usize, purpose: Purpose) -> (usize, u64) {
    let count = u64::try_from(count).expect("pools are small");
    let index = lobby.permuted(u64::from(slot) % count, count, purpose);
    (usize::try_from(index).expect("pools are small"), u64::from(slot) / count)
}

/// The name that this one is when it is given the second time or later: `Otter` of `Otter 2`.
fn without_number(name: &str) -> Option<&str> {
    let (base, number) = name.rsplit_once(' ')?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(base)
}

fn pool(
    members: &mut Members<'_>,
    name: &'static str,
    wrong: &mut Wrong,
    check: impl Fn(&str) -> Result<(), String>,
) -> Vec<String> {
    let Some(value) = members.optional(name) else { return Vec::new() };
    let path = members.path_of(name);
    let Value::Array(items) = value else {
        wrong.push(&path, "must be a list");
        return Vec::new();
    };
    if !(1..=POOL_MAX).contains(&items.len()) {
        wrong.push(&path, &format!("must hold 1 to {POOL_MAX} texts"));
    }
    let mut texts = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(text) = text_of(item, &path, wrong) else { continue };
        if let Err(message) = check(text) {
            wrong.push(&path, &message);
        }
        texts.push(text.to_owned());
    }
    texts
}
