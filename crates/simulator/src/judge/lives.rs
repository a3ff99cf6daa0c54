//! Players come, are banned, merged and erased, only as somebody wants it.

use anyhow::{Context, Result, bail, ensure};
use domain::audit_log::AuditAction;
use domain::players::PlayerId;
use domain::webhooks::EventName;

use super::{Change, Judge};
use crate::chaos::at_once;
use crate::intent::{Effect, IntentId, Life, Name, Request, Row};
use crate::seen::{EVERYTHING, Fate, SeenPlayer};

impl Judge {
    pub(super) fn judge_lives(&mut self, change: &mut Change) -> Result<()> {
        let before = change.before.clone();
        for (id, player) in change.after.players.clone() {
            self.judge_context(change, id, &player)?;
            match before.players.get(&id) {
                None => self.judge_newcomer(change, id, &player)?,
                Some(known) if known.fate != player.fate => self.judge_fate(change, id, known, &player)?,
                Some(known) => self.judge_ban(change, id, known, &player)?,
            }
        }
        Ok(())
    }

    /// What is known of a player elsewhere is what an import says, or what a player knew who became part of them.
    fn judge_context(&mut self, change: &Change, id: PlayerId, player: &SeenPlayer) -> Result<()> {
        let of = |id: PlayerId| change.before.players.get(&id).and_then(|known| known.context.as_ref());
        let is_known = player.context.as_ref() == of(id);
        let Some(context) = player.context.as_ref().filter(|_| !is_known) else { return Ok(()) };
        let words = context.split('"').nth(3).unwrap_or_default();
        let sources = change.before.players.iter().filter(|(_, known)| known.context.as_ref() == Some(context));
        if 0 < sources.count() {
            return Ok(());
        }
        let intent = self.of_words(words).and_then(|id| self.intents.get(id).filter(|_| self.is_live(id)));
        let wanted = intent.map(|intent| &intent.sent.request);
        let is_wanted =
            matches!(wanted, Some(Request::Import(Row::Player { player: name })) if player.fate == Fate::Called(name));
        ensure!(is_wanted, "player {} is known as {context}, which nobody said", id.0);
        self.said.insert(words.to_owned(), id);
        Ok(())
    }

    fn judge_newcomer(&self, change: &mut Change, id: PlayerId, player: &SeenPlayer) -> Result<()> {
        let Fate::Called(name) = player.fate else { bail!("a player {} came without a name", id.0) };
        ensure!(player.banned_at.is_none(), "{name} came banned");
        let makers: Vec<bool> = self
            .live()
            .filter(|(_, intent)| intent.sent.request.makes().contains(&name))
            .map(|(_, intent)| matches!(intent.sent.request, Request::Import(_)))
            .collect();
        ensure!(!makers.is_empty(), "{name} came, whom nobody asked for");
        let news = (EventName::PlayerRegistered, id.0.to_string());
        let by_import = makers.iter().filter(|is_import| **is_import).count();
        if by_import == 0 {
            change.news.push(news);
        } else if by_import < makers.len() {
            change.maybe.push(news);
        }
        Ok(())
    }

    fn judge_ban(&self, change: &mut Change, id: PlayerId, known: &SeenPlayer, player: &SeenPlayer) -> Result<()> {
        if known.banned_at == player.banned_at {
            return Ok(());
        }
        let Fate::Called(name) = player.fate else { bail!("{:?} changed their ban", player.fate) };
        ensure!(known.banned_at.is_none() != player.banned_at.is_none(), "the ban of {name} moved in time");
        let impose = player.banned_at.is_some();
        let wanted = Request::Life(Life::Ban { player: name, impose });
        ensure!(self.live().any(|(_, intent)| intent.sent.request == wanted), "nobody asked for {wanted:?}");
        let event = if impose { EventName::PlayerBanned } else { EventName::PlayerUnbanned };
        change.news.push((event, id.0.to_string()));
        Ok(())
    }

    fn judge_fate(&mut self, change: &mut Change, id: PlayerId, known: &SeenPlayer, now: &SeenPlayer) -> Result<()> {
        let Fate::Called(name) = known.fate else { bail!("{:?} became {:?}", known.fate, now.fate) };
        ensure!(now.banned_at.is_none(), "the ban of {name} outlived their name");
        ensure!(change.merged.is_none() && change.erased.is_none(), "two lives changed at once");
        match now.fate {
            Fate::Called(other) => bail!("{name} is called {other} now"),
            Fate::Merged => {
                let target = self.merged_into(id)?;
                let intent = self.merge_wanted(change, name, target)?;
                self.took_effect(intent, change.tick, Effect::Merge)?;
                change.merged = Some((id, target));
                self.merges.push((change.tick, id, target));
                self.said.values_mut().filter(|owner| **owner == id).for_each(|owner| *owner = target);
                change.news.push((EventName::PlayerMerged, id.0.to_string()));
            }
            Fate::Erased => {
                let wanted = Request::Life(Life::Erase { player: name });
                let intent = self.live().find(|(_, intent)| intent.sent.request == wanted && intent.effect.is_none());
                let (intent, _) = intent.with_context(|| format!("nobody asked for {name} to be erased"))?;
                self.took_effect(intent, change.tick, Effect::Erasure)?;
                change.erased = Some(id);
                self.erasures.push((change.tick, id));
                change.news.push((EventName::PlayerDeleted, id.0.to_string()));
            }
        }
        Ok(())
    }

    /// Into whom a player was merged, as the audit log says.
    fn merged_into(&self, source: PlayerId) -> Result<PlayerId> {
        let done = at_once(self.stores.audit_log.of_player(self.realm, source, None, EVERYTHING))?;
        let merge = done.iter().find(|entry| entry.action == AuditAction::PlayerMerge);
        merge.and_then(|entry| entry.into).context("the audit log knows nothing of a merge")
    }

    fn merge_wanted(&self, change: &Change, name: Name, into: PlayerId) -> Result<IntentId> {
        let is_wanted = |request: &Request| {
            let Request::Life(Life::Merge { source, target }) = request else { return false };
            *source == name && change.before.called(target) == Some(into) && !change.before.is_banned(target)
        };
        let found = self.live().find(|(_, intent)| intent.effect.is_none() && is_wanted(&intent.sent.request));
        let (intent, _) = found.with_context(|| format!("nobody asked for {name} to be merged into {}", into.0))?;
        Ok(intent)
    }

    /// After an erasure none of the player's words are left.
    pub(super) fn judge_erasure(&mut self, player: PlayerId, values: &dyn Fn() -> Option<String>) -> Result<()> {
        let words: Vec<String> =
            self.said.iter().filter(|(_, owner)| **owner == player).map(|(words, _)| words.clone()).collect();
        self.said.retain(|_, owner| *owner != player);
        if let Some(values) = values() {
            let left = words.iter().find(|words| values.contains(words.as_str()));
            ensure!(left.is_none(), "'{left:?}' was said of a player who was erased, and is still there");
        }
        self.forgotten.extend(words);
        Ok(())
    }
}
