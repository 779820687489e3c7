// SPDX-License-Identifier: GPL-2.0

//! Numbers as user space writes them into a file: digits and nothing else.
//!
//! `str::parse` also takes a leading `+`, and wants UTF-8.

/// Why a word is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is empty, or something in it is no digit.
    NotDigits,
    /// It does not fit.
    Overflow,
}

/// The number that `word` is, all of it, in base `radix` (16 at most).
pub(crate) fn parse(word: &[u8], radix: u8) -> Result<u64, Refused> {
    let digits = || word.iter().map(|byte| digit(*byte, radix));
    if word.is_empty() || digits().any(|digit| digit.is_none()) {
        return Err(Refused::NotDigits);
    }
    digits()
        .flatten()
        .try_fold(0u64, |number, digit| {
            number
                .checked_mul(u64::from(radix))?
                .checked_add(u64::from(digit))
        })
        .ok_or(Refused::Overflow)
}

fn digit(byte: u8, radix: u8) -> Option<u8> {
    let value = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ => return None,
    };
    (value < radix).then_some(value)
}
