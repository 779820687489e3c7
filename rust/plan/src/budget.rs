// SPDX-License-Identifier: GPL-2.0

//! Page budgets: what a soft and a hard limit say about a reservation, and how often it may evict.
//!
//! Values and arithmetic only. Who calls holds the state, and runs [`Attempt::step`] under a lock
//! or a compare-exchange loop; the eviction between two steps runs under neither.
//!
//! # Examples
//!
//! A reservation, where eviction frees two pages a pass until three are left:
//!
//! ```
//! use strata_plan::budget::{Attempt, Ledger, Limits, Next};
//!
//! let limits = Limits::new(8, None).unwrap();
//! let mut ledger = Ledger::new();
//! ledger.charge(7).unwrap();
//!
//! let mut attempt = Attempt::new(4);
//! let mut asked = Vec::new();
//! loop {
//!     let used = ledger.used();
//!     match attempt.step(&limits, used) {
//!         Next::Charge(new_used) => {
//!             ledger.charge(4).unwrap();
//!             assert_eq!(ledger.used(), new_used);
//!             break;
//!         }
//!         Next::Evict(excess) => {
//!             asked.push(excess);
//!             let freed = excess.min(2).min(used - 3);
//!             ledger.uncharge(freed).unwrap();
//!             attempt.evicted(used, freed);
//!         }
//!         Next::Refuse => unreachable!("there is no hard limit"),
//!     }
//! }
//! assert_eq!(asked, [3, 1]);
//! assert_eq!((ledger.used(), ledger.peak()), (8, 8));
//! ```

use crate::number;
use core::fmt;
use core::num::NonZeroUsize;

/// Why two numbers are no limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing could ever be between the two.
    HardBelowSoft,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::HardBelowSoft => "the hard limit is below the soft one",
        })
    }
}

/// A soft limit, above which a reservation evicts first, and maybe a hard one, which it never
/// passes. In pages.
///
/// Shown as what [`Update::parse`] reads: `soft N` and `hard N`, one a line, with 0 for no hard
/// limit.
///
/// # Invariants
///
/// `hard >= soft`, if there is a hard limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    soft: usize,
    hard: Option<NonZeroUsize>,
}

/// What [`Limits`] say about one reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// Within the soft limit; this many pages are then used.
    Fits(usize),
    /// Above the soft limit only: evict first, and go on even if that falls short.
    Over {
        /// How many pages are then used.
        new_used: usize,
        /// How many of them are above the soft limit. Never 0; may be more than there are to evict.
        excess: usize,
    },
    /// Above the hard limit: only eviction can help.
    Full {
        /// How many pages are above the hard limit. Never 0.
        excess: usize,
    },
    /// No eviction helps: alone it is above the hard limit, or the number of pages overflows.
    Never,
}

impl Limits {
    /// These limits. `NonZeroUsize::new` makes the hard one from a number where 0 means none.
    pub const fn new(soft: usize, hard: Option<NonZeroUsize>) -> Result<Self, Refused> {
        match hard {
            Some(hard) if hard.get() < soft => Err(Refused::HardBelowSoft),
            // INVARIANT: just checked.
            Some(_) | None => Ok(Self { soft, hard }),
        }
    }

    /// The limit above which reservations evict.
    pub const fn soft(&self) -> usize {
        self.soft
    }

    /// The limit above which there are no reservations.
    pub const fn hard(&self) -> Option<NonZeroUsize> {
        self.hard
    }

    /// What `want` more pages mean when `used` are used. 0 more ask about those that are used,
    /// which may be above limits that were lowered.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::num::NonZeroUsize;
    /// use strata_plan::budget::{Admit, Limits};
    ///
    /// let limits = Limits::new(10, NonZeroUsize::new(20)).unwrap();
    /// assert_eq!(limits.admit(6, 4), Admit::Fits(10));
    /// assert_eq!(limits.admit(6, 5), Admit::Over { new_used: 11, excess: 1 });
    /// assert_eq!(limits.admit(6, 15), Admit::Full { excess: 1 });
    /// assert_eq!(limits.admit(6, 21), Admit::Never);
    /// ```
    pub const fn admit(&self, used: usize, want: usize) -> Admit {
        let Some(new_used) = used.checked_add(want) else {
            return Admit::Never;
        };
        if let Some(hard) = self.hard {
            if want > hard.get() {
                return Admit::Never;
            }
            if let Some(excess) = above(new_used, hard.get()) {
                return Admit::Full { excess };
            }
        }
        match above(new_used, self.soft) {
            Some(excess) => Admit::Over { new_used, excess },
            None => Admit::Fits(new_used),
        }
    }

    /// These limits with what `update` changes.
    pub const fn updated(self, update: Update) -> Result<Self, Refused> {
        let soft = match update.soft {
            Some(soft) => soft,
            None => self.soft,
        };
        let hard = match update.hard {
            Some(hard) => NonZeroUsize::new(hard),
            None => self.hard,
        };
        Self::new(soft, hard)
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hard = self.hard.map_or(0, NonZeroUsize::get);
        write!(f, "soft {}\nhard {hard}", self.soft)
    }
}

/// By how much `pages` are above `limit`, if they are.
const fn above(pages: usize, limit: usize) -> Option<usize> {
    match pages.checked_sub(limit) {
        Some(0) | None => None,
        Some(excess) => Some(excess),
    }
}

/// What a reservation does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nothing is charged until the caller does it"]
pub enum Next {
    /// Make this the number of used pages, if it still is what it was; else take the step again.
    Charge(usize),
    /// Evict this many pages, call [`Attempt::evicted`], take the step again.
    Evict(usize),
    /// Fail.
    Refuse,
}

/// One reservation on its way through evictions.
///
/// It evicts while that makes progress. Without progress it goes on over the soft limit, and is
/// refused at the hard one.
///
/// That ends whatever others do in the meantime, to the pages and to the limits: a pass that freed
/// nothing is the last one; of the others, each finds fewer pages used than every pass before it,
/// or it is one of [`Attempt::STALLS`]. With `n` pages used at first there are thus `n + 1 +
/// STALLS` passes at most.
#[derive(Clone, Debug)]
pub struct Attempt {
    want: usize,
    /// The fewest pages that were used when a pass began.
    lowest: Option<usize>,
    stalls: u32,
    exhausted: bool,
}

impl Attempt {
    /// How many passes may free pages that others then take, before eviction is given up.
    pub const STALLS: u32 = 32;

    /// The beginning of a reservation of `want` pages. 0 brings down what is used, after limits
    /// were lowered: there [`Next::Refuse`] says that it is still above the hard one.
    pub const fn new(want: usize) -> Self {
        Self {
            want,
            lowest: None,
            stalls: 0,
            exhausted: false,
        }
    }

    /// What to do while `used` pages are used.
    pub const fn step(&self, limits: &Limits, used: usize) -> Next {
        match (limits.admit(used, self.want), self.exhausted) {
            (Admit::Fits(new_used), _) | (Admit::Over { new_used, .. }, true) => {
                Next::Charge(new_used)
            }
            (Admit::Over { excess, .. } | Admit::Full { excess }, false) => Next::Evict(excess),
            (Admit::Full { .. }, true) | (Admit::Never, _) => Next::Refuse,
        }
    }

    /// Notes a pass that freed `freed` pages; before it, `used` were used.
    pub fn evicted(&mut self, used: usize, freed: usize) {
        if self.lowest.is_none_or(|lowest| used < lowest) {
            self.lowest = Some(used);
        } else {
            self.stalls = self.stalls.saturating_add(1);
        }
        self.exhausted |= freed == 0 || self.stalls >= Self::STALLS;
    }
}

/// Why a [`Ledger`] did not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbalanced {
    /// More pages than a number holds.
    Overflow,
    /// More pages given back than were taken.
    Underflow,
}

impl fmt::Display for Unbalanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unbalanced::Overflow => "the number of pages overflows",
            Unbalanced::Underflow => "more pages are given back than were taken",
        })
    }
}

/// How many pages are used, and were at most.
///
/// # Invariants
///
/// `used <= peak`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    used: usize,
    peak: usize,
}

impl Ledger {
    /// Nothing is used.
    pub const fn new() -> Self {
        // INVARIANT: both are 0.
        Self { used: 0, peak: 0 }
    }

    /// How many pages are used.
    pub const fn used(&self) -> usize {
        self.used
    }

    /// How many were used at most.
    pub const fn peak(&self) -> usize {
        self.peak
    }

    /// Takes `pages`. An error changes nothing.
    pub fn charge(&mut self, pages: usize) -> Result<(), Unbalanced> {
        self.used = self.used.checked_add(pages).ok_or(Unbalanced::Overflow)?;
        // INVARIANT: the peak follows.
        self.peak = self.peak.max(self.used);
        Ok(())
    }

    /// Gives `pages` back. An error changes nothing.
    pub fn uncharge(&mut self, pages: usize) -> Result<(), Unbalanced> {
        // INVARIANT: it only becomes less.
        self.used = self.used.checked_sub(pages).ok_or(Unbalanced::Underflow)?;
        Ok(())
    }
}

/// Why a text is no [`Update`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// There is no word in it.
    Empty,
    /// A word is neither `soft` nor `hard`, nor a number that stands alone.
    UnknownWord,
    /// No number follows a key.
    NoNumber,
    /// A number does not fit.
    Overflow,
    /// A key stands there twice.
    Twice,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParseError::Empty => "nothing is said",
            ParseError::UnknownWord => "a word is neither `soft` nor `hard`",
            ParseError::NoNumber => "a key has no number",
            ParseError::Overflow => "a number overflows",
            ParseError::Twice => "a limit is said twice",
        })
    }
}

impl From<number::Refused> for ParseError {
    fn from(refused: number::Refused) -> Self {
        match refused {
            number::Refused::NotDigits => ParseError::NoNumber,
            number::Refused::Overflow => ParseError::Overflow,
        }
    }
}

/// A change of [`Limits`], for [`Limits::updated`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// The new soft limit, if it changes.
    pub soft: Option<usize>,
    /// The new hard limit, if it changes; 0 takes it away.
    pub hard: Option<usize>,
}

impl Update {
    /// What user space wrote: `soft N`, `hard N` or both, or nothing but an `N` for the soft limit.
    /// Decimal; whitespace separates.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata_plan::budget::{ParseError, Update};
    ///
    /// let update = Update::parse(b"hard 200\nsoft 100\n");
    /// assert_eq!(update, Ok(Update { soft: Some(100), hard: Some(200) }));
    /// assert_eq!(Update::parse(b"100\n"), Ok(Update { soft: Some(100), hard: None }));
    /// assert_eq!(Update::parse(b"soft 100 200"), Err(ParseError::UnknownWord));
    /// ```
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        let words = || {
            text.split(u8::is_ascii_whitespace)
                .filter(|word| !word.is_empty())
        };
        let mut rest = words();
        match (rest.next(), rest.next()) {
            (None, _) => Err(ParseError::Empty),
            (Some(word), None) => Self::single(word),
            (Some(_), Some(_)) => Self::pairs(words()),
        }
    }

    fn single(word: &[u8]) -> Result<Self, ParseError> {
        if matches!(word, b"soft" | b"hard") {
            return Err(ParseError::NoNumber);
        }
        match pages(word) {
            Ok(soft) => Ok(Self {
                soft: Some(soft),
                hard: None,
            }),
            Err(ParseError::NoNumber) => Err(ParseError::UnknownWord),
            Err(error) => Err(error),
        }
    }

    fn pairs<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<Self, ParseError> {
        let mut update = Self::default();
        while let Some(key) = words.next() {
            let limit = match key {
                b"soft" => &mut update.soft,
                b"hard" => &mut update.hard,
                _ => return Err(ParseError::UnknownWord),
            };
            let number = pages(words.next().ok_or(ParseError::NoNumber)?)?;
            if limit.replace(number).is_some() {
                return Err(ParseError::Twice);
            }
        }
        Ok(update)
    }
}

fn pages(word: &[u8]) -> Result<usize, ParseError> {
    usize::try_from(number::parse(word, 10)?).map_err(|_| ParseError::Overflow)
}
