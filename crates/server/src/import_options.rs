//! The options of `purser import`, and what they come to. Only words: what they mean is known in `importer`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use importer::{Choices, Format, Import, Kind, Mapping, Preset, Reading, Trouble};

/// The address that a server has when nobody says another one.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

/// What is brought in.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportWhat {
    /// What players hold of currencies
    Wallet {
        #[command(flatten)]
        wallet: WalletOptions,
        #[command(flatten)]
        common: ImportOptions,
    },
    /// What players hold of items
    Inventory {
        #[command(flatten)]
        inventory: InventoryOptions,
        #[command(flatten)]
        common: ImportOptions,
    },
    /// The players themselves, with what was known of them
    Players {
        #[command(flatten)]
        players: PlayersOptions,
        #[command(flatten)]
        common: ImportOptions,
    },
}

/// Where currencies and amounts are.
#[derive(Debug, Args)]
#[command(next_help_heading = "What a line says")]
pub(crate) struct WalletOptions {
    /// The column that names the currency [default: economyKey]
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["currency_key", "wallet_columns", "wallet_map"])]
    pub(crate) currency: Option<String>,

    /// The one currency that all amounts are of
    #[arg(long, value_name = "KEY", conflicts_with_all = ["wallet_columns", "wallet_map"])]
    pub(crate) currency_key: Option<String>,

    /// The column that says how much [default: amount]
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["wallet_columns", "wallet_map"])]
    pub(crate) amount: Option<String>,

    /// Columns that are each named after a currency and say how much of it
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', conflicts_with = "wallet_map")]
    pub(crate) wallet_columns: Vec<String>,

    /// The column that holds a JSON object of currencies and amounts, such as {"gold": 5}
    #[arg(long, value_name = "COLUMN")]
    pub(crate) wallet_map: Option<String>,

    #[command(flatten)]
    pub(crate) holdings: HoldingsOptions,
}

/// Where items and quantities are.
#[derive(Debug, Args)]
#[command(next_help_heading = "What a line says")]
pub(crate) struct InventoryOptions {
    /// The column that names the item, or the member of an element of --item-list [default: itemKey]
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["item_key", "item_columns", "item_map"])]
    pub(crate) item: Option<String>,

    /// The one item that all quantities are of
    #[arg(long, value_name = "KEY", conflicts_with_all = ["item_columns", "item_map", "item_list"])]
    pub(crate) item_key: Option<String>,

    /// The column that says how many; without it a line is one item [default: quantity]
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["item_columns", "item_map"])]
    pub(crate) quantity: Option<String>,

    /// Columns that are each named after an item and say how many
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', conflicts_with_all = ["item_map", "item_list"])]
    pub(crate) item_columns: Vec<String>,

    /// The column that holds a JSON object of items and quantities
    #[arg(long, value_name = "COLUMN", conflicts_with = "item_list")]
    pub(crate) item_map: Option<String>,

    /// The column that holds a JSON list of objects, one for each item
    #[arg(long, value_name = "COLUMN")]
    pub(crate) item_list: Option<String>,

    /// The column that holds a JSON object of attributes of the item [default: parameters, if it is there]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) parameters: Option<String>,

    #[command(flatten)]
    pub(crate) holdings: HoldingsOptions,
}

/// What wallets and inventories have in common.
#[derive(Debug, Args)]
#[command(next_help_heading = "What a line says")]
pub(crate) struct HoldingsOptions {
    /// The column that says why, for the ledger [default: reason, if it is there]
    #[arg(long, value_name = "COLUMN", conflicts_with = "reason_text")]
    pub(crate) reason: Option<String>,

    /// Why, for the ledger, the same for all rows
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason_text: Option<String>,

    /// Another key for a currency or item; may be given many times
    #[arg(long, value_name = "OLD=NEW", value_parser = pair)]
    pub(crate) rename: Vec<(String, String)>,
}

/// Where what is known of players is.
#[derive(Debug, Args)]
#[command(next_help_heading = "What a line says")]
pub(crate) struct PlayersOptions {
    /// Columns that are put together to what is known of the player
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', conflicts_with = "context_object")]
    pub(crate) context: Vec<String>,

    /// The column that holds all of it as a JSON object [default: contextSnapshot, if it is there]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) context_object: Option<String>,
}

/// What all imports have in common. A column is named by its header; by a path where it holds JSON, as `value.quantity` or
/// `/value/quantity`; by such a path alone in NDJSON.
#[derive(Debug, Args)]
#[command(next_help_heading = "The import")]
pub(crate) struct ImportOptions {
    /// What to read: .csv, .tsv, .ndjson, .jsonl, each also with .gz; - for standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// The server [default: http://127.0.0.1:8080]
    #[arg(long, env = "PURSER_IMPORT_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,

    /// Its API key, of the realm that is moved into; best in the environment, where other users cannot see it
    #[arg(long, env = "PURSER_API_KEY", value_name = "KEY")]
    pub(crate) key: Option<String>,

    /// The platform whose export it is; other options override what that means
    #[arg(long, value_enum)]
    pub(crate) preset: Option<PresetName>,

    /// How the files are written [default: by their names]
    #[arg(long, value_enum)]
    pub(crate) format: Option<FormatName>,

    /// What stands between cells: a character, or 'tab' [default: ',', in .tsv a tab]
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    pub(crate) delimiter: Option<u8>,

    /// Quotation marks are ordinary characters
    #[arg(long)]
    pub(crate) no_quotes: bool,

    /// The column that names the player [default: externalPlayerId]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) player: Option<String>,

    /// The column with the source's own id of the row, to make its idempotency key of
    #[arg(long, value_name = "COLUMN")]
    pub(crate) id: Option<String>,

    /// Leave out lines in which a column says something else; may be given many times
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = pair)]
    pub(crate) only: Vec<(String, String)>,

    /// What names this move: within one name, the first row of a player's gold is brought in once, whatever file it is in
    #[arg(long, value_name = "NAME", default_value = "move-in")]
    pub(crate) import_name: String,

    /// How many calls of 1,000 rows are under way at once
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) concurrency: u16,

    /// For how long a call is repeated that the server does not answer
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = humantime::parse_duration)]
    pub(crate) give_up_after: Duration,

    /// Where it is kept how far the import is [default: FILE.purser-import-….state]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,

    /// Where failed rows go, to be mended and imported [default: FILE.purser-import-….failed.csv]
    #[arg(long, value_name = "FILE")]
    pub(crate) failed: Option<PathBuf>,

    /// Write the receipt to this file, too, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,

    /// Begin anew; rows that took effect are not applied twice
    #[arg(long, visible_alias = "from-start")]
    pub(crate) again: bool,

    /// Read and add up, send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Show no progress
    #[arg(long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) output: crate::cli::Output,
}

/// Platforms whose exports are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PresetName {
    /// Heroic Labs' Nakama
    Nakama,
    /// Microsoft's PlayFab
    Playfab,
}

/// How files may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatName {
    /// Cells with a header
    Csv,
    /// A JSON object a line
    Ndjson,
}

impl ImportWhat {
    /// The options that all imports have.
    pub(crate) fn common(&self) -> &ImportOptions {
        match self {
            Self::Wallet { common, .. } | Self::Inventory { common, .. } | Self::Players { common, .. } => common,
        }
    }

    /// What is asked for.
    ///
    /// # Errors
    /// When the options contradict each other.
    pub(crate) fn into_import(self) -> Result<Import, Trouble> {
        match self {
            Self::Wallet { wallet, common } => {
                let WalletOptions { currency, currency_key, amount, wallet_columns, wallet_map, holdings } = wallet;
                let choices = Choices {
                    asset: currency,
                    asset_key: currency_key,
                    quantity: amount,
                    wide: wallet_columns,
                    map: wallet_map,
                    ..holdings.choices()
                };
                common.into_import(Kind::Wallet, choices)
            }
            Self::Inventory { inventory, common } => {
                let choices = Choices {
                    asset: inventory.item,
                    asset_key: inventory.item_key,
                    quantity: inventory.quantity,
                    wide: inventory.item_columns,
                    map: inventory.item_map,
                    list: inventory.item_list,
                    object: inventory.parameters,
                    ..inventory.holdings.choices()
                };
                common.into_import(Kind::Inventory, choices)
            }
            Self::Players { players, common } => {
                let PlayersOptions { context, context_object } = players;
                let choices = Choices { object: context_object, object_columns: context, ..Choices::default() };
                common.into_import(Kind::Players, choices)
            }
        }
    }
}

impl HoldingsOptions {
    fn choices(self) -> Choices {
        let Self { reason, reason_text, rename } = self;
        Choices { reason, reason_text, renamed: rename, ..Choices::default() }
    }
}

impl ImportOptions {
    fn into_import(self, kind: Kind, choices: Choices) -> Result<Import, Trouble> {
        let preset = self.preset.map(|name| match name {
            PresetName::Nakama => Preset::Nakama,
            PresetName::Playfab => Preset::Playfab,
        });
        let format = self.format.map(|name| match name {
            FormatName::Csv => Format::Csv,
            FormatName::Ndjson => Format::Ndjson,
        });
        let choices = Choices { player: self.player, id: self.id, only: self.only, ..choices };
        Ok(Import {
            kind,
            files: self.files,
            reading: Reading { format, delimiter: self.delimiter, quotes: !self.no_quotes },
            mapping: Mapping::of(kind, preset, &choices)?,
            name: self.import_name,
            server: self.server.unwrap_or_else(|| DEFAULT_SERVER.to_owned()),
            key: self.key,
            concurrency: usize::from(self.concurrency),
            give_up_after: self.give_up_after,
            state: self.state,
            failed: self.failed,
            again: self.again,
            dry_run: self.dry_run,
            quiet: self.quiet,
        })
    }
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (left, right) = text.split_once('=').ok_or("must be two texts with '=' between them")?;
    Ok((left.to_owned(), right.to_owned()))
}

fn delimiter(text: &str) -> Result<u8, &'static str> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        b"tab" | b"\\t" => Ok(b'\t'),
        _ => Err("must be one ASCII character, or tab"),
    }
}
