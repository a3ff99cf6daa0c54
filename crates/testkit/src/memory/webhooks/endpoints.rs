//! The port of endpoints.

use async_trait::async_trait;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::webhooks::{Endpoint, EndpointChange, EndpointId, EndpointRefusal, EndpointStore, NewEndpoint};

use super::super::MemoryStore;
use super::StoredEndpoint;

#[async_trait]
impl EndpointStore for MemoryStore {
    async fn create_endpoint(&self, new: &NewEndpoint) -> Result<Result<(), EndpointRefusal>, StoreError> {
        let books = &mut self.lock().books;
        let known = u32::try_from(books.outgoing.of_realm(new.realm).count()).expect("a test has few endpoints");
        if Endpoint::COUNT_MAX <= known {
            return Ok(Err(EndpointRefusal::TooMany));
        }
        let stored = StoredEndpoint { endpoint: new.endpoint.clone(), is_removed: false };
        let known = books.outgoing.endpoints.insert((new.realm, new.endpoint.id), stored);
        assert!(known.is_none(), "an endpoint is inserted once");
        books.save_audit(&new.audit);
        Ok(Ok(()))
    }

    async fn change_endpoint(&self, change: &EndpointChange) -> Result<Result<Endpoint, EndpointRefusal>, StoreError> {
        let books = &mut self.lock().books;
        let stored = books.outgoing.endpoint(change.realm, change.id).cloned();
        let decided = change.decide(stored.as_ref());
        Ok(decided.map(|after| {
            let is_removed = after.is_none();
            let endpoint = after.or(stored).expect("only an endpoint that is there is changed");
            let kept = StoredEndpoint { endpoint: endpoint.clone(), is_removed };
            books.outgoing.endpoints.insert((change.realm, change.id), kept);
            books.save_audit(&change.audit);
            self.ring_if(!is_removed && endpoint.disabled.is_none());
            endpoint
        }))
    }

    async fn endpoint(&self, realm: RealmId, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        Ok(self.lock().books.outgoing.endpoint(realm, id).cloned())
    }

    async fn endpoints(&self, realm: RealmId) -> Result<Vec<Endpoint>, StoreError> {
        Ok(self.lock().books.outgoing.of_realm(realm).rev().cloned().collect())
    }
}
