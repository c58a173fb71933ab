//! A place in a bucket, as the store's threads use it.

use crate::address::Address;
use crate::alive;
use crate::download::Download;
use crate::failure::explain;
use crate::http::Connector;
use crate::kinds;
use crate::leftovers;
use crate::upload::Upload;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, ObjectStoreExt, RetryConfig};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use trygon_store::spill::{Incoming, Storage, Stored};

/// What a session's keys begin with, behind the prefix that was given.
pub(crate) const SESSION: &str = "trygon-spill-";
/// Whether a place can be written to is known within this time.
const CHECK_LIMIT: Duration = Duration::from_millis(4_800);
/// Everything of a session is deleted within this time, or left to the next one.
const CLEAR_LIMIT: Duration = Duration::from_secs(3);

/// How patient a place is.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long it is tried to read what a server does not give.
    pub read_patience: Duration,
}

/// Opens the places that these addresses name, all of which are `is_remote`, and begins to remove what daemons that live no more left there.
/// Reads the environment as Amazon's tools do: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL` and the others.
///
/// # Errors
/// Within 5 s for each when one cannot be written to, with its address and the reason.
pub fn open(addresses: &[String], limits: Limits) -> Result<Vec<Arc<dyn Storage>>, String> {
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let read: Vec<Address> = addresses.iter().map(|text| Address::read(text)).collect::<Result<_, _>>()?;
    let driver = kinds::start_driver().map_err(|error| format!("no thread for buckets can be started: {error}"))?;
    let mut opened: Vec<Arc<dyn Storage>> = Vec::new();
    for (name, address) in addresses.iter().zip(read) {
        let failed = |reason: String| format!("objects cannot be written to {name}: {reason}");
        let bucket = Bucket::new(name.clone(), &address, driver.clone(), limits).map_err(failed)?;
        if let Err(reason) = bucket.check() {
            opened.iter().for_each(|place| place.clear());
            return Err(failed(reason));
        }
        opened.push(Arc::new(bucket));
    }
    Ok(opened)
}

/// What uploads, downloads and the place itself share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) driver: Handle,
    /// What this session's keys begin with.
    pub(crate) session: Path,
    pub(crate) limits: Limits,
    pub(crate) uploads: Uploads,
}

/// How many uploads there are, and whether there may be more.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    /// A lock: threads begin and end them. Held for moments.
    state: Mutex<(usize, bool)>,
    ended: Condvar,
}

impl Uploads {
    /// Counts one more; false at the end.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.state.lock();
        state.0 += usize::from(!state.1);
        !state.1
    }

    pub(crate) fn end(&self) {
        self.state.lock().0 -= 1;
        self.ended.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().1
    }

    /// No more of them; waits for those that there are.
    fn close(&self, limit: Duration) {
        let mut state = self.state.lock();
        state.1 = true;
        self.ended.wait_while_for(&mut state, |(count, _)| *count > 0, limit);
    }
}

impl Shared {
    pub(crate) fn key(&self, file: u64) -> Path {
        self.session.clone().join(format!("{file}.objects"))
    }
}

#[derive(Debug)]
struct Bucket {
    name: String,
    /// What the daemon's environment says of keys, for the text of a refusal.
    has_keys: bool,
    shared: Arc<Shared>,
}

impl Bucket {
    fn new(name: String, address: &Address, driver: Handle, limits: Limits) -> Result<Self, String> {
        let retry = RetryConfig {
            backoff: BackoffConfig { max_backoff: Duration::from_secs(1), ..BackoffConfig::default() },
            max_retries: 4,
            retry_timeout: Duration::from_millis(2_500),
        };
        let builder = AmazonS3Builder::from_env().with_bucket_name(&address.bucket).with_retry(retry);
        let has_keys = [
            AmazonS3ConfigKey::AccessKeyId,
            AmazonS3ConfigKey::WebIdentityTokenFile,
            AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
            AmazonS3ConfigKey::ContainerCredentialsFullUri,
        ];
        let has_keys = has_keys.iter().any(|key| builder.get_config_value(key).is_some())
            || builder.get_config_value(&AmazonS3ConfigKey::SkipSignature).is_some_and(|value| value == "true");
        let store = builder.with_http_connector(Connector).build().map_err(|error| explain(&error).to_string())?;
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| error.to_string())?;
        let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let prefix = Path::parse(&address.prefix).map_err(|error| error.to_string())?;
        let session = prefix.join(format!("{SESSION}{random}"));
        let uploads = Uploads::default();
        let shared = Shared { store: Arc::new(store), driver, session, limits, uploads };
        Ok(Self { name, has_keys, shared: Arc::new(shared) })
    }

    /// Makes the session known, by which it is seen whether anything can be written; then keeps it known.
    fn check(&self) -> Result<(), String> {
        let putting = alive::begin(self.shared.clone());
        let written = match self.shared.driver.block_on(async { tokio::time::timeout(CHECK_LIMIT, putting).await }) {
            Ok(written) => written.map_err(|error| explain(&error).to_string()),
            Err(_) => Err(format!("no answer within {:.1} s", CHECK_LIMIT.as_secs_f64())),
        };
        written.map_err(|reason| {
            if self.has_keys {
                return reason;
            }
            format!(
                "{reason} (the daemon's environment has no keys, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and this machine \
                 gives it none)"
            )
        })?;
        kinds::begin(&self.shared.driver, alive::keep(Arc::downgrade(&self.shared)));
        kinds::begin(&self.shared.driver, leftovers::remove(self.shared.clone()));
        Ok(())
    }
}

impl Storage for Bucket {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn room(&self) -> Option<(u64, u64)> {
        None
    }

    fn create(&self, file: u64, size_bytes: u64) -> io::Result<Box<dyn Incoming>> {
        Ok(Box::new(Upload::begin(self.shared.clone(), file, size_bytes)?))
    }

    fn open(&self, file: u64, bytes: Range<u64>) -> io::Result<Box<dyn Stored>> {
        Ok(Box::new(Download::begin(self.shared.clone(), file, bytes)))
    }

    fn delete(&self, file: u64) -> io::Result<()> {
        let shared = self.shared.clone();
        kinds::begin(&self.shared.driver, async move {
            // What cannot be deleted now goes with the session.
            let _ = shared.store.delete(&shared.key(file)).await;
        });
        Ok(())
    }

    fn clear(&self) {
        let shared = &self.shared;
        shared.uploads.close(CLEAR_LIMIT);
        // What is left is removed by the next daemon that writes here.
        let clearing = clear(&*shared.store, &shared.session);
        let _ = shared.driver.block_on(async { tokio::time::timeout(CLEAR_LIMIT, clearing).await });
    }
}

/// Deletes everything of a session, what makes it known last.
pub(crate) async fn clear(store: &dyn ObjectStore, session: &Path) -> object_store::Result<()> {
    let known = session.clone().join(alive::NAME);
    let last = known.clone();
    let keys = store.list(Some(session)).map_ok(|found| found.location);
    let others = keys.try_filter(move |key| std::future::ready(*key != known)).boxed();
    let mut deleted = store.delete_stream(others);
    while let Some(result) = deleted.next().await {
        result?;
    }
    store.delete(&last).await
}
