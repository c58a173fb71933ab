//! `cargo xtask tidy`: the command line, and nothing else.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy(),
        ["laws"] => {
            for law in xtask::tidy::LAWS {
                println!("{:<12} {}", law.name, law.says);
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: cargo xtask tidy   check the laws of the tree\n       cargo xtask laws   list them");
            ExitCode::from(2)
        }
    }
}

fn tidy() -> ExitCode {
    let findings = match xtask::tidy::run_here() {
        Ok(findings) => findings,
        Err(reason) => {
            eprintln!("tidy could not read the tree: {reason}");
            return ExitCode::from(2);
        }
    };
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: {} laws hold", xtask::tidy::LAWS.len());
        return ExitCode::SUCCESS;
    }
    println!("tidy: {} to mend", findings.len());
    ExitCode::FAILURE
}
