//! Where the object store is asked.

use crate::service::Service;
use trygon_wire::Kind;

impl Service {
    /// A frame for the store.
    pub(crate) fn on_store_frame(&mut self, _from: u64, _kind: Kind, _body: &[u8]) {}

    /// How the store is, in JSON.
    pub(crate) fn store_json(&self) -> String {
        "{}".to_owned()
    }
}
