//! The authority's files: the same after a restart, for their owner only, and never silently replaced.

use super::*;
use crate::sample::{Folder, HOUR, node_id, now};
use std::os::unix::fs::PermissionsExt;

fn open(folder: &Path) -> (Authority, ClusterKey) {
    Authority::open_or_create(folder, now()).expect("an authority")
}

fn refusal(folder: &Path) -> String {
    Authority::open_or_create(folder, now()).expect_err("refused").to_string()
}

#[test]
fn the_same_folder_gives_the_same_authority_and_key() {
    let folder = Folder::new();
    let path = folder.path().join("session/authority");
    let (first, first_key) = open(&path);
    let (again, again_key) = open(&path);
    assert_eq!(first.fingerprint(), again.fingerprint());
    assert_eq!(*first_key.to_text(), *again_key.to_text());
    assert_eq!(*first_key.authority_fingerprint(), first.fingerprint());
    // What the first signed, the second's certificate vouches for.
    let node = first.issue_node(node_id(1), now(), HOUR).expect("a certificate");
    assert_eq!(node.authority(), again.certificate());
}

#[test]
fn folder_and_files_are_for_their_owner_only() {
    let folder = Folder::new();
    let path = folder.path().join("authority");
    open(&path);
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&path).expect("there") {
        let entry = entry.expect("an entry");
        assert_eq!(entry.metadata().expect("there").permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().expect("text"));
    }
    names.sort();
    assert_eq!(names, [CERTIFICATE_FILE, KEY_FILE, CLUSTER_KEY_FILE]);
    std::fs::set_permissions(path.join(KEY_FILE), PermissionsExt::from_mode(0o640)).expect("own file");
    let error = refusal(&path);
    assert!(error.contains("chmod 600") && error.contains(KEY_FILE), "{error}");
}

#[test]
fn lost_files_are_not_replaced_under_a_key_that_is_out() {
    let folder = Folder::new();
    let (authority, key) = open(folder.path());
    std::fs::remove_file(folder.path().join(KEY_FILE)).expect("there");
    assert!(refusal(folder.path()).contains("authority.key is missing"));
    std::fs::remove_file(folder.path().join(CERTIFICATE_FILE)).expect("there");
    assert!(refusal(folder.path()).contains("has a cluster key but not its authority"));
    authority.write(folder.path()).expect("written");
    assert_eq!(*open(folder.path()).1.to_text(), *key.to_text());
}

#[test]
fn a_removed_key_file_changes_the_secret_only() {
    let folder = Folder::new();
    let (authority, key) = open(folder.path());
    std::fs::remove_file(folder.path().join(CLUSTER_KEY_FILE)).expect("there");
    let (again, other_key) = open(folder.path());
    assert_eq!(authority.fingerprint(), again.fingerprint());
    assert_ne!(*key.to_text(), *other_key.to_text());
}

#[test]
fn a_start_that_was_cut_off_is_finished() {
    let folder = Folder::new();
    let authority = Authority::create(now()).expect("an authority");
    // Only the first file was written, and half of the second.
    write_private(&folder.path().join(KEY_FILE), &authority.issuer.key().serialize_der()).expect("written");
    std::fs::write(folder.path().join("authority.crt.new"), b"half").expect("written");
    let (made, _) = open(folder.path());
    assert_eq!(made.fingerprint(), open(folder.path()).0.fingerprint());
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let folder = Folder::new();
    open(folder.path());
    let other = Authority::create(now()).expect("an authority");
    write_private(&folder.path().join(KEY_FILE), &other.issuer.key().serialize_der()).expect("written");
    assert!(refusal(folder.path()).contains("is not the key of"));
    other.write(folder.path()).expect("written");
    assert!(refusal(folder.path()).contains("the key of another authority"));
    write_private(&folder.path().join(KEY_FILE), b"nonsense").expect("written");
    assert!(refusal(folder.path()).contains("holds no private key"));
    other.write(folder.path()).expect("written");
    write_private(&folder.path().join(CERTIFICATE_FILE), b"nonsense").expect("written");
    assert!(refusal(folder.path()).contains("holds no certificate"));
}

#[test]
fn only_a_point_of_the_curve_gets_a_certificate() {
    let authority = Authority::create(now()).expect("an authority");
    for wrong in [&[][..], &[4; 64], &[2; 65], &[4; 66]] {
        let error = authority.issue_for(node_id(1), wrong, now(), HOUR).expect_err("no public key").to_string();
        assert!(error.contains("not a point of P-256"), "{error}");
    }
}

#[test]
fn an_authority_that_has_ended_says_so() {
    let authority = Authority::create(now() - LIFETIME - HOUR).expect("an authority");
    let error = authority.issue_node(node_id(1), now(), HOUR).expect_err("ended").to_string();
    assert!(error.contains("this machine's clock says") && error.contains("ended at"), "{error}");
}
