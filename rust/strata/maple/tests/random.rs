// SPDX-License-Identifier: GPL-2.0

//! Numbers that look random, and are the same for the same seed.

/// A generator (splitmix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u32) -> Self {
        Self(seed.into())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        // 64 bits are enough for any remainder to be as likely as another.
        (self.next() % end as u64) as usize
    }

    /// Some of `count` places in a row, at most `longest`: the first and the last.
    pub(super) fn range(&mut self, count: usize, longest: usize) -> (usize, usize) {
        let first = self.below(count);
        (first, (first + self.below(longest)).min(count - 1))
    }

    /// Whether it is one of `percent` cases in a hundred.
    pub(super) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
