//! The exports of other platforms, as their documentation describes them. Data only.
//!
//! **Nakama**: the tables `users` (`id`, `wallet` and `metadata` as JSON) and `storage` (`collection`, `key`, `user_id`,
//! `value` as JSON) as SQL exports them, after
//! <https://github.com/heroiclabs/nakama/blob/master/migrate/sql/20180103142001_initial_schema.sql>; accounts as the API and
//! the console's export of an account have them (`{"account": {"user": {"id"}, "wallet": "{\"coins\": 10}"}}`, the wallet
//! being JSON text), after <https://heroiclabs.com/docs/nakama/concepts/user-accounts/> and `ExportAccount` in
//! <https://github.com/heroiclabs/nakama/blob/master/server/core_account.go>. The account whose id is all zeros is the
//! system's and no player. What an inventory is, Nakama leaves to the game: here each storage object is an item.
//!
//! **PlayFab**: player profiles of a segment (`PlayerId`, `VirtualCurrencyBalances`), after
//! <https://learn.microsoft.com/rest/api/playfab/admin/play-stream/get-players-in-segment>, also as the files with tabs that
//! <https://learn.microsoft.com/gaming/playfab/data-analytics/acting-data/segmentation-export-players-in-a-segment>
//! describes; and answers of `GetUserInventory` (`PlayFabId`, `VirtualCurrency`, `Inventory` with `ItemId`,
//! `ItemInstanceId`, `RemainingUses`, `CustomData`), bare or under `data`, after
//! <https://learn.microsoft.com/rest/api/playfab/server/player-item-management/get-user-inventory>. An item without
//! `RemainingUses` is not used up and counts as one.

use crate::column::Column;
use crate::kind::Kind;
use crate::mapping::{AssetOf, Holdings, Mapping, ObjectOf, Reason};

/// A platform whose exports are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Nakama, by Heroic Labs.
    Nakama,
    /// PlayFab, by Microsoft.
    Playfab,
}

/// The owner of what belongs to no player.
const NAKAMA_SYSTEM: &str = "00000000-0000-0000-0000-000000000000";

/// What is told of a player and worth keeping, as name and as where it may be. Nothing that only a person's letters are sent
/// to.
const NAKAMA_CONTEXT: &[(&str, &[&str])] = &[
    ("username", &["username", "account.user.username", "user.username"]),
    ("displayName", &["display_name", "account.user.display_name", "user.display_name"]),
    ("language", &["lang_tag", "account.user.lang_tag", "user.lang_tag"]),
    ("location", &["location", "account.user.location", "user.location"]),
    ("timezone", &["timezone", "account.user.timezone", "user.timezone"]),
    ("createdAt", &["create_time", "account.user.create_time", "user.create_time"]),
    ("metadata", &["metadata", "account.user.metadata", "user.metadata"]),
];

const PLAYFAB_CONTEXT: &[(&str, &[&str])] = &[
    ("displayName", &["DisplayName"]),
    ("createdAt", &["Created"]),
    ("lastLoginAt", &["LastLogin"]),
    ("origination", &["Origination"]),
    ("locations", &["Locations"]),
    ("tags", &["Tags"]),
    ("statistics", &["Statistics"]),
    ("totalValueToDateInUsd", &["TotalValueToDateInUSD"]),
];

impl Preset {
    /// How its exports are read.
    pub(crate) fn mapping(self, kind: Kind) -> Mapping {
        match self {
            Self::Nakama => nakama(kind),
            Self::Playfab => playfab(kind),
        }
    }
}

fn nakama(kind: Kind) -> Mapping {
    let account = Column::one_of(&["account.user.id", "user.id", "id"]);
    let no_players = vec![NAKAMA_SYSTEM.to_owned()];
    match kind {
        Kind::Wallet => {
            let wallet = Column::one_of(&["account.wallet", "wallet"]);
            Mapping { no_players, ..plain(account, Holdings::Map(wallet), ObjectOf::None) }
        }
        Kind::Inventory => {
            let object = AssetOf::Column(Column::one_of(&["key"]));
            let quantity = Some(Column::perhaps(&["value.quantity"]));
            let holdings = Holdings::One { asset: object, quantity };
            let value = ObjectOf::Column(Column::perhaps(&["value"]));
            let owner = Column::one_of(&["user_id"]);
            Mapping { no_players, quantity_if_absent: Some(1), ..plain(owner, holdings, value) }
        }
        Kind::Players => Mapping { no_players, ..plain(account, Holdings::None, context(NAKAMA_CONTEXT)) },
    }
}

fn playfab(kind: Kind) -> Mapping {
    let player = Column::one_of(&["PlayerId", "PlayFabId", "data.PlayFabId"]);
    match kind {
        Kind::Wallet => {
            let balances = ["VirtualCurrencyBalances", "VirtualCurrency", "data.VirtualCurrency"];
            plain(player, Holdings::Map(Column::one_of(&balances)), ObjectOf::None)
        }
        Kind::Inventory => {
            let holdings = Holdings::List {
                list: Column::one_of(&["Inventory", "data.Inventory"]),
                asset: Column::one_of(&["ItemId"]),
                quantity: Column::perhaps(&["RemainingUses"]),
            };
            let data = ObjectOf::Column(Column::perhaps(&["CustomData"]));
            let id = Some(Column::perhaps(&["ItemInstanceId"]));
            Mapping { quantity_if_absent: Some(1), id, ..plain(player, holdings, data) }
        }
        Kind::Players => plain(player, Holdings::None, context(PLAYFAB_CONTEXT)),
    }
}

fn context(members: &[(&str, &[&str])]) -> ObjectOf {
    ObjectOf::Columns(members.iter().map(|(name, names)| ((*name).to_owned(), Column::perhaps(names))).collect())
}

fn plain(player: Column, holdings: Holdings, object: ObjectOf) -> Mapping {
    Mapping {
        player,
        holdings,
        quantity_if_absent: None,
        reason: Reason::Column(Column::perhaps(&[])),
        object,
        id: None,
        key: None,
        only: Vec::new(),
        no_players: Vec::new(),
        renamed: Vec::new(),
    }
}
