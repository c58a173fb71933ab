//! The times that a certificate carries are read back; mutilated ones are none.

use super::*;
use crate::sample::{HOUR, authority, node};

#[test]
fn the_times_of_a_certificate_are_read() {
    let now = SystemTime::now();
    let certificate = node(&authority(), 1);
    let process = certificate.issue_service(now, HOUR / 2).expect("a certificate").validity().expect("a validity");
    assert_eq!(process.not_before_s, unix_s(now) - 3600);
    assert_eq!(process.not_after_s, unix_s(now) + 1800);
    // The authority's goes beyond 2049 or not; either form of time is read.
    assert!(Validity::of(certificate.authority()).expect("a validity").not_after_s > unix_s(now) + 19 * 365 * 86_400);
}

#[test]
fn both_forms_of_time_are_read() {
    let utc = time(b"\x17\x0d261121123005Z").expect("a time").0;
    assert_eq!(utc_text(utc), "2026-11-21 12:30:05 UTC");
    let generalized = time(b"\x18\x0f20501121123005Zrest").expect("a time");
    assert_eq!((utc_text(generalized.0).as_str(), generalized.1), ("2050-11-21 12:30:05 UTC", b"rest".as_slice()));
    assert_eq!(utc_text(time(b"\x17\x0d500101000000Z").expect("a time").0), "1950-01-01 00:00:00 UTC");
    for wrong in [&b"\x17\x0d261321123005Z"[..], b"\x17\x0d2611211230055", b"\x17\x0e261121123005Z", b"\x04\x01a", b""]
    {
        assert_eq!(time(wrong), None);
    }
}

#[test]
fn mutilated_certificates_have_a_validity_or_none_but_never_panic() {
    let whole =
        node(&authority(), 1).issue_service(SystemTime::now(), HOUR).expect("a certificate").chain()[0].to_vec();
    for len in 0..whole.len() {
        assert_eq!(Validity::of(&whole[..len]), None, "the first {len} bytes are no certificate");
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            std::hint::black_box(Validity::of(&bytes));
        }
    }
}

#[test]
fn renewal_is_due_in_the_last_third() {
    let validity = Validity { not_before_s: 1_000_000, not_after_s: 1_000_000 + 3600 + 900 };
    let at = |second: u64| UNIX_EPOCH + Duration::from_secs(1_003_600 + second);
    assert!(!validity.needs_renewal(at(0)));
    assert!(!validity.needs_renewal(at(600)));
    assert!(validity.needs_renewal(at(601)));
    assert!(!validity.is_over(at(900)));
    assert!(validity.is_over(at(901)));
}
