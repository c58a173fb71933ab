//! Codes of errors, and a page for each: what happened, why, and what to do. `trygon explain TRY0007` prints one.
//!
//! A code never changes its meaning, and is not used again when its error is gone. The class that carries a code is in the page's first
//! line; `python/trygon/_core/error_codes.py` has the same table for Python, and a test holds them together.

#![forbid(unsafe_code)]

mod kinds;
mod pages;

pub use kinds::class_and_code;
pub use pages::PAGES;

/// The page of a code, in any case: `try0007` will do.
pub fn page(code: &str) -> Option<&'static str> {
    let found = PAGES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code.trim()));
    found.map(|(_, text)| *text)
}

/// Whether a text is meant as a code, known or not.
pub fn is_code(text: &str) -> bool {
    let text = text.trim().as_bytes();
    text.len() == 7 && text[..3].eq_ignore_ascii_case(b"TRY") && text[3..].iter().all(u8::is_ascii_digit)
}

/// The class that a page is about.
pub fn class_of(page: &str) -> Option<&str> {
    page.lines().next().and_then(|line| line.split_once(": ")).map(|(_, class)| class)
}

#[cfg(test)]
mod tests {
    use super::{PAGES, class_of, is_code, page};
    use std::collections::BTreeSet;

    #[test]
    fn every_page_is_whole_and_says_what_to_do() {
        let mut classes = BTreeSet::new();
        for (number, (code, text)) in PAGES.iter().enumerate() {
            assert_eq!(*code, format!("TRY{:04}", number + 1));
            assert!(is_code(code) && text.starts_with(&format!("# {code}: ")), "{code}");
            assert!(text.contains("\n## Why\n") && text.contains("\n## What to do\n\n- "), "{code}");
            assert!(classes.insert(class_of(text).expect("a class")), "{code}: its class has another page");
        }
    }

    #[test]
    fn a_code_is_found_in_any_case() {
        assert!(page(" try0007 ").is_some_and(|text| text.contains("ActorUnavailableError")));
        assert!(page("TRY9999").is_none() && is_code("TRY9999"));
        assert!(!is_code("TRY77") && !is_code("0123456") && !is_code("tryé001"));
    }
}
