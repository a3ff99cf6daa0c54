//! The port of keys.

use async_trait::async_trait;
use domain::audit_log::AuditEntry;
use domain::clock::Timestamp;
use domain::keys::{KeyChange, KeyId, KeyRecord, KeyStore, PublicId};
use domain::store::StoreError;
use domain::tenancy::RealmId;

use super::MemoryStore;

#[async_trait]
impl KeyStore for MemoryStore {
    async fn find(&self, public_id: &PublicId) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.lock().keys.iter().find(|key| key.public_id == *public_id).cloned())
    }

    async fn all(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let mut keys = self.lock().keys.clone();
        keys.sort_by_key(|key| (key.created_at, key.id));
        Ok(keys)
    }

    async fn apply(&self, change: &KeyChange, audit: &AuditEntry) -> Result<(), StoreError> {
        let state = &mut self.lock();
        state.books.save_audit(audit);
        let keys = &mut state.keys;
        match change {
            KeyChange::Issue(new) => keys.push(KeyRecord::clone(new)),
            KeyChange::Rotate { new, old, old_expires_at } => {
                keys.push(KeyRecord::clone(new));
                of_id(keys, new.realm.id, *old).for_each(|key| {
                    (key.expires_at, key.expiry_set_at) = (Some(*old_expires_at), new.created_at);
                });
            }
            KeyChange::Revise { realm, id, name, limits, expires_at, expiry_set_at } => of_id(keys, *realm, *id)
                .for_each(|key| {
                    (key.name, key.expires_at, key.expiry_set_at) = (name.clone(), *expires_at, *expiry_set_at);
                    key.limits = *limits;
                }),
            KeyChange::Revoke { realm, id, revocation } => {
                of_id(keys, *realm, *id).for_each(|key| key.revocation = Some(revocation.clone()));
            }
        }
        Ok(())
    }

    async fn mark_used(&self, uses: &[(RealmId, KeyId, Timestamp)]) -> Result<(), StoreError> {
        let keys = &mut self.lock().keys;
        for (realm, id, at) in uses {
            of_id(keys, *realm, *id).for_each(|key| key.last_used_at = key.last_used_at.max(Some(*at)));
        }
        Ok(())
    }
}

fn of_id(keys: &mut [KeyRecord], realm: RealmId, id: KeyId) -> impl Iterator<Item = &mut KeyRecord> {
    keys.iter_mut().filter(move |key| key.realm.id == realm && key.id == id)
}
