// SPDX-License-Identifier: GPL-2.0

//! Ranges of indices, as the kernel's trees have them: both ends belong to it.

use core::ops::{
    Bound,
    RangeBounds, //
};
use kernel::prelude::*;

/// Indices from a first to a last, both of which belong to it.
///
/// Never empty. `Range::ALL` is all there are, which a half-open range could not say.
///
/// # Invariants
///
/// `first <= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    first: usize,
    last: usize,
}

/// A range that holds no index: it ends before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRange;

impl From<BadRange> for Error {
    fn from(_: BadRange) -> Self {
        EINVAL
    }
}

impl Range {
    /// Every index.
    // INVARIANT: Nothing is less than 0.
    pub const ALL: Self = Self {
        first: 0,
        last: usize::MAX,
    };

    /// From `first` to `last`, both of which belong to it.
    ///
    /// # Errors
    ///
    /// [`BadRange`] if `last` comes before `first`.
    pub const fn new(first: usize, last: usize) -> Result<Self, BadRange> {
        if first > last {
            return Err(BadRange);
        }
        // INVARIANT: It was just checked.
        Ok(Self { first, last })
    }

    /// One index.
    pub const fn at(index: usize) -> Self {
        // INVARIANT: They are equal.
        Self {
            first: index,
            last: index,
        }
    }

    /// What a range of Rust says.
    ///
    /// # Errors
    ///
    /// [`BadRange`] if it is empty or reversed.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata::maple::{BadRange, Range};
    ///
    /// assert_eq!(Range::of(10..20), Range::new(10, 19));
    /// assert_eq!(Range::of(..), Ok(Range::ALL));
    /// assert_eq!(Range::of(10..10), Err(BadRange));
    /// ```
    pub fn of(range: impl RangeBounds<usize>) -> Result<Self, BadRange> {
        let first = match range.start_bound() {
            Bound::Included(&first) => first,
            Bound::Excluded(&before) => before.checked_add(1).ok_or(BadRange)?,
            Bound::Unbounded => 0,
        };
        let last = match range.end_bound() {
            Bound::Included(&last) => last,
            Bound::Excluded(&end) => end.checked_sub(1).ok_or(BadRange)?,
            Bound::Unbounded => usize::MAX,
        };
        Self::new(first, last)
    }

    /// The first index.
    #[inline(always)]
    pub const fn first(&self) -> usize {
        self.first
    }

    /// The last index.
    #[inline(always)]
    pub const fn last(&self) -> usize {
        self.last
    }

    /// Whether `index` belongs to it.
    pub const fn contains(&self, index: usize) -> bool {
        self.first <= index && index <= self.last
    }

    /// What it has in common with `other`.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.last.min(other.last)).ok()
    }

    /// What of it comes before `other`.
    pub fn before(&self, other: &Self) -> Option<Self> {
        let last = self.last.min(other.first.checked_sub(1)?);
        Self::new(self.first, last).ok()
    }

    /// What of it comes after `other`.
    pub fn after(&self, other: &Self) -> Option<Self> {
        let first = self.first.max(other.last.checked_add(1)?);
        Self::new(first, self.last).ok()
    }
}
