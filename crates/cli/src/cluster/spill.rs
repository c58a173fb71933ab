//! How objects are written to files: the command's words, checked.

use clap::Args;
use serde_json::Value;
use trygon_wire::control::SpillConfig;

/// Where objects go when memory is full.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct SpillArgs {
    /// Folder for objects when memory is full, or s3://BUCKET/PREFIX with keys in the environment (AWS_ACCESS_KEY_ID and others); more than
    /// once for several, which are used in turn [default: in the session's folder, or /tmp].
    #[arg(long, value_name = "PLACE")]
    pub(crate) object_spilling_directory: Vec<String>,
    /// Bytes that objects may take there [default: until 95 % of the disk are in use].
    #[arg(long, value_name = "BYTES")]
    pub(crate) object_spilling_quota: Option<u64>,
    /// Whether objects are written to files when memory is full: on or off.
    #[arg(long, value_name = "ON|OFF", value_parser = on_or_off, default_value = "on")]
    pub(crate) spill: bool,
    /// Ray's settings of spilling, as JSON: '{"min_spilling_size": 100000000}'.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(crate) system_config: String,
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it must be on or off".to_owned()),
    }
}

impl SpillArgs {
    /// What the daemon is told.
    pub(crate) fn config(&self) -> Result<SpillConfig, String> {
        let mut config = SpillConfig {
            is_off: !self.spill,
            directories: self.object_spilling_directory.clone(),
            quota_bytes: self.object_spilling_quota.unwrap_or(0),
            ..SpillConfig::default()
        };
        let wrong = |error| format!("--system-config must be a JSON object, not {:?}: {error}", self.system_config);
        let given: serde_json::Map<String, Value> = serde_json::from_str(&self.system_config).map_err(wrong)?;
        for (name, value) in &given {
            take(&mut config, name, value)?;
        }
        for directory in &mut config.directories {
            if let Some(path) = directory.strip_prefix("file://") {
                *directory = path.to_owned();
            } else if directory.starts_with("s3://") {
                continue;
            } else if directory.contains("://") {
                let scheme = directory.split("://").next().unwrap_or_default();
                return Err(format!(
                    "--object-spilling-directory must be a folder or s3://BUCKET/PREFIX, not an address with {scheme}://"
                ));
            }
            let path = std::path::absolute(&*directory);
            let path = path.map_err(|error| format!("--object-spilling-directory {directory}: {error}"))?;
            *directory = path.to_string_lossy().into_owned();
        }
        Ok(config)
    }
}

/// One of Ray's settings. Those of its own processes have no counterpart, and are left alone.
fn take(config: &mut SpillConfig, name: &str, value: &Value) -> Result<(), String> {
    let wrong = |allowed: &str| format!("--system-config: {name} must be {allowed}, but it is {value}");
    let share =
        || value.as_f64().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| wrong("a number between 0 and 1"));
    let count = || value.as_u64().filter(|count| *count > 0).ok_or_else(|| wrong("a whole number above 0"));
    match name {
        "automatic_object_spilling_enabled" => {
            config.is_off |= !value.as_bool().ok_or_else(|| wrong("true or false"))?;
        }
        "object_spilling_threshold" => config.threshold = share()?,
        "local_fs_capacity_threshold" => config.disk_share = share()?,
        "min_spilling_size" => config.file_bytes = count()?,
        "max_fused_object_count" => config.file_objects = count()?,
        "object_spilling_config" if config.directories.is_empty() => config.directories = directories(value)?,
        _ => {}
    }
    Ok(())
}

/// The folders and addresses of Ray's `object_spilling_config`, an object or its JSON.
fn directories(value: &Value) -> Result<Vec<String>, String> {
    let wrong = || {
        "--system-config: object_spilling_config must be like \
         {\"type\": \"filesystem\", \"params\": {\"directory_path\": \"/data/spill\"}} or \
         {\"type\": \"smart_open\", \"params\": {\"uri\": \"s3://bucket/prefix\"}}"
            .to_owned()
    };
    let parsed: Value = match value {
        Value::String(text) => serde_json::from_str(text).map_err(|_| wrong())?,
        other => other.clone(),
    };
    let name = match parsed["type"].as_str() {
        Some("filesystem") => "directory_path",
        Some("smart_open") => "uri",
        _ => {
            return Err(format!(
                "--system-config: the type of object_spilling_config must be \"filesystem\" or \"smart_open\", but it is {}",
                parsed["type"]
            ));
        }
    };
    match &parsed["params"][name] {
        Value::String(path) => Ok(vec![path.clone()]),
        Value::Array(paths) => paths.iter().map(|path| path.as_str().map(str::to_owned).ok_or_else(wrong)).collect(),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::SpillArgs;

    fn config(system_config: &str) -> Result<trygon_wire::control::SpillConfig, String> {
        SpillArgs { spill: true, system_config: system_config.to_owned(), ..SpillArgs::default() }.config()
    }

    #[test]
    fn rays_settings_count() {
        let read = config(
            r#"{"min_spilling_size": 5, "object_spilling_threshold": 0.5, "local_fs_capacity_threshold": 0.9,
               "object_spilling_config": "{\"type\": \"filesystem\", \"params\": {\"directory_path\": [\"/a\", \"/b\"]}}",
               "gcs_rpc_server_reconnect_timeout_s": 60}"#,
        )
        .expect("all allowed");
        assert_eq!((read.file_bytes, read.threshold, read.disk_share), (5, 0.5, 0.9));
        assert_eq!(read.directories, ["/a", "/b"]);
        let addresses =
            r#"{"object_spilling_config": {"type": "smart_open", "params": {"uri": ["s3://data/a", "file:///b"]}}}"#;
        assert!(config(addresses).is_ok_and(|read| read.directories == ["s3://data/a", "/b"]));
        assert!(config(r#"{"automatic_object_spilling_enabled": false}"#).is_ok_and(|read| read.is_off));
    }

    #[test]
    fn what_is_not_allowed_is_named() {
        for (given, named) in [
            (r#"{"object_spilling_threshold": 2}"#, "between 0 and 1"),
            (r#"{"min_spilling_size": 0}"#, "above 0"),
            (r#"{"automatic_object_spilling_enabled": "no"}"#, "true or false"),
            (r#"{"object_spilling_config": {"type": "tape"}}"#, "tape"),
            (r#"{"object_spilling_config": {"type": "filesystem"}}"#, "directory_path"),
            (r#"{"object_spilling_config": {"type": "smart_open", "params": {"uri": 5}}}"#, "s3://bucket/prefix"),
            (r#"{"object_spilling_config": {"type": "smart_open", "params": {"uri": "gs://data/x"}}}"#, "with gs://"),
            ("[]", "JSON object"),
        ] {
            assert!(config(given).is_err_and(|error| error.contains(named)), "{given}");
        }
    }
}
