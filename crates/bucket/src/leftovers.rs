//! What daemons left that were killed.

use crate::alive;
use crate::identity::Identity;
use crate::shared::{SESSION, Shared};
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::Arc;

/// A session of another machine that was not heard of for so long is over. One that lives is heard of every few minutes.
const SILENCE_HOURS: i64 = 24;

/// Removes sessions beside this one whose daemons live no more. Nothing depends on it; what fails is done by the next daemon.
pub(crate) async fn remove(shared: Arc<Shared>) {
    let _ = try_remove(&shared).await;
}

async fn try_remove(shared: &Shared) -> object_store::Result<()> {
    let store = &*shared.store;
    let parts: Vec<_> = shared.session.parts().collect();
    let beside: Path = parts.iter().take(parts.len().saturating_sub(1)).cloned().collect();
    // The server's clock, not this machine's.
    let now = store.head(&shared.session.clone().join(alive::NAME)).await?.last_modified;
    for session in store.list_with_delimiter(Some(&beside)).await?.common_prefixes {
        let is_session = session.filename().is_some_and(|name| name.starts_with(SESSION));
        if is_session && session != shared.session && is_over(store, &session, now.timestamp()).await? {
            alive::clear(store, &session).await?;
        }
    }
    Ok(())
}

async fn is_over(store: &dyn ObjectStore, session: &Path, now_s: i64) -> object_store::Result<bool> {
    let silent = |heard_s: i64| now_s.saturating_sub(heard_s) > SILENCE_HOURS * 3_600;
    match store.get(&session.clone().join(alive::NAME)).await {
        Ok(found) => {
            let heard_s = found.meta.last_modified.timestamp();
            let text = String::from_utf8_lossy(&found.bytes().await?).into_owned();
            let lives = Identity::read(&text).and_then(|identity| identity.lives());
            Ok(lives.map_or(silent(heard_s), |lives| !lives))
        }
        // Its removal was interrupted, or it is no session: only what is old goes.
        Err(object_store::Error::NotFound { .. }) => {
            let found: Vec<_> = store.list(Some(session)).try_collect().await?;
            let newest = found.iter().map(|found| found.last_modified.timestamp()).max();
            Ok(newest.is_some_and(silent))
        }
        Err(error) => Err(error),
    }
}
