// SPDX-License-Identifier: GPL-2.0

//! The drop-caches mask against a naive model: a list of names in the order of their bits.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use strata_plan::drop_mask::{Mask, ParseError};

const NAMES: [&str; 14] = [
    "purge",
    "idle",
    "active",
    "writeback",
    "all",
    "retire",
    "wait_idle",
    "freed",
    "rcu",
    "as_nofs",
    "as_kswapd",
    "pf_memalloc",
    "fail_trylock",
    "random_order",
];

/// What a number means: bits 0 to 8 say what, 9 to 13 only how.
fn naive(bits: u128) -> Result<u32, ParseError> {
    match bits {
        0 => Err(ParseError::Zero),
        _ if bits >= 1 << 14 => Err(ParseError::UnknownBits),
        _ if bits % (1 << 9) == 0 => Err(ParseError::OnlyModifiers),
        _ => Ok(bits as u32),
    }
}

fn parse(text: &str) -> Result<u32, ParseError> {
    Mask::parse(text.as_bytes()).map(Mask::bits)
}

fn any_mask() -> impl Strategy<Value = Mask> {
    (1u32..1 << 14).prop_filter_map("only modifiers", |bits| Mask::from_bits(bits).ok())
}

proptest! {
    #[test]
    fn numbers_mean_their_bits(bits in prop_oneof![0u128..1 << 15, any::<u128>()]) {
        prop_assert_eq!(parse(&format!("{bits}")), naive(bits));
        prop_assert_eq!(parse(&format!("0x{bits:x}\n")), naive(bits));
        prop_assert_eq!(parse(&format!(" 0X{bits:08X} ")), naive(bits));
        if let Ok(bits) = u32::try_from(bits) {
            prop_assert_eq!(Mask::from_bits(bits).map(Mask::bits), naive(bits.into()));
        }
    }

    #[test]
    fn names_mean_their_bits(
        words in vec((0usize..14, any::<bool>(), "[ \t\n|,]{1,3}"), 0..10),
        before in "[ \t\n|,]{0,2}",
    ) {
        let mut text = before;
        for (index, upper, after) in &words {
            let name = NAMES[*index];
            text += &if *upper { name.to_uppercase() } else { name.to_owned() };
            text += after;
        }
        let bits = words.iter().fold(0, |bits, (index, ..)| bits | (1u128 << index));
        let expected = if words.is_empty() { Err(ParseError::Empty) } else { naive(bits) };
        prop_assert_eq!(parse(&text), expected);
    }

    #[test]
    fn what_is_printed_parses(mask in any_mask()) {
        prop_assert_eq!(Mask::parse(mask.to_string().as_bytes()), Ok(mask));
        let lines: Vec<String> = mask.names().map(|bit| bit.to_string()).collect();
        let (mut sum, mut names) = (0, Vec::new());
        for line in &lines {
            let mut words = line.split_whitespace();
            let number = words.next().unwrap().strip_prefix("0x").unwrap();
            sum += u32::from_str_radix(number, 16).unwrap();
            names.push(words.next().unwrap());
            prop_assert!(words.next().is_some() && !line.contains('\n'));
        }
        prop_assert_eq!(sum, mask.bits());
        prop_assert_eq!(names.join("|"), mask.to_string());
    }

    #[test]
    fn masks_are_sets(a in any_mask(), b in any_mask()) {
        let set = |mask: Mask| (0..32).map(|bit| (mask.bits() >> bit) & 1 == 1).collect::<Vec<_>>();
        for bit in 0..32 {
            let (in_a, in_b) = (set(a)[bit], set(b)[bit]);
            prop_assert_eq!(set(a.union(b))[bit], in_a || in_b);
            prop_assert_eq!(set(a.intersection(b))[bit], in_a && in_b);
            prop_assert_eq!(set(a.without(b))[bit], in_a && !in_b);
        }
        prop_assert_eq!(a.contains(b), set(b).iter().zip(set(a)).all(|(b, a)| !b || a));
        prop_assert_eq!(a.unsupported(b).is_none(), b.contains(a));
        prop_assert!(a.unsupported(b).is_none_or(|rest| rest == a.without(b) && !rest.is_empty()));
    }

    #[test]
    fn all_implies_the_rounds_that_free(mask in any_mask()) {
        let implied = if mask.contains(Mask::ALL) { 0b111 } else { 0 };
        prop_assert_eq!(mask.expanded().bits(), mask.bits() | implied);
        prop_assert_eq!(mask.rounds().bits(), (mask.bits() | implied) & 0b1111);
        prop_assert_eq!(mask.expanded().expanded(), mask.expanded());
    }

    #[test]
    fn no_bytes_panic(text: Vec<u8>) {
        if let Ok(mask) = Mask::parse(&text) {
            prop_assert_eq!(Mask::from_bits(mask.bits()), Ok(mask));
        }
    }

    #[test]
    fn one_wrong_word_spoils_the_rest(
        names in vec(select(&NAMES[..]), 1..5),
        wrong in "[a-z]{1,3}[0-9_]|[0-9]{1,4}|0x[0-9a-f]{1,4}|0x",
        at in any::<prop::sample::Index>(),
    ) {
        let mut words = names;
        words.insert(at.index(words.len() + 1), &wrong);
        prop_assert_eq!(parse(&words.join(" ")), Err(ParseError::UnknownWord));
    }
}

#[test]
fn the_bits_are_those_of_the_interface() {
    let names: Vec<_> = Mask::KNOWN.names().map(|bit| bit.name).collect();
    assert_eq!(names, NAMES);
    for (index, bit) in Mask::KNOWN.names().enumerate() {
        assert_eq!(bit.mask.bits(), 1 << index);
        assert!(!bit.text.is_empty() && !bit.text.contains('\n'));
    }
    assert_eq!(Mask::KNOWN.bits(), 0x3fff);
    assert_eq!(Mask::ROUNDS.bits(), 0x000f);
    assert_eq!(Mask::MODIFIERS.bits(), 0x3e00);
    assert_eq!(Mask::RANDOM_ORDER.bits(), 0x2000);
}

#[test]
fn masks_that_are_taken() {
    let cases = [
        ("1", 0x1),
        ("3\n", 0x3),
        ("010", 0xa),
        ("0x1ff", 0x1ff),
        ("0x3fff", 0x3fff),
        ("0X00000000000000001", 0x1),
        ("purge", 0x1),
        ("purge idle as_nofs\n", 0x203),
        ("Purge|IDLE,as_NOFS", 0x203),
        (" | purge,,purge | ", 0x1),
        ("freed rcu", 0x180),
        ("retire", 0x20),
    ];
    for (text, bits) in cases {
        assert_eq!(parse(text), Ok(bits), "{text:?}");
    }
}

#[test]
fn masks_that_are_refused() {
    let cases = [
        ("", ParseError::Empty),
        ("\n", ParseError::Empty),
        (" ,|\t", ParseError::Empty),
        ("0", ParseError::Zero),
        ("0x0\n", ParseError::Zero),
        ("0x4000", ParseError::UnknownBits),
        ("0x4001", ParseError::UnknownBits),
        ("16384", ParseError::UnknownBits),
        ("4294967296", ParseError::UnknownBits),
        ("18446744073709551616", ParseError::UnknownBits),
        ("0x10000000000000000", ParseError::UnknownBits),
        ("0x", ParseError::UnknownWord),
        ("0xg", ParseError::UnknownWord),
        ("1a", ParseError::UnknownWord),
        ("1f", ParseError::UnknownWord),
        ("-1", ParseError::UnknownWord),
        ("+1", ParseError::UnknownWord),
        ("1 2", ParseError::UnknownWord),
        ("1 idle", ParseError::UnknownWord),
        ("idle 1", ParseError::UnknownWord),
        ("18446744073709551616 idle", ParseError::UnknownWord),
        ("purg", ParseError::UnknownWord),
        ("purge_", ParseError::UnknownWord),
        ("purge;idle", ParseError::UnknownWord),
        ("purge\0", ParseError::UnknownWord),
        ("as_nofs", ParseError::OnlyModifiers),
        ("as_kswapd random_order", ParseError::OnlyModifiers),
        ("0x3e00", ParseError::OnlyModifiers),
    ];
    for (text, error) in cases {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
    assert_eq!(Mask::parse(b"purge \xff"), Err(ParseError::UnknownWord));
}

#[test]
fn what_is_not_supported_is_named() {
    let supported = Mask::KNOWN.without(Mask::RETIRE).without(Mask::WAIT_IDLE);
    let mask = Mask::parse(b"purge wait_idle retire").unwrap();
    assert_eq!(
        mask.unsupported(supported),
        Some(Mask::RETIRE.union(Mask::WAIT_IDLE))
    );
    assert_eq!(mask.unsupported(Mask::KNOWN), None);
    assert_eq!(Mask::ALL.unsupported(Mask::ALL), None);
    assert_eq!(Mask::ALL.rounds().to_string(), "purge|idle|active");
    assert!(Mask::FREED.rounds().is_empty());
}
