//! Which part of a line is what: a preset or our own names to begin with, overridden by what a person chose.
//!
//! Values only; where the columns are in a file is found out by `mapper`.

use crate::column::{Column, last_step};
use crate::kind::Kind;
use crate::preset::Preset;
use crate::trouble::Trouble;

/// Which part of a line is what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    pub(crate) player: Column,
    pub(crate) holdings: Holdings,
    /// How many it is where a line does not say.
    pub(crate) quantity_if_absent: Option<u64>,
    pub(crate) reason: Reason,
    pub(crate) object: ObjectOf,
    /// What the source calls the row: part of its key.
    pub(crate) id: Option<Column>,
    /// The whole key, as a file of failed rows has it.
    pub(crate) key: Option<Column>,
    /// Lines without all of these values are left out.
    pub(crate) only: Vec<(Column, String)>,
    /// Players who are none.
    pub(crate) no_players: Vec<String>,
    /// Other names for currencies or items.
    pub(crate) renamed: Vec<(String, String)>,
}

/// What a line says of what players hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holdings {
    /// Nothing: it is a player.
    None,
    /// How many there are of one thing.
    One {
        /// Of what.
        asset: AssetOf,
        /// How many; not there means [`Mapping::quantity_if_absent`].
        quantity: Option<Column>,
    },
    /// How many there are of each of several things, in a column for each.
    Wide(Vec<String>),
    /// The same in one column, a JSON object of names and numbers.
    Map(Column),
    /// One column with a JSON list of objects.
    List {
        /// Where the list is.
        list: Column,
        /// What an element is of.
        asset: Column,
        /// How many.
        quantity: Column,
    },
}

/// Of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AssetOf {
    /// A column says.
    Column(Column),
    /// Always of this.
    Constant(String),
}

/// Why, for the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A column says, if it is there.
    Column(Column),
    /// Always this.
    Constant(String),
}

/// The JSON object of a row: parameters of items, context of a player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ObjectOf {
    /// There is none.
    None,
    /// A column holds it.
    Column(Column),
    /// It is put together from columns, under these names.
    Columns(Vec<(String, Column)>),
}

/// What a person chose on the command line. What is not chosen is as the preset says, or as the server calls it.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "each is the option of the same name, which the command line explains")]
pub struct Choices {
    pub player: Option<String>,
    pub asset: Option<String>,
    pub asset_key: Option<String>,
    pub quantity: Option<String>,
    pub wide: Vec<String>,
    pub map: Option<String>,
    pub list: Option<String>,
    pub reason: Option<String>,
    pub reason_text: Option<String>,
    pub object: Option<String>,
    pub object_columns: Vec<String>,
    pub id: Option<String>,
    pub only: Vec<(String, String)>,
    pub renamed: Vec<(String, String)>,
}

impl Mapping {
    /// What `choices` come to on top of `preset`.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn of(kind: Kind, preset: Option<Preset>, choices: &Choices) -> Result<Self, Trouble> {
        let mut mapping = preset.map_or_else(|| Self::of_our_names(kind), |preset| preset.mapping(kind));
        let given = |name: &Option<String>| name.as_deref().map(Column::given);
        mapping.player = given(&choices.player).unwrap_or(mapping.player);
        if let Some(holdings) = holdings(kind, &mapping.holdings, choices)? {
            mapping.holdings = holdings;
        }
        mapping.reason = match (given(&choices.reason), &choices.reason_text) {
            (Some(column), _) => Reason::Column(column),
            (None, Some(text)) => Reason::Constant(text.clone()),
            (None, None) => mapping.reason,
        };
        if let Some(column) = given(&choices.object) {
            mapping.object = ObjectOf::Column(column);
        } else if !choices.object_columns.is_empty() {
            let named = choices.object_columns.iter().map(|name| (last_step(name), Column::given(name)));
            mapping.object = ObjectOf::Columns(named.collect());
        }
        if let Some(column) = given(&choices.id) {
            mapping.id = Some(column);
            mapping.key = None;
        }
        mapping.only.extend(choices.only.iter().map(|(name, value)| (Column::given(name), value.clone())));
        mapping.renamed.clone_from(&choices.renamed);
        Ok(mapping)
    }

    /// Columns that are called what the server calls them, as in a file of failed rows.
    fn of_our_names(kind: Kind) -> Self {
        let holdings = kind.holding_members().map_or(Holdings::None, |(asset, quantity)| Holdings::One {
            asset: AssetOf::Column(Column::given(asset)),
            quantity: Some(Column::given(quantity)),
        });
        let object = kind.object_member().map_or(ObjectOf::None, |name| ObjectOf::Column(Column::perhaps(&[name])));
        Self {
            player: Column::given("externalPlayerId"),
            holdings,
            quantity_if_absent: None,
            reason: Reason::Column(Column::perhaps(&["reason"])),
            object,
            id: None,
            key: Some(Column::perhaps(&["idempotencyKey"])),
            only: Vec::new(),
            no_players: Vec::new(),
            renamed: Vec::new(),
        }
    }

    /// What a currency or item is called here.
    pub(crate) fn rename(&self, asset: String) -> String {
        match self.renamed.iter().find(|(old, _)| *old == asset) {
            Some((_, new)) => new.clone(),
            None => asset,
        }
    }
}

/// The shape that `choices` name, if they name one, with what they leave open taken from `before`.
fn holdings(kind: Kind, before: &Holdings, choices: &Choices) -> Result<Option<Holdings>, Trouble> {
    let Choices { asset, asset_key, quantity, wide, map, list, .. } = choices;
    let usage = |text: &str| Err(Trouble::Usage(text.to_owned()));
    let one_by_one = asset.is_some() || asset_key.is_some() || quantity.is_some();
    if let Some(list) = list {
        let (asset, quantity) = (asset.as_deref(), quantity.as_deref());
        let (asset_before, quantity_before) = match before {
            Holdings::List { asset, quantity, .. } => (Some(asset), Some(quantity)),
            Holdings::None | Holdings::One { .. } | Holdings::Wide(_) | Holdings::Map(_) => (None, None),
        };
        let Some(asset) = asset.map(Column::given).or(asset_before.cloned()) else {
            return usage("say with --item what names an item in an element of --item-list");
        };
        let quantity =
            quantity.map(Column::given).or(quantity_before.cloned()).unwrap_or(Column::perhaps(&["quantity"]));
        return Ok(Some(Holdings::List { list: Column::given(list), asset, quantity }));
    }
    if let (Holdings::List { list, asset: asset_before, quantity: before }, true, None) =
        (before, one_by_one, asset_key)
    {
        let asset = asset.as_deref().map_or_else(|| asset_before.clone(), Column::given);
        let quantity = quantity.as_deref().map_or_else(|| before.clone(), Column::given);
        return Ok(Some(Holdings::List { list: list.clone(), asset, quantity }));
    }
    if !wide.is_empty() {
        return Ok(Some(Holdings::Wide(wide.clone())));
    }
    if let Some(map) = map {
        return Ok(Some(Holdings::Map(Column::given(map))));
    }
    if !one_by_one {
        return Ok(None);
    }
    let (asset_before, quantity_before) = match before {
        Holdings::One { asset, quantity } => (Some(asset.clone()), quantity.clone()),
        Holdings::None | Holdings::Wide(_) | Holdings::Map(_) | Holdings::List { .. } => (None, None),
    };
    let asset = match (asset_key, asset) {
        (Some(key), _) => AssetOf::Constant(key.clone()),
        (None, Some(name)) => AssetOf::Column(Column::given(name)),
        (None, None) => match asset_before {
            Some(asset) => asset,
            None => return usage("say which currency: --currency COLUMN or --currency-key KEY"),
        },
    };
    let quantity = match quantity {
        Some(name) => Some(Column::given(name)),
        None if kind == Kind::Wallet => match quantity_before {
            Some(quantity) => Some(quantity),
            None => return usage("say with --amount which column says how much"),
        },
        // A list of items often has a line for each.
        None => None,
    };
    Ok(Some(Holdings::One { asset, quantity }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn nothing_need_be_said_of_our_own_columns() {
        let mapping = Mapping::of(Kind::Inventory, None, &Choices::default()).unwrap();
        let quantity = Some(Column::given("quantity"));
        let expected = Holdings::One { asset: AssetOf::Column(Column::given("itemKey")), quantity };
        assert_eq!(mapping.holdings, expected);
        assert_eq!(mapping.object, ObjectOf::Column(Column::perhaps(&["parameters"])));
    }

    #[test]
    fn what_is_chosen_replaces_what_the_preset_says() {
        let choices = Choices { player: some("me"), map: some("purse"), ..Choices::default() };
        let mapping = Mapping::of(Kind::Wallet, Some(Preset::Nakama), &choices).unwrap();
        assert_eq!(mapping.player, Column::given("me"));
        assert_eq!(mapping.holdings, Holdings::Map(Column::given("purse")));
        let choices = Choices { quantity: some("Charges"), ..Choices::default() };
        let mapping = Mapping::of(Kind::Inventory, Some(Preset::Playfab), &choices).unwrap();
        let Holdings::List { asset, quantity, .. } = mapping.holdings else { panic!("still a list") };
        assert_eq!((asset.names, quantity), (vec!["ItemId".to_owned()], Column::given("Charges")));
    }

    #[test]
    fn half_a_choice_is_refused() {
        let choices = Choices { asset_key: some("gold"), ..Choices::default() };
        let mapping = Mapping::of(Kind::Wallet, Some(Preset::Nakama), &choices);
        assert!(mapping.is_err_and(|trouble| trouble.is_usage() && trouble.to_string().contains("--amount")));
        let choices = Choices { list: some("bag"), ..Choices::default() };
        assert!(Mapping::of(Kind::Inventory, None, &choices).is_err_and(|trouble| trouble.is_usage()));
    }

    #[test]
    fn an_id_of_the_source_takes_the_place_of_keys() {
        let choices = Choices { id: some("receipt"), ..Choices::default() };
        let mapping = Mapping::of(Kind::Wallet, None, &choices).unwrap();
        assert_eq!((mapping.id, mapping.key), (Some(Column::given("receipt")), None));
    }
}
