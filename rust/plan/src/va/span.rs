// SPDX-License-Identifier: GPL-2.0

//! Ranges of addresses.

use crate::fit;
use core::fmt;

/// Why two numbers are no [`Span`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSpan {
    /// There is no length.
    Empty,
    /// The end does not fit into the number.
    Overflow,
}

impl fmt::Display for BadSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadSpan::Empty => "the range is empty",
            BadSpan::Overflow => "the range's end overflows",
        })
    }
}

/// A range of addresses: not empty, without overflow. The address [`u64::MAX`] is in none, as its
/// end would not fit.
///
/// Ordered by its address, then by its end.
///
/// # Invariants
///
/// `addr < end`.
///
/// # Examples
///
/// ```
/// use strata_plan::va::{BadSpan, Span};
///
/// let span = Span::new(0x1000, 0x2000).unwrap();
/// assert_eq!((span.addr(), span.length()), (0x1000, 0x2000));
/// assert_eq!((span.end(), span.last()), (0x3000, 0x2fff));
/// assert_eq!(Span::new(0x1000, 0), Err(BadSpan::Empty));
/// assert_eq!(Span::new(u64::MAX, 1), Err(BadSpan::Overflow));
/// assert_eq!(Span::new(0, u64::MAX).unwrap().last(), u64::MAX - 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    addr: u64,
    end: u64,
}

impl Span {
    /// The `length` addresses from `addr`.
    pub const fn new(addr: u64, length: u64) -> Result<Self, BadSpan> {
        if length == 0 {
            return Err(BadSpan::Empty);
        }
        match addr.checked_add(length) {
            // INVARIANT: `length` is not 0.
            Some(end) => Ok(Self { addr, end }),
            None => Err(BadSpan::Overflow),
        }
    }

    /// The addresses from `addr` to below `end`, if there are any.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata_plan::va::Span;
    ///
    /// assert_eq!(Span::between(4, 9), Span::new(4, 5).ok());
    /// assert_eq!(Span::between(4, 4), None);
    /// assert_eq!(Span::between(4, 3), None);
    /// ```
    pub const fn between(addr: u64, end: u64) -> Option<Self> {
        if addr < end {
            // INVARIANT: just checked.
            Some(Self { addr, end })
        } else {
            None
        }
    }

    /// Its first address.
    pub const fn addr(&self) -> u64 {
        self.addr
    }

    /// How many addresses it has. Never 0.
    pub const fn length(&self) -> u64 {
        // By the type invariant it does not wrap.
        self.end - self.addr
    }

    /// One past its last address.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Its last address.
    pub const fn last(&self) -> u64 {
        // By the type invariant the end is not 0.
        self.end - 1
    }

    /// Whether the address is in it.
    pub const fn contains(&self, addr: u64) -> bool {
        self.addr <= addr && addr < self.end
    }

    /// Whether all of the other is in it.
    pub const fn covers(&self, other: &Self) -> bool {
        self.addr <= other.addr && other.end <= self.end
    }

    /// Whether the two share an address. Neighbours do not.
    pub const fn intersects(&self, other: &Self) -> bool {
        self.addr < other.end && other.addr < self.end
    }

    /// What the two share.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata_plan::va::Span;
    ///
    /// let [low, high, far] = [0, 6, 10].map(|addr| Span::new(addr, 10).unwrap());
    /// assert_eq!(low.intersection(&high), Span::between(6, 10));
    /// assert_eq!(low.intersection(&far), None);
    /// ```
    pub const fn intersection(&self, other: &Self) -> Option<Self> {
        let addr = if self.addr > other.addr {
            self.addr
        } else {
            other.addr
        };
        let end = if self.end < other.end {
            self.end
        } else {
            other.end
        };
        Self::between(addr, end)
    }

    /// Its part below an address: all of it, or nothing, if the address is not inside.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata_plan::va::Span;
    ///
    /// let span = Span::new(10, 10).unwrap();
    /// assert_eq!(span.before(13), Span::between(10, 13));
    /// assert_eq!(span.after(13), Span::between(13, 20));
    /// assert_eq!((span.before(10), span.after(10)), (None, Some(span)));
    /// assert_eq!((span.before(20), span.after(20)), (Some(span), None));
    /// ```
    pub const fn before(&self, at: u64) -> Option<Self> {
        let end = if at < self.end { at } else { self.end };
        Self::between(self.addr, end)
    }

    /// Its part from an address on: all of it, or nothing, if the address is not inside.
    pub const fn after(&self, at: u64) -> Option<Self> {
        let addr = if at > self.addr { at } else { self.addr };
        Self::between(addr, self.end)
    }

    /// The lowest span of `length` inside of it whose address is a multiple of `align`. `None` if
    /// there is none, which is so if `length` or `align` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata_plan::va::Span;
    ///
    /// let gap = Span::new(0x5000, 0x2c000).unwrap();
    /// assert_eq!(gap.lowest_fit(0x2000, 0x10000), Span::new(0x10000, 0x2000).ok());
    /// assert_eq!(gap.highest_fit(0x2000, 0x10000), Span::new(0x20000, 0x2000).ok());
    /// assert_eq!(gap.highest_fit(0x12000, 0x10000), Span::new(0x10000, 0x12000).ok());
    /// assert_eq!(gap.lowest_fit(0x22000, 0x10000), None);
    /// ```
    pub const fn lowest_fit(&self, length: u64, align: u64) -> Option<Self> {
        Self::fitted(fit::lowest(self.addr, self.last(), length, align), length)
    }

    /// The highest such span. See [`Span::lowest_fit`].
    pub const fn highest_fit(&self, length: u64, align: u64) -> Option<Self> {
        Self::fitted(fit::highest(self.addr, self.last(), length, align), length)
    }

    const fn fitted(addr: Option<u64>, length: u64) -> Option<Self> {
        let Some(addr) = addr else {
            return None;
        };
        match Self::new(addr, length) {
            Ok(span) => Some(span),
            Err(BadSpan::Empty | BadSpan::Overflow) => None,
        }
    }
}
