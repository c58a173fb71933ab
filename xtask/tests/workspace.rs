//! The laws hold in this very workspace, so that every test run checks them.

#[test]
fn the_laws_hold() {
    let findings = xtask::tidy::run_here().expect("the tree can be read");
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}
