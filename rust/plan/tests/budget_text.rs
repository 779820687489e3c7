// SPDX-License-Identifier: GPL-2.0

//! What user space writes to change limits, and what it reads.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::num::NonZeroUsize;
use strata_plan::budget::{Limits, ParseError, Refused, Update};

fn limits(soft: usize, hard: usize) -> Limits {
    Limits::new(soft, NonZeroUsize::new(hard)).unwrap()
}

/// Limits that exist, of numbers below `end`.
fn some_limits(end: usize) -> impl Strategy<Value = Limits> {
    (0..end, option::of(0..end)).prop_map(|(soft, more)| {
        let hard = more.and_then(|more| NonZeroUsize::new(soft + more));
        Limits::new(soft, hard).unwrap()
    })
}

proptest! {
    #[test]
    fn what_limits_print_parses(limits in some_limits(usize::MAX / 2), before in some_limits(9)) {
        let update = Update::parse(limits.to_string().as_bytes()).unwrap();
        prop_assert_eq!(update.soft, Some(limits.soft()));
        prop_assert_eq!(before.updated(update), Ok(limits));
    }

    #[test]
    fn updates_parse_in_any_order_and_spacing(
        soft in option::of(any::<usize>()),
        hard in option::of(any::<usize>()),
        swap: bool,
        blanks in vec("[ \t\r\n]{1,3}", 5),
    ) {
        let mut pairs = Vec::new();
        pairs.extend(soft.map(|number| ("soft", number)));
        pairs.extend(hard.map(|number| ("hard", number)));
        if swap {
            pairs.reverse();
        }
        let mut text = String::new();
        let mut blank = blanks.iter().cycle();
        for (key, number) in &pairs {
            text += &format!("{}{key}{}{number}", blank.next().unwrap(), blank.next().unwrap());
        }
        text += blank.next().unwrap();
        let naive = if pairs.is_empty() { Err(ParseError::Empty) } else { Ok(Update { soft, hard }) };
        prop_assert_eq!(Update::parse(text.as_bytes()), naive);
    }

    #[test]
    fn no_bytes_panic(text: Vec<u8>) {
        let _ = Update::parse(&text);
    }

    #[test]
    fn nearly_right_text_is_all_or_nothing(
        words in vec(prop_oneof!["soft", "hard", "[0-9]{1,25}", "[a-z0-9+-]{1,5}"], 0..6),
    ) {
        if let Ok(update) = Update::parse(words.join(" ").as_bytes()) {
            // What was taken says all that was written.
            let mut said = Vec::new();
            said.extend(update.soft.map(|number| ("soft", number)));
            said.extend(update.hard.map(|number| ("hard", number)));
            let mut pairs = said.iter().map(|(key, number)| (*key, *number)).collect::<Vec<_>>();
            pairs.sort();
            let mut written = if words.len() == 1 {
                vec![("soft", words[0].parse::<usize>().unwrap())]
            } else {
                words.chunks(2).map(|pair| (pair[0].as_str(), pair[1].parse().unwrap())).collect()
            };
            written.sort();
            prop_assert_eq!(pairs, written);
        }
    }
}

#[test]
fn updates_that_are_refused() {
    let cases: &[(&[u8], ParseError)] = &[
        (b"", ParseError::Empty),
        (b" \t\r\n", ParseError::Empty),
        (b"soft", ParseError::NoNumber),
        (b"hard\n", ParseError::NoNumber),
        (b"soft hard 5", ParseError::NoNumber),
        (b"soft 5 hard", ParseError::NoNumber),
        (b"soft -1", ParseError::NoNumber),
        (b"soft +1", ParseError::NoNumber),
        (b"soft 0x10", ParseError::NoNumber),
        (b"soft 1k", ParseError::NoNumber),
        (b"soft 1a", ParseError::NoNumber),
        (b"soft 99999999999999999999999999k", ParseError::NoNumber),
        (b"soft 18446744073709551616", ParseError::Overflow),
        (b"18446744073709551616", ParseError::Overflow),
        (b"-1", ParseError::UnknownWord),
        (b"1k", ParseError::UnknownWord),
        (b"1\0", ParseError::UnknownWord),
        (b"5 6", ParseError::UnknownWord),
        (b"5 hard 6", ParseError::UnknownWord),
        (b"hard 6 5", ParseError::UnknownWord),
        (b"Soft 5", ParseError::UnknownWord),
        (b"soft=5", ParseError::UnknownWord),
        (b"used 5", ParseError::UnknownWord),
        (b"soft 5 soft 5", ParseError::Twice),
        (b"hard 0 soft 5 hard 9", ParseError::Twice),
    ];
    for (text, error) in cases {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(Update::parse(text), Err(*error), "{shown:?}");
    }
}

#[test]
fn an_update_changes_what_it_names() {
    let start = limits(10, 20);
    let updated = |text: &[u8]| start.updated(Update::parse(text).unwrap());
    assert_eq!(updated(b"5\n"), Ok(limits(5, 20)));
    assert_eq!(updated(b"0"), Ok(limits(0, 20)));
    assert_eq!(updated(b"soft 20"), Ok(limits(20, 20)));
    assert_eq!(updated(b"soft 21"), Err(Refused::HardBelowSoft));
    assert_eq!(updated(b"hard 9"), Err(Refused::HardBelowSoft));
    assert_eq!(updated(b"hard 0"), Ok(limits(10, 0)));
    assert_eq!(updated(b"soft 21 hard 0"), Ok(limits(21, 0)));
    assert_eq!(updated(b"hard 30\nsoft 30\n"), Ok(limits(30, 30)));
    assert_eq!(start.to_string(), "soft 10\nhard 20");
    assert_eq!(limits(10, 0).to_string(), "soft 10\nhard 0");
}
