//! A real daemon process with a fake interpreter: this program plays the driver, the daemon, the zygote and the workers,
//! told apart by its arguments.

mod channel;
mod fakes;
mod scenarios;

use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("node") => std::process::exit(i32::from(trygon_node::run_inherited().is_err())),
        // What the daemon gives to an interpreter.
        Some("-I") => fakes::zygote(),
        Some("intermediate") => fakes::intermediate(),
        Some("worker") => fakes::worker(),
        // What a test runner asks before it runs anything.
        Some("--list") => list(&arguments),
        _ => run(&arguments),
    }
}

fn list(arguments: &[String]) {
    if !arguments.iter().any(|argument| argument == "--ignored") {
        for (name, _) in scenarios::ALL {
            println!("{name}: test");
        }
    }
}

fn run(arguments: &[String]) {
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    for (name, scenario) in scenarios::ALL {
        if filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())) {
            let begin = Instant::now();
            scenario();
            println!("test {name} ... ok ({} ms)", begin.elapsed().as_millis());
        }
    }
}
