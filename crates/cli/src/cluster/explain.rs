//! `trygon explain`: what something is, how it is, and why.

use crate::cluster::args::Explain;
use crate::cluster::connection::{Connection, connect};
use serde_json::Value;
use std::process::ExitCode;

/// Explains what goes by a name, an id or a code.
pub(crate) fn explain(explain: &Explain) -> Result<ExitCode, String> {
    let mut connection: Option<Connection> = None;
    // The page of a code needs no cluster.
    let mut ask = |what: &str, argument: &str| match &mut connection {
        Some(connection) => connection.ask(what, argument),
        none => none.insert(connect(&explain.at)?).ask(what, argument),
    };
    let found = trygon_explain::explain(&explain.what, &mut ask)?;
    if explain.json {
        println!("{}", Value::Array(found));
    } else {
        print!("{}", trygon_explain::render(&found));
    }
    Ok(ExitCode::SUCCESS)
}
