//! A place in a bucket, as the store's threads use it.

use crate::address::Address;
use crate::alive;
use crate::download::Download;
use crate::failure::explain;
use crate::http::Connector;
use crate::kinds;
use crate::leftovers;
use crate::shared::{Limits, SESSION, Shared, Uploads};
use crate::upload::Upload;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStoreExt, RetryConfig};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use trygon_store::spill::{Incoming, Storage, Stored};

/// Whether a place can be written to is known within this time.
const CHECK_LIMIT: Duration = Duration::from_millis(4_800);
/// Everything of a session is deleted within this time, or left to the next one.
const CLEAR_LIMIT: Duration = Duration::from_secs(3);

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
        let clearing = alive::clear(&*shared.store, &shared.session);
        let _ = shared.driver.block_on(async { tokio::time::timeout(CLEAR_LIMIT, clearing).await });
    }
}
