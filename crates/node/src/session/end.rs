//! The end of a session.

use crate::service::Service;
use crate::session::folder;

impl Service {
    /// The end of a session: nobody finds it any more.
    pub(crate) fn end_session(&mut self) {
        self.log("the node has stopped");
        if let Some(session) = &self.session {
            folder::withdraw(&session.folder);
        }
    }
}
