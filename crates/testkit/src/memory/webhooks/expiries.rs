//! What time alone does: grants that expire, keys that will.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::economy::GrantStatus;
use domain::keys::KeyRecord;
use domain::tenancy::RealmId;
use domain::webhooks::{EventName, OutboxEvent, occurrences};

use super::super::State;

/// How long a grant is left alone after it expired, so that a claim that was decided before has been stored.
const GRACE: Duration = Duration::from_secs(2);
/// How far a look reaches back before the last one, for grants that were stored late.
const OVERLAP: Duration = Duration::from_secs(60);

impl State {
    /// Keeps the events of what expired by `now`; how many were not known.
    pub(super) fn tell_expiries(&mut self, now: Timestamp, limit: u32) -> u32 {
        let realms: Vec<RealmId> = self.realms.iter().map(|realm| realm.id).collect();
        let mut told = 0;
        for realm in realms {
            let wanted = self.books.outgoing.wanted(realm);
            if wanted.contains(EventName::GrantExpired) {
                told += self.tell_expired_grants(realm, now, limit - told.min(limit));
            } else {
                // Who wants to be told again some day is not told of what happened in between.
                self.books.outgoing.swept_until.remove(&realm);
            }
            if wanted.contains(EventName::ApiKeyExpiring) {
                told += self.tell_expiring_keys(realm, now, limit - told.min(limit));
            }
        }
        told
    }

    fn tell_expired_grants(&mut self, realm: RealmId, now: Timestamp, limit: u32) -> u32 {
        let outgoing = &mut self.books.outgoing;
        let Some(swept_until) = outgoing.swept_until.get(&realm).copied() else {
            // Nothing is told of what was before, nor by looking back from there.
            outgoing.swept_until.insert(realm, now.plus(OVERLAP));
            return 0;
        };
        let (since, until) = (minus(swept_until, OVERLAP), minus(now, GRACE));
        let of_realm = self.books.grants.iter().filter(|(key, _)| key.realm == realm);
        let mut expired: Vec<OutboxEvent> = of_realm
            .map(|(_, stored)| &stored.grant)
            .filter(|grant| grant.expires_at.is_some_and(|at| since < at && at <= until))
            .filter(|grant| grant.status_at(now) == GrantStatus::Expired)
            .filter_map(|grant| occurrences::grant_expired(realm, grant))
            .collect();
        expired.sort_by_key(|event| event.at);
        let mut told = 0;
        for event in expired {
            if told == limit {
                return told;
            }
            if outgoing.add_event(&event) {
                told += 1;
                outgoing.swept_until.insert(realm, swept_until.max(event.at));
            }
        }
        outgoing.swept_until.insert(realm, swept_until.max(until));
        told
    }

    fn tell_expiring_keys(&mut self, realm: RealmId, now: Timestamp, limit: u32) -> u32 {
        let outgoing = &mut self.books.outgoing;
        let mut count = 0;
        for key in self.keys.iter().filter(|key| key.realm.id == realm) {
            let KeyRecord { id, .. } = *key;
            let of_key = outgoing.notices.iter().filter(|(of, known, _)| (*of, *known) == (realm, id));
            let told: Vec<_> = of_key.map(|(_, _, notice)| *notice).collect();
            if let Some(notice) = key.notice_due(&told, now).filter(|_| count < limit) {
                outgoing.notices.insert((realm, id, notice));
                outgoing.save_events([&occurrences::key_expiring(key, &notice, now)]);
                count += 1;
            }
        }
        count
    }
}

fn minus(at: Timestamp, duration: Duration) -> Timestamp {
    let micros = i64::try_from(duration.as_micros()).expect("it is short");
    Timestamp::from_unix_micros(at.unix_micros().saturating_sub(micros))
}
