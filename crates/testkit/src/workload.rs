//! Commands by chance, the same for the same seed: few players, assets and keys, so that they meet.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::economy::{Answer, GrantId, INTEGER_MAX, Origin, Outcome};

use serde_json::json;

use crate::clock::START;
use crate::commands::{
    Draft, ack, coins, crates, create_grant, credit, debit, grant_item, immediate_grant, import_currency, import_items,
    import_player, items, revoke_item,
};

/// Draws commands. Tell it the outcomes, so that it can acknowledge the grants that were made.
pub struct Workload {
    state: u64,
    asked: u64,
    grants: Vec<GrantId>,
    past: Vec<Draft>,
}

impl Workload {
    const PLAYERS: u64 = 4;
    const ASSETS: [&'static str; 3] = ["gold", "gems", "wood"];
    const KEYS: u64 = 30;

    /// A workload of its own for each `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed, asked: 0, grants: Vec::new(), past: Vec::new() }
    }

    /// The next 1 to `max` commands.
    pub fn batch(&mut self, max: u64) -> Vec<Draft> {
        (0..=self.below(max)).take(usize::try_from(max).unwrap_or(usize::MAX)).map(|_| self.draft()).collect()
    }

    /// Takes in how commands ended.
    pub fn learn(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            if let Ok(Answer::GrantCreated(created)) = outcome {
                self.grants.push(created.grant.id);
            }
        }
    }

    /// A new command, or once in a while one that was asked before.
    fn draft(&mut self) -> Draft {
        let repeated = if self.below(6) == 0 { self.choose(self.past.len()) } else { None };
        if let Some(draft) = repeated.and_then(|index| self.past.get(index)) {
            return draft.clone();
        }
        let draft = self.new_draft();
        self.past.push(draft.clone());
        draft
    }

    fn new_draft(&mut self) -> Draft {
        self.asked += 1;
        let (player, asset) = (self.player(), self.asset());
        let key = format!("k{}", self.below(Self::KEYS));
        let amount = if self.below(20) == 0 { INTEGER_MAX - 5 } else { i64::try_from(self.below(9)).unwrap_or(0) + 1 };
        let draft = match self.below(12) {
            0..=2 => credit(&player, &asset, amount),
            3..=4 => debit(&player, &asset, amount).because("spent"),
            5 => grant_item(&player, &asset, amount),
            6 => revoke_item(&player, &asset, amount).sourced("shop"),
            7 => import_currency(&player, &asset, amount),
            8 => import_items(&player, &asset, amount).with_parameters(&json!({ "roll": amount })),
            9 => return self.grant(&player, &key, amount),
            10 => {
                return immediate_grant(&player, &key, vec![coins(&asset, amount), items(&asset, 2), coins("gold", 1)]);
            }
            _ if self.below(2) == 0 => return self.ack(&player),
            _ => return import_player(&player, &key).with_context(&json!({ "level": amount })),
        };
        let draft = draft.after(Duration::from_secs(self.asked)).by("kp_prod_workload00", Origin::Engine);
        if self.below(3) == 0 { draft.keyed(&key) } else { draft }
    }

    fn grant(&mut self, player: &str, key: &str, amount: i64) -> Draft {
        let draft = create_grant(player, key, vec![coins("gold", amount), crates("box", 1)]);
        let expires_at = Timestamp::from_unix_micros(START).plus(Duration::from_secs(self.below(600)));
        if self.below(2) == 0 { draft } else { draft.expiring(expires_at) }
    }

    fn ack(&mut self, player: &str) -> Draft {
        let chosen = self.choose(self.grants.len()).and_then(|index| self.grants.get(index));
        let grant = chosen.copied().unwrap_or(GrantId(uuid::Uuid::nil()));
        ack(player, grant).after(Duration::from_secs(self.asked))
    }

    fn player(&mut self) -> String {
        format!("player-{}", self.below(Self::PLAYERS))
    }

    fn asset(&mut self) -> String {
        let index = self.choose(Self::ASSETS.len()).expect("there are assets");
        Self::ASSETS.get(index).map(|name| (*name).to_owned()).expect("an index below the count")
    }

    /// An index into something of `length`; `None` when that is empty.
    fn choose(&mut self, length: usize) -> Option<usize> {
        let length = u64::try_from(length).expect("a length fits 64 bits");
        (0 < length).then(|| usize::try_from(self.below(length)).expect("it is below a length"))
    }

    /// A number below `limit` (SplitMix64).
    fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}
