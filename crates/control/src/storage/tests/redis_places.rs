//! The journal in Redis: the contract, the keys as documented, and everything that can be wrong with a server.

use crate::storage::tests::conformance::{conforms, does_what_memory_does, has_one_holder, load, record, records};
use crate::storage::tests::redis_server::Server;
use crate::storage::{Cut, RedisStorage, Storage, StorageError};
use ::redis::{Client, Connection, FromRedisValue, cmd};

fn open(server: &Server, cluster: &str) -> Box<dyn Storage> {
    Box::new(RedisStorage::new(&server.address(""), cluster, None).expect("a good address"))
}

fn connect(server: &Server) -> Connection {
    Client::open(server.address("")).and_then(|client| client.get_connection()).expect("it listens")
}

fn ask<R: FromRedisValue>(server: &Server, words: &[&str]) -> R {
    let mut command = cmd(words[0]);
    words[1..].iter().for_each(|word| {
        command.arg(word);
    });
    command.query(&mut connect(server)).expect("an answer")
}

#[test]
fn redis_conforms() {
    let Some(server) = Server::start(&[]) else { return };
    conforms(&|| open(&server, "conforms"));
    has_one_holder(&|| open(&server, "held"));
    for seed in 0..4 {
        does_what_memory_does(&|| open(&server, &format!("seed-{seed}")), seed, 150);
    }
}

#[test]
fn the_keys_are_as_documented() {
    let Some(server) = Server::start(&[]) else { return };
    let (mut one, mut other) = (open(&server, "one"), open(&server, "other"));
    assert_eq!(one.load().expect("new").warnings, Vec::<String>::new(), "this server syncs every write");
    other.load().expect("new");
    one.append(&records(1..=3, 1)).expect("room");
    one.snapshot(1, b"the state", &[]).expect("room");
    let mut keys: Vec<String> = ask(&server, &["KEYS", "*"]);
    keys.sort();
    assert_eq!(keys.pop().as_deref(), Some("trygon:{other}:about"));
    assert_eq!(keys, ["about", "blobs", "journal", "snapshot"].map(|name| format!("trygon:{{one}}:{name}")));
    let (ids, fields): (Vec<String>, Vec<Vec<Vec<u8>>>) =
        ask::<Vec<(String, Vec<Vec<u8>>)>>(&server, &["XRANGE", "trygon:{one}:journal", "-", "+"]).into_iter().unzip();
    assert_eq!(ids, ["2-0", "3-0"]);
    let expected = record(2, 1);
    let checksum = expected.checksum().to_string();
    let pairs: [(&str, &[u8]); 6] = [
        ("event", b"event 1"),
        ("node", &expected.origin.hex().into_bytes()),
        ("at_us", b"1002"),
        ("body", &expected.body),
        ("blob", b""),
        ("checksum", checksum.as_bytes()),
    ];
    assert_eq!(fields[0], pairs.iter().flat_map(|(name, value)| [name.as_bytes(), value]).collect::<Vec<_>>());
    let through: String = ask(&server, &["HGET", "trygon:{one}:snapshot", "through"]);
    let state: String = ask(&server, &["HGET", "trygon:{one}:snapshot", "state"]);
    let format: String = ask(&server, &["HGET", "trygon:{one}:about", "format"]);
    assert_eq!((through.as_str(), state.as_str(), format.as_str()), ("1", "the state", "1"));
    assert_eq!(load(&|| open(&server, "other")).records, [], "clusters do not see one another");
}

#[test]
fn a_format_of_another_version_is_refused_and_left_alone() {
    let Some(server) = Server::start(&[]) else { return };
    let _: i64 = ask(&server, &["HSET", "trygon:{c}:about", "format", "2"]);
    let error = open(&server, "c").load().expect_err("not ours to read");
    assert!(matches!(&error, StorageError::Refused { message, .. } if message.contains("format 2")), "{error}");
    assert_eq!(ask::<Option<i64>>(&server, &["HGET", "trygon:{c}:about", "holder"]), None);
}

#[test]
fn a_server_that_crashed_is_waited_for() {
    let Some(mut server) = Server::start(&[]) else { return };
    let mut storage = open(&server, "c");
    storage.load().expect("new");
    storage.append(&records(1..=3, 1)).expect("room");
    server.kill();
    for _ in 0..2 {
        let error = storage.append(&records(4..=5, 1)).expect_err("nobody listens");
        assert!(matches!(&error, StorageError::Unavailable { .. }) && error.is_temporary(), "{error}");
    }
    server.start_again();
    storage.append(&records(4..=5, 1)).expect("it is back, with all that was acknowledged");
    assert_eq!(load(&|| open(&server, "c")).records, records(1..=5, 1));
}

#[test]
fn an_append_of_unknown_outcome_is_replaced() {
    let Some(server) = Server::start(&[]) else { return };
    let mut storage = open(&server, "c");
    storage.load().expect("new");
    storage.append(&records(1..=4, 1)).expect("room");
    let killed: i64 = ask(&server, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    assert!(killed > 0, "our connection is cut");
    let result = storage.append(&records(3..=3, 2));
    if let Err(error) = result {
        assert!(error.is_temporary(), "{error}");
        storage.append(&records(3..=3, 2)).expect("connected again");
    }
    assert_eq!(load(&|| open(&server, "c")).records, [records(1..=2, 1), records(3..=3, 2)].concat());
}

#[test]
fn a_full_server_is_told_and_changes_nothing() {
    let Some(server) = Server::start(&["--maxmemory-policy", "noeviction"]) else { return };
    let mut storage = open(&server, "c");
    storage.load().expect("new");
    storage.append(&records(1..=3, 1)).expect("room");
    let _: String = ask(&server, &["CONFIG", "SET", "maxmemory", "1"]);
    let error = storage.append(&records(4..=6, 1)).expect_err("no room");
    assert!(matches!(&error, StorageError::Full { .. }) && error.is_temporary(), "{error}");
    let error = storage.snapshot(3, &[1; 1_000], &[]).expect_err("no room");
    assert!(matches!(&error, StorageError::Full { .. }), "{error}");
    let _: String = ask(&server, &["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(load(&|| open(&server, "c")).records, records(1..=3, 1), "JOURNAL-3");
}

#[test]
fn damage_at_the_end_is_cut_and_damage_before_is_an_error() {
    let Some(server) = Server::start(&[]) else { return };
    let mut storage = open(&server, "c");
    storage.load().expect("new");
    storage.append(&records(1..=3, 1)).expect("room");
    let journal = "trygon:{c}:journal";
    let _: String = ask(&server, &["XADD", journal, "4-0", "event", "torn"]);
    let (found, place) = (load(&|| open(&server, "c")), open(&server, "c").place());
    assert_eq!(
        (found.records, found.cut),
        (records(1..=3, 1), Some(Cut { first_index: 4, dropped: 1, detail: place }))
    );
    let mut storage = open(&server, "c");
    storage.load().expect("cut");
    storage.append(&records(4..=5, 1)).expect("goes on behind the cut");
    let _: i64 = ask(&server, &["XDEL", journal, "2-0"]);
    let error = open(&server, "c").load().expect_err("an acknowledged event is gone");
    assert!(matches!(&error, StorageError::Corrupt { .. }), "{error}");
}

#[test]
fn a_password_is_needed_and_never_shown() {
    let Some(server) = Server::start(&["--requirepass", "correct-horse"]) else { return };
    let open = |query: &str| RedisStorage::new(&server.address(query), "c", None).expect("a good address");
    open("?pass=correct-horse").load().expect("the right one");
    for query in ["", "?pass=wrong-horse"] {
        let mut storage = open(query);
        let error = storage.load().expect_err("a wrong one or none");
        assert!(matches!(&error, StorageError::Refused { .. }), "{error:?}");
        let shown = format!("{error} {error:?} {storage:?} {}", storage.place());
        assert!(!shown.contains("horse"), "{shown}");
    }
    let shown = RedisStorage::new("redis://user:secret@127.0.0.1:1/0", "c", None).expect("a good address").place();
    assert!(!shown.contains("secret") && !shown.contains("user") && shown.contains("127.0.0.1:1"), "{shown}");
}

#[test]
fn a_server_that_may_lose_events_is_warned_of() {
    let Some(server) = Server::start(&[]) else { return };
    let _: String = ask(&server, &["CONFIG", "SET", "appendfsync", "everysec"]);
    let warnings = open(&server, "c").load().expect("new").warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("appendfsync always"), "{warnings:?}");
}

#[test]
fn addresses_and_names_that_make_no_sense_are_refused() {
    for (address, cluster) in
        [("redis://", "c"), ("http://x", "c"), ("redis://127.0.0.1", "a{b"), ("redis://127.0.0.1", "")]
    {
        let error = RedisStorage::new(address, cluster, None).expect_err(address);
        assert!(matches!(&error, StorageError::Refused { .. }), "{error}");
    }
    let missing = std::path::Path::new("/no/such/authority.pem");
    let error = RedisStorage::new("rediss://127.0.0.1", "c", Some(missing)).expect_err("no file");
    assert!(error.to_string().contains("/no/such/authority.pem"), "{error}");
}
