//! From lines to rows: looks up every column of the mapping in a line and makes of it what can be sent, or says what is wrong
//! with it. Knows no file and no server.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::column::Column;
use crate::keys::Keys;
use crate::kind::Kind;
use crate::mapping::{AssetOf, Holdings, Mapping, ObjectOf, Reason};
use crate::place::{Found, Place, Record};
use crate::quantity::Quantity;
use crate::row::{Event, FailedRow, Row};

/// The longest row, in bytes of its texts. Far more than the server takes, and little enough that a body which has room for
/// one more row is never too large, even if all of it must be escaped.
const ROW_BYTES_MAX: usize = 256 * 1024;

/// Where everything is in the lines of one file.
#[derive(Debug)]
pub(crate) struct Plan {
    player: Place,
    holdings: Places,
    reason: Option<Place>,
    object: ObjectPlaces,
    id: Place,
    key: Place,
    only: Vec<(Place, String)>,
}

/// Where the holdings are.
#[derive(Debug)]
enum Places {
    None,
    One { asset: Option<Place>, quantity: Option<Place> },
    Wide(Vec<(String, Place)>),
    Map(Place),
    List { list: Place, asset: Place, quantity: Place },
}

/// Where the JSON object is.
#[derive(Debug)]
enum ObjectPlaces {
    None,
    One(Place),
    Several(Vec<(String, Place)>),
}

/// A line of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'r> {
    /// Where it begins.
    pub(crate) number: u64,
    /// What it says.
    pub(crate) record: Record<'r>,
}

/// Makes rows of lines.
#[derive(Debug)]
pub(crate) struct Mapper {
    kind: Kind,
    mapping: Mapping,
    keys: Keys,
}

/// What is found of one row, before it is known whether it is a good one.
struct Part<'p> {
    line: u64,
    player: &'p str,
    asset: Result<String, String>,
    quantity: Quantity,
    quantity_shown: String,
    reason: Option<String>,
    object: Result<Option<String>, String>,
    id: Option<String>,
    key: Option<String>,
    /// Names the row where it has no name of its own.
    position: String,
}

impl Plan {
    /// Finds all columns by `locate`.
    ///
    /// # Errors
    /// The first column that must be there and is not.
    pub(crate) fn of(mapping: &Mapping, locate: impl Fn(&Column) -> Place) -> Result<Self, Column> {
        let located = |column: &Column| match locate(column) {
            Place::Nowhere if column.required => Err(column.clone()),
            place @ (Place::Nowhere | Place::Cell { .. } | Place::Paths(_)) => Ok(place),
        };
        let perhaps = |column: &Option<Column>| column.as_ref().map_or(Ok(Place::Nowhere), located);
        let player = located(&mapping.player)?;
        let in_list = matches!(mapping.holdings, Holdings::List { .. });
        // An element of a list has its own id and its own object.
        let of_row = |column: &Column| if in_list { Ok(Place::in_json(column)) } else { located(column) };
        let holdings = match &mapping.holdings {
            Holdings::None => Places::None,
            Holdings::One { asset, quantity } => Places::One {
                asset: match asset {
                    AssetOf::Column(column) => Some(located(column)?),
                    AssetOf::Constant(_) => None,
                },
                quantity: quantity.as_ref().map(located).transpose()?,
            },
            Holdings::Wide(names) => {
                let places = names.iter().map(|name| Ok((name.clone(), located(&Column::given(name))?)));
                Places::Wide(places.collect::<Result<_, Column>>()?)
            }
            Holdings::Map(column) => Places::Map(located(column)?),
            Holdings::List { list, asset, quantity } => {
                let [asset, quantity] = [asset, quantity].map(Place::in_json);
                Places::List { list: located(list)?, asset, quantity }
            }
        };
        let object = match &mapping.object {
            ObjectOf::None => ObjectPlaces::None,
            ObjectOf::Column(column) => ObjectPlaces::One(of_row(column)?),
            ObjectOf::Columns(members) => {
                let places = members.iter().map(|(name, column)| Ok((name.clone(), of_row(column)?)));
                ObjectPlaces::Several(places.collect::<Result<_, Column>>()?)
            }
        };
        let only = mapping.only.iter().map(|(column, value)| Ok((located(column)?, value.clone())));
        Ok(Self {
            player,
            holdings,
            reason: match &mapping.reason {
                Reason::Column(column) => Some(located(column)?),
                Reason::Constant(_) => None,
            },
            object,
            id: mapping.id.as_ref().map_or(Ok(Place::Nowhere), of_row)?,
            key: perhaps(&mapping.key)?,
            only: only.collect::<Result<_, Column>>()?,
        })
    }

    /// Whether `record` names a player at all: whoever mistyped the path hears of it before a million lines have failed.
    pub(crate) fn finds_player(&self, record: Record<'_>) -> bool {
        !matches!(self.player.find(record), Found::Nothing)
    }
}

impl Mapper {
    /// One for all files of an import.
    pub(crate) fn new(kind: Kind, mapping: Mapping, keys: Keys) -> Self {
        Self { kind, mapping, keys }
    }

    /// What a person mapped.
    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Appends what `line` comes to, which is at least one event.
    pub(crate) fn map(&mut self, plan: &Plan, line: Line<'_>, events: &mut Vec<Event>) {
        let before = events.len();
        self.map_parts(plan, line, events);
        if events.len() == before {
            events.push(Event::Nothing);
        }
    }

    /// What a line comes to that could not be taken apart.
    pub(crate) fn unreadable(&mut self, number: u64, source: String, error: String) -> Event {
        let key = self.keys.next(&["line", &source]);
        Event::Failed(Box::new(FailedRow { line: number, key, error, source, ..FailedRow::default() }))
    }

    fn map_parts(&mut self, plan: &Plan, line: Line<'_>, events: &mut Vec<Event>) {
        let Line { number, record } = line;
        if !plan.only.iter().all(|(place, value)| place.find(record).shown() == *value) {
            return events.push(Event::LeftOut);
        }
        let player = match plan.player.find(record).text() {
            Ok(Some(player)) => player,
            found => {
                let why = found.err().unwrap_or("is empty");
                let error = format!("the player in {} {why}", self.mapping.player.shown());
                return events.push(self.unreadable(number, shown(record), error));
            }
        };
        if self.mapping.no_players.contains(&player) {
            return events.push(Event::LeftOut);
        }
        let reason = match (&self.mapping.reason, &plan.reason) {
            (Reason::Constant(text), _) => Some(text.clone()),
            (Reason::Column(_), Some(place)) => Some(place.find(record).shown()).filter(|text| !text.is_empty()),
            (Reason::Column(_), None) => None,
        };
        let text_of = |place: &Place, record| Some(place.find(record).shown()).filter(|text| !text.is_empty());
        let part = |asset: Result<String, String>, found: &Found<'_>, position: String| Part {
            line: number,
            player: &player,
            asset,
            quantity: Quantity::of(found),
            quantity_shown: found.shown(),
            reason: reason.clone(),
            object: Ok(None),
            id: None,
            key: None,
            position,
        };
        match &plan.holdings {
            Places::None => {
                let mut part = part(Ok(String::new()), &Found::Nothing, String::new());
                part.quantity = Quantity::Some(0);
                part.object = object(&plan.object, record);
                (part.id, part.key) = (text_of(&plan.id, record), text_of(&plan.key, record));
                events.push(self.settle(part));
            }
            Places::One { asset, quantity } => {
                let asset = match (asset, &self.mapping.holdings) {
                    (Some(place), _) => named(&place.find(record)),
                    (None, Holdings::One { asset: AssetOf::Constant(key), .. }) => Ok(key.clone()),
                    (None, _) => Err(String::new()),
                };
                let found = quantity.as_ref().map(|place| place.find(record));
                let mut part = part(asset, found.as_ref().unwrap_or(&Found::Nothing), String::new());
                part.quantity = self.if_absent(part.quantity, found.is_none());
                part.object = object(&plan.object, record);
                (part.id, part.key) = (text_of(&plan.id, record), text_of(&plan.key, record));
                events.push(self.settle(part));
            }
            Places::Wide(columns) => {
                let id = text_of(&plan.id, record);
                for (name, place) in columns {
                    let mut part = part(Ok(name.clone()), &place.find(record), name.clone());
                    part.id.clone_from(&id);
                    events.push(self.settle_if_any(part));
                }
            }
            Places::Map(place) => {
                let id = text_of(&plan.id, record);
                match entries(place.find(record)) {
                    Ok(entries) => {
                        for (name, value) in &*entries {
                            let found = Found::Json(Cow::Borrowed(value));
                            let text = value.as_str().map(|text| Found::Text(Cow::Borrowed(text)));
                            let mut part = part(Ok(name.clone()), text.as_ref().unwrap_or(&found), name.clone());
                            part.id.clone_from(&id);
                            events.push(self.settle_if_any(part));
                        }
                    }
                    Err(why) => {
                        events.push(self.unreadable(number, shown(record), format!("what {player} holds {why}")))
                    }
                }
            }
            Places::List { list, asset, quantity } => match elements(list.find(record)) {
                Ok(elements) => {
                    for (index, element) in elements.iter().enumerate() {
                        let element = Record::Json(element);
                        let mut part = part(named(&asset.find(element)), &quantity.find(element), index.to_string());
                        part.quantity = self.if_absent(part.quantity, false);
                        part.object = object(&plan.object, element);
                        part.id = text_of(&plan.id, element);
                        events.push(self.settle(part));
                    }
                }
                Err(why) => events.push(self.unreadable(number, shown(record), format!("what {player} holds {why}"))),
            },
        }
    }

    /// How many it is when the line does not say, or (`always`) cannot.
    fn if_absent(&self, quantity: Quantity, always: bool) -> Quantity {
        match (&quantity, self.mapping.quantity_if_absent) {
            (Quantity::Absent, _) if always => Quantity::Some(1),
            (Quantity::Absent, Some(count)) => Quantity::Some(count),
            (Quantity::Absent | Quantity::Zero | Quantity::Some(_) | Quantity::Bad { .. }, _) => quantity,
        }
    }

    /// One of several things: having none of it is no mistake.
    fn settle_if_any(&mut self, part: Part<'_>) -> Event {
        match part.quantity {
            Quantity::Absent => Event::Nothing,
            Quantity::Zero | Quantity::Some(_) | Quantity::Bad { .. } => self.settle(part),
        }
    }

    /// A row, or what is wrong with it. It has its key in any case, and the rows after it have theirs.
    fn settle(&mut self, part: Part<'_>) -> Event {
        if part.quantity == Quantity::Zero {
            return Event::Nothing;
        }
        let Part { line, player, asset, quantity, quantity_shown, reason, object, id, key, position } = part;
        let asset = asset.map(|name| self.mapping.rename(name));
        let kind = self.kind.as_str();
        let (key, mut wrong) = match (key, &id, &asset) {
            (Some(key), _, _) => {
                let taken = self.keys.take(&key).map_err(|why| format!("the idempotency key {why}"));
                (key, taken.err())
            }
            (None, Some(id), _) => (self.keys.next(&[kind, "id", id, asset.as_deref().unwrap_or(&position)]), None),
            (None, None, Ok(asset)) => (self.keys.next(&[kind, player, asset]), None),
            (None, None, Err(_)) => (self.keys.next(&[kind, player, "at", &position]), None),
        };
        let what = self.kind.holding_members();
        if let (Err(why), Some((name, _))) = (&asset, what) {
            wrong = wrong.or_else(|| Some(format!("{name} {why}")));
        }
        let quantity_name = what.map_or("", |(_, name)| name);
        let (count, sum) = match quantity {
            Quantity::Some(count) => (count, count),
            Quantity::Zero => (0, 0),
            Quantity::Absent => {
                wrong = wrong.or_else(|| Some(format!("{quantity_name} is empty")));
                (0, 0)
            }
            Quantity::Bad { why, sum } => {
                wrong = wrong.or_else(|| Some(format!("{quantity_name} {why}: {quantity_shown}")));
                (0, sum)
            }
        };
        if let Err(why) = &object {
            wrong = wrong.or_else(|| Some(format!("{} {why}", self.kind.object_member().unwrap_or_default())));
        }
        let texts = [asset.as_deref().ok(), reason.as_deref(), object.as_ref().ok().and_then(Option::as_deref)];
        if ROW_BYTES_MAX < player.len() + texts.into_iter().flatten().map(str::len).sum::<usize>() {
            wrong = wrong.or_else(|| Some("the row is larger than 256 KiB".to_owned()));
        }
        match (wrong, asset, object) {
            (None, Ok(asset), Ok(object)) => {
                Event::Row(Row { line, player: player.to_owned(), asset, quantity: count, reason, object, key })
            }
            (wrong, asset, object) => Event::Failed(Box::new(FailedRow {
                line,
                player: player.to_owned(),
                asset: asset.unwrap_or_default(),
                quantity: if quantity_shown.is_empty() && count != 0 { count.to_string() } else { quantity_shown },
                sum,
                reason: reason.unwrap_or_default(),
                object: object.ok().flatten().unwrap_or_default(),
                key,
                error: wrong.unwrap_or_default(),
                source: String::new(),
            })),
        }
    }
}

fn named(found: &Found<'_>) -> Result<String, String> {
    match found.text() {
        Ok(Some(name)) => Ok(name),
        Ok(None) => Err("is empty".to_owned()),
        Err(why) => Err(why.to_owned()),
    }
}

fn object(places: &ObjectPlaces, record: Record<'_>) -> Result<Option<String>, String> {
    match places {
        ObjectPlaces::None => Ok(None),
        ObjectPlaces::One(place) => match place.find(record).json()? {
            None => Ok(None),
            Some(value) if value.is_object() => Ok(Some(value.to_string())),
            Some(_) => Err("is not a JSON object".to_owned()),
        },
        ObjectPlaces::Several(members) => {
            let mut object = Map::new();
            for (name, place) in members {
                match place.find(record) {
                    Found::Nothing => {}
                    Found::Unreadable(why) => return Err(format!("{name} {why}")),
                    Found::Json(value) => drop(object.insert(name.clone(), value.into_owned())),
                    Found::Text(text) => drop(object.insert(name.clone(), structured(text))),
                }
            }
            Ok((!object.is_empty()).then(|| Value::Object(object).to_string()))
        }
    }
}

/// A text, unless it is a JSON object or array.
fn structured(text: Cow<'_, str>) -> Value {
    if text.starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str(&text)
    {
        return value;
    }
    Value::String(text.into_owned())
}

fn entries(found: Found<'_>) -> Result<Cow<'_, Map<String, Value>>, String> {
    match found.json()? {
        None => Ok(Cow::Owned(Map::new())),
        Some(Cow::Borrowed(Value::Object(entries))) => Ok(Cow::Borrowed(entries)),
        Some(Cow::Owned(Value::Object(entries))) => Ok(Cow::Owned(entries)),
        Some(_) => Err("is not a JSON object".to_owned()),
    }
}

fn elements(found: Found<'_>) -> Result<Cow<'_, [Value]>, String> {
    match found.json()? {
        None => Ok(Cow::Borrowed(&[])),
        Some(Cow::Borrowed(Value::Array(elements))) => Ok(Cow::Borrowed(elements)),
        Some(Cow::Owned(Value::Array(elements))) => Ok(Cow::Owned(elements)),
        Some(_) => Err("is not a JSON list".to_owned()),
    }
}

/// A line as a person would recognise it.
pub(crate) fn shown(record: Record<'_>) -> String {
    match record {
        Record::Json(value) => value.to_string(),
        Record::Cells(cells) => {
            let cells: Vec<_> = cells.iter().map(String::from_utf8_lossy).collect();
            cells.join(",")
        }
    }
}
