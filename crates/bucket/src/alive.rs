//! The key by which a session is known to those who look for what others left.

use crate::identity::Identity;
use crate::shared::Shared;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Its name.
pub(crate) const NAME: &str = "alive";
/// It is put anew so often.
const BEAT: Duration = Duration::from_secs(300);

/// Puts it for the first time. What is left at the end is found by listing it, so that has to be allowed too.
pub(crate) async fn begin(shared: Arc<Shared>) -> object_store::Result<()> {
    shared.store.list(Some(&shared.session)).try_next().await?;
    put(shared).await
}

/// Puts it.
pub(crate) async fn put(shared: Arc<Shared>) -> object_store::Result<()> {
    let text = Identity::own().map(|own| own.text()).unwrap_or_default();
    let key = shared.session.clone().join(NAME);
    shared.store.put(&key, PutPayload::from(text.into_bytes())).await.map(|_| ())
}

/// Puts it again and again. A beat that fails is made up for by the next: it takes many of them until a session counts as dead.
pub(crate) async fn keep(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(BEAT).await;
        let Some(shared) = shared.upgrade().filter(|shared| !shared.uploads.is_closed()) else { return };
        let _ = put(shared).await;
    }
}

/// Deletes everything of a session, what makes it known last.
pub(crate) async fn clear(store: &dyn ObjectStore, session: &Path) -> object_store::Result<()> {
    let known = session.clone().join(NAME);
    let last = known.clone();
    let keys = store.list(Some(session)).map_ok(|found| found.location);
    let others = keys.try_filter(move |key| std::future::ready(*key != known)).boxed();
    let mut deleted = store.delete_stream(others);
    while let Some(result) = deleted.next().await {
        result?;
    }
    store.delete(&last).await
}
