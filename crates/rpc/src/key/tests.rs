//! The key's text and file, and that it does not show itself.

use super::*;
use crate::sample::Folder;
use std::os::unix::fs::PermissionsExt;

fn key() -> ClusterKey {
    ClusterKey::generate([7; 32]).expect("random bytes")
}

#[test]
fn the_text_form_is_read_back() {
    let key = key();
    let text = key.to_text();
    assert_eq!(text.len(), 8 + 64 + 1 + 64);
    let read = ClusterKey::from_text(&format!("  {}\n", *text)).expect("a key");
    assert_eq!(*read.to_text(), *text);
    assert_eq!(read.authority_fingerprint(), &[7; 32]);
    assert_ne!(*ClusterKey::generate([7; 32]).expect("random bytes").to_text(), *text);
}

#[test]
fn what_is_no_key_is_refused_without_repeating_it() {
    let text = key().to_text();
    for wrong in
        ["", "trygon1:", "trygon1:abc:def", &text[1..], &text[..text.len() - 1], &text.replace("trygon1", "trygon2")]
    {
        let error = ClusterKey::from_text(wrong).expect_err("no key").to_string();
        assert!(error.contains("trygon1:<64 hexadecimal digits>"), "{error}");
        assert!(!error.contains(&text[8..40]), "the error repeats the secret");
    }
}

#[test]
fn nothing_shows_the_secret() {
    let key = key();
    let secret = key.to_text()[8..72].to_owned();
    for shown in [format!("{key:?}"), format!("{key:#?}")] {
        assert!(!shown.contains(&secret) && shown.contains("07070707"), "{shown}");
    }
}

#[test]
fn the_file_is_for_its_owner_only() {
    let folder = Folder::new();
    let path = folder.path().join("cluster.key");
    let key = key();
    key.write_file(&path).expect("written");
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(*ClusterKey::from_file(&path).expect("a key").to_text(), *key.to_text());
    for mode in [0o640, 0o604, 0o620, 0o644] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("own file");
        let error = ClusterKey::from_file(&path).expect_err("others may read it").to_string();
        assert!(error.contains(&format!("run: chmod 600 {}", path.display())), "{error}");
    }
    // What is written over it is for its owner only again.
    key.write_file(&path).expect("written");
    assert!(ClusterKey::from_file(&path).is_ok());
}

#[test]
fn a_missing_or_mutilated_file_is_named() {
    let folder = Folder::new();
    let path = folder.path().join("cluster.key");
    let error = ClusterKey::from_file(&path).expect_err("no file").to_string();
    assert!(error.contains("cluster.key") && error.contains("Copy it from the head"), "{error}");
    std::fs::write(&path, "trygon1:half").expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("own file");
    let error = ClusterKey::from_file(&path).expect_err("no key").to_string();
    assert!(error.contains("holds no cluster key") && error.contains("cluster.key"), "{error}");
    std::fs::write(&path, vec![b'x'; 100_000]).expect("written");
    assert!(ClusterKey::from_file(&path).expect_err("too long").to_string().contains("too long"));
}
