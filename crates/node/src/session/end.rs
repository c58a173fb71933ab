//! The end of a session.

use crate::service::Service;
use crate::session::folder;

impl Service {
    /// The end of a session: nobody finds it any more.
    pub(crate) fn end_session(&mut self) {
        if self.given_up.is_some() {
            // The daemon comes back; commands find its folder meanwhile, and nobody who would answer.
            if let Some(session) = &self.session {
                let _ = std::fs::remove_file(session.folder.join(folder::SOCKET));
            }
            return;
        }
        self.log("the node has stopped");
        if let Some(session) = &self.session {
            folder::withdraw(&session.folder);
        }
    }
}
