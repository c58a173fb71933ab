//! Compiles `proto/*.proto` without a `protoc` of the system.

use std::path::Path;

/// Messages that `trygon-wire` has already: they travel in its frames, and here unchanged.
const OF_WIRE: &[&str] = &[
    "Bundle",
    "Devices",
    "Death",
    "CreateActor",
    "CreateActorReply",
    "StartActor",
    "ActorStarted",
    "WatchActor",
    "ActorUpdate",
    "KillActor",
    "GetNamedActor",
    "NamedActor",
    "FunctionPut",
    "FunctionGet",
    "FunctionReply",
    "KeyValueRequest",
    "KeyValueReply",
    "StateQuery",
    "StateReply",
    "LogLines",
    "PeerDied",
    "CreatePlacementGroup",
    "RemovePlacementGroup",
    "WatchPlacementGroup",
    "PlacementGroupReply",
    "PlacementGroupUpdate",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", folder.display());
    let files = ["process.proto", "head.proto", "node.proto"].map(|name| folder.join(name));
    let descriptors = protox::compile(files, [&folder])?;
    let mut builder = tonic_prost_build::configure();
    for name in OF_WIRE {
        builder = builder.extern_path(format!(".trygon.v1.{name}"), format!("::trygon_wire::control::{name}"));
    }
    // The same bytes for the same message: what a head keeps of them is compared.
    builder.btree_map(".").compile_fds(descriptors)?;
    // The generator takes for granted that messages of elsewhere can be compared and hashed like its own.
    let generated = Path::new(&std::env::var("OUT_DIR")?).join("trygon.v1.rs");
    let text = std::fs::read_to_string(&generated)?.replace("PartialEq, Eq, Hash, ::prost", "PartialEq, ::prost");
    std::fs::write(generated, text)?;
    Ok(())
}
