// SPDX-License-Identifier: GPL-2.0

//! The mask that user space writes to `drop_caches` in debugfs: which rounds of reclaim to run,
//! what to do before and after them, and as whom.

use crate::number;
use core::fmt;

/// Why a text or a number is no [`Mask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// There is no word in it.
    Empty,
    /// No bit is set.
    Zero,
    /// A bit is set that does not exist.
    UnknownBits,
    /// A word is no name of a bit, nor a number that stands alone.
    UnknownWord,
    /// It says how, but not what.
    OnlyModifiers,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParseError::Empty => "nothing is said",
            ParseError::Zero => "no bit is set",
            ParseError::UnknownBits => "a bit is set that does not exist",
            ParseError::UnknownWord => "a word is neither a number nor the name of a bit",
            ParseError::OnlyModifiers => "only modifiers are set, but nothing to do",
        })
    }
}

/// Some of the bits.
///
/// Shown as the names of its bits with `|` between them, which [`Mask::parse`] reads.
///
/// # Invariants
///
/// Only bits of [`Mask::KNOWN`] are set.
///
/// # Examples
///
/// ```
/// use strata_plan::drop_mask::{Mask, ParseError};
///
/// let mask = Mask::parse(b"ALL as_nofs\n").unwrap();
/// assert_eq!(mask, Mask::ALL.union(Mask::AS_NOFS));
/// assert_eq!(Mask::parse(b"0x210"), Ok(mask));
/// assert_eq!(mask.to_string(), "all|as_nofs");
/// assert_eq!(mask.rounds().to_string(), "purge|idle|active");
/// assert_eq!(mask.unsupported(Mask::ALL), Some(Mask::AS_NOFS));
/// assert_eq!(Mask::parse(b"as_nofs"), Err(ParseError::OnlyModifiers));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask(u32);

/// One bit, its name, and what it does. Shown as a line for the reader of `drop_caches`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bit {
    /// The bit alone.
    pub mask: Mask,
    /// What user space calls it.
    pub name: &'static str,
    /// What it does, on one line.
    pub text: &'static str,
}

impl fmt::Display for Bit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:#06x} {:<12} {}",
            self.mask.bits(),
            self.name,
            self.text
        )
    }
}

/// Declares each bit once: as a constant of [`Mask`] and in the table of names.
macro_rules! bits {
    ($($constant:ident = $shift:literal, $name:literal, $text:literal;)*) => {
        impl Mask {
            $(
                #[doc = concat!("`", $name, "`: ", $text, ".")]
                // INVARIANT: `KNOWN` is made of these.
                pub const $constant: Self = Self(1 << $shift);
            )*

            /// Every bit that there is.
            // INVARIANT: by definition.
            pub const KNOWN: Self = Self(0 $(| Self::$constant.0)*);
        }

        static BITS: &[Bit] = &[$(
            Bit {
                mask: Mask::$constant,
                name: $name,
                text: $text,
            },
        )*];
    };
}

bits! {
    PURGE = 0, "purge", "drop contents that user space does not need";
    IDLE = 1, "idle", "let go of what nobody uses, without waiting";
    ACTIVE = 2, "active", "let go of what is still in use, after a bounded wait";
    WRITEBACK = 3, "writeback", "write to swap what was let go";
    ALL = 4, "all", "purge, idle and active until nothing is left or nothing moves";
    RETIRE = 5, "retire", "before: process what has completed";
    WAIT_IDLE = 6, "wait_idle", "before: wait until nothing is in use";
    FREED = 7, "freed", "after: finish frees that were deferred";
    RCU = 8, "rcu", "after: wait for RCU callbacks";
    AS_NOFS = 9, "as_nofs", "as an allocation that must not enter the file system";
    AS_KSWAPD = 10, "as_kswapd", "as kswapd: never wait";
    PF_MEMALLOC = 11, "pf_memalloc", "with PF_MEMALLOC, which hides allocations from lockdep";
    FAIL_TRYLOCK = 12, "fail_trylock", "every third trylock fails";
    RANDOM_ORDER = 13, "random_order", "walk the lists in random order";
}

impl Mask {
    /// The bits that are rounds of reclaim, in the order in which they run.
    pub const ROUNDS: Self = Self::PURGE
        .union(Self::IDLE)
        .union(Self::ACTIVE)
        .union(Self::WRITEBACK);

    /// The bits that only say how to run the others.
    pub const MODIFIERS: Self = Self::AS_NOFS
        .union(Self::AS_KSWAPD)
        .union(Self::PF_MEMALLOC)
        .union(Self::FAIL_TRYLOCK)
        .union(Self::RANDOM_ORDER);

    /// The mask that user space wrote: a number, decimal or in hexadecimal after `0x`, or names in
    /// upper or lower case, with whitespace, `|` or `,` between them.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        let words = || {
            text.split(|byte| byte.is_ascii_whitespace() || matches!(byte, b'|' | b','))
                .filter(|word| !word.is_empty())
        };
        let mut rest = words();
        let Some(first) = rest.next() else {
            return Err(ParseError::Empty);
        };
        match (number(first), rest.next()) {
            (Ok(bits), None) => Self::from_bits(bits),
            (Err(number::Refused::Overflow), None) => Err(ParseError::UnknownBits),
            (Err(number::Refused::NotDigits), _) | (_, Some(_)) => words()
                .try_fold(0, |bits, word| Some(bits | named(word)?.0))
                .ok_or(ParseError::UnknownWord)
                .and_then(Self::from_bits),
        }
    }

    /// The mask with these bits, by the same rules as for a text.
    pub const fn from_bits(bits: u32) -> Result<Self, ParseError> {
        if bits == 0 {
            return Err(ParseError::Zero);
        }
        if bits & !Self::KNOWN.0 != 0 {
            return Err(ParseError::UnknownBits);
        }
        if bits & !Self::MODIFIERS.0 == 0 {
            return Err(ParseError::OnlyModifiers);
        }
        // INVARIANT: just checked.
        Ok(Self(bits))
    }

    /// The bits as a number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether no bit is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        other.without(self).is_empty()
    }

    /// The bits of either.
    pub const fn union(self, other: Self) -> Self {
        // INVARIANT: both have known bits only.
        Self(self.0 | other.0)
    }

    /// The bits of both.
    pub const fn intersection(self, other: Self) -> Self {
        // INVARIANT: it only becomes less.
        Self(self.0 & other.0)
    }

    /// The bits that are not in `other`.
    pub const fn without(self, other: Self) -> Self {
        // INVARIANT: it only becomes less.
        Self(self.0 & !other.0)
    }

    /// This with what its bits imply: `all` means purge, idle and active.
    pub const fn expanded(self) -> Self {
        if self.contains(Self::ALL) {
            self.union(Self::PURGE)
                .union(Self::IDLE)
                .union(Self::ACTIVE)
        } else {
            self
        }
    }

    /// The rounds to run, those that `all` implies among them.
    pub const fn rounds(self) -> Self {
        self.expanded().intersection(Self::ROUNDS)
    }

    /// The bits that are not in `supported`, if there are any. Of `all` only the bit itself counts:
    /// it repeats the rounds that there are.
    pub const fn unsupported(self, supported: Self) -> Option<Self> {
        let rest = self.without(supported);
        if rest.is_empty() {
            None
        } else {
            Some(rest)
        }
    }

    /// Its bits, lowest first, with their names and what they do.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata_plan::drop_mask::Mask;
    ///
    /// let bit = Mask::KNOWN.names().nth(1).unwrap();
    /// assert_eq!((bit.mask, bit.name), (Mask::IDLE, "idle"));
    /// assert!(bit.to_string().starts_with("0x0002 idle "));
    /// assert_eq!(Mask::RCU.names().count(), 1);
    /// ```
    pub fn names(self) -> impl Iterator<Item = &'static Bit> {
        BITS.iter().filter(move |bit| self.contains(bit.mask))
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = self.names();
        if let Some(first) = names.next() {
            f.write_str(first.name)?;
        }
        names.try_for_each(|bit| write!(f, "|{}", bit.name))
    }
}

/// A number that no `u32` holds has bits that do not exist, as one that no `u64` holds.
fn number(word: &[u8]) -> Result<u32, number::Refused> {
    let number = match word {
        [b'0', b'x' | b'X', digits @ ..] => number::parse(digits, 16),
        decimal => number::parse(decimal, 10),
    };
    u32::try_from(number?).map_err(|_| number::Refused::Overflow)
}

fn named(word: &[u8]) -> Option<Mask> {
    let bit = BITS
        .iter()
        .find(|bit| bit.name.as_bytes().eq_ignore_ascii_case(word))?;
    Some(bit.mask)
}
