// SPDX-License-Identifier: GPL-2.0

//! One page as a reader without locks sees it, and what that says about getting it.

/// The highest order of a buddy that is believed: `MAX_PAGE_ORDER`.
pub const MAX_BUDDY_ORDER: u8 = 10;

/// The highest order of a folio that is believed: a hugetlb page of 1 GiB.
pub const MAX_FOLIO_ORDER: u8 = 18;

/// What was set in a `struct page`, or in the head of its folio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// Nothing is set.
    pub const NONE: Self = Self(0);
    /// `PageBuddy`: the first page of a free block. [`Reading::order`] is its `private`.
    pub const BUDDY: Self = Self(1 << 0);
    /// `PageLRU`.
    pub const LRU: Self = Self(1 << 1);
    /// `folio_test_hugetlb()`.
    pub const HUGETLB: Self = Self(1 << 2);
    /// `page_has_movable_ops()`: a driver moves it.
    pub const MOVABLE_OPS: Self = Self(1 << 3);
    /// `folio_test_locked()`.
    pub const LOCKED: Self = Self(1 << 4);
    /// `folio_test_writeback()`.
    pub const WRITEBACK: Self = Self(1 << 5);
    /// `PageHWPoison`, of the page itself.
    pub const POISONED: Self = Self(1 << 6);
    /// `PageOffline`, `PageReserved`, or no online page at all.
    pub const OFFLINE: Self = Self(1 << 7);
    /// `folio_test_anon()`.
    pub const ANON: Self = Self(1 << 8);
    /// `folio_test_swapcache()`.
    pub const SWAPCACHE: Self = Self(1 << 9);
    /// `folio->mapping` is not `NULL`. It is compared, never followed.
    pub const MAPPING: Self = Self(1 << 10);
    /// `folio_test_private()`.
    pub const PRIVATE: Self = Self(1 << 11);

    /// These and those.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether one of those is among these.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A page as it was read: racily, so that no two fields need to fit together.
///
/// For a page of a compound page all but `index` and [`Flags::POISONED`] are its head's: **a tail
/// has no references of its own**, and would pass for a page that is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// `page_ref_count()`.
    pub refs: u32,
    /// `folio_mapcount()`.
    pub mapped: u32,
    /// The order of the buddy or of the folio. 0 for a page that stands alone.
    pub order: u64,
    /// Which page of its folio it is.
    pub index: u64,
    /// What is set.
    pub flags: Flags,
}

/// What a page is to somebody who wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// In the buddy allocator, or without references: on a per-CPU list, or on its way. A call
    /// drains those.
    Free,
    /// In use, and it looks as if it can be moved.
    Movable,
    /// It can be moved, but a lock or the end of writeback has to be waited for, without bound.
    Slow,
    /// Somebody holds it. That may pass: a per-CPU batch of the LRU holds its pages too.
    Pinned,
    /// Nobody gets it again: poisoned, or not memory that is online.
    Gone,
}

/// What a page is, and for how many pages from it that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// What they are.
    pub sight: Sight,
    /// How many they are. Never 0.
    pub pages: u64,
}

impl Reading {
    /// A page that is not there.
    pub const OFFLINE: Self = Self {
        refs: 0,
        mapped: 0,
        order: 0,
        index: 0,
        flags: Flags::OFFLINE,
    };

    /// What the page `pfn`, read as this, is.
    ///
    /// What cannot be, because it changed between two reads, is taken for one movable page: that
    /// is neither given up nor believed to be free.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata_plan::cma::{Extent, Flags, Reading, Sight};
    ///
    /// // The third page of a THP that is mapped once, and one reference more than that.
    /// let mut page = Reading {
    ///     refs: 1,
    ///     mapped: 1,
    ///     order: 9,
    ///     index: 2,
    ///     flags: Flags::LRU.union(Flags::ANON).union(Flags::MAPPING),
    /// };
    /// assert_eq!(page.extent(0x202), Extent { sight: Sight::Movable, pages: 510 });
    /// page.refs = 2;
    /// assert_eq!(page.extent(0x202), Extent { sight: Sight::Pinned, pages: 510 });
    /// ```
    pub fn extent(&self, pfn: u64) -> Extent {
        if self.flags.meets(Flags::POISONED.union(Flags::OFFLINE)) {
            return Extent::one(Sight::Gone);
        }
        if self.refs == 0 && self.flags.meets(Flags::BUDDY) {
            return match self.rest(pfn, MAX_BUDDY_ORDER) {
                // A buddy has no tails: that this is one means that it changed.
                Some(pages) if self.index == 0 => Extent {
                    sight: Sight::Free,
                    pages,
                },
                Some(_) | None => Extent::one(Sight::Free),
            };
        }
        match self.rest(pfn, MAX_FOLIO_ORDER) {
            Some(pages) => Extent {
                sight: self.in_folio(),
                pages,
            },
            None => Extent::one(Sight::Movable),
        }
    }

    /// How many pages there are from this one to the end of its block, if there can be such a one.
    fn rest(&self, pfn: u64, most: u8) -> Option<u64> {
        if self.order > u64::from(most) {
            return None;
        }
        let size = 1u64 << self.order;
        if self.index >= size || pfn & (size - 1) != self.index {
            return None;
        }
        Some(size - self.index)
    }

    /// What it is, as a page of a folio or alone.
    fn in_folio(&self) -> Sight {
        let waits = self.flags.meets(Flags::LOCKED.union(Flags::WRITEBACK));
        // One in the pool has no references, and is replaced or dissolved; how many one in use
        // has says nothing here.
        if self.flags.meets(Flags::HUGETLB) {
            return if waits { Sight::Slow } else { Sight::Movable };
        }
        if self.refs == 0 {
            // A head without references is being split or freed, and what its tails are is open.
            return match self.order {
                0 => Sight::Free,
                _ => Sight::Movable,
            };
        }
        let ours = self.flags.meets(Flags::MOVABLE_OPS);
        let held = !ours && (!self.flags.meets(Flags::LRU) || self.refs > self.expected());
        match (held, waits) {
            (true, _) => Sight::Pinned,
            (false, true) => Sight::Slow,
            (false, false) => Sight::Movable,
        }
    }

    /// How many references it has when nobody holds it: `folio_expected_ref_count()`, which warns
    /// when a folio is freed under it and so is not for readers without a reference.
    fn expected(&self) -> u32 {
        let whole = 1u32 << self.order.min(u64::from(MAX_FOLIO_ORDER));
        let cache = match self.flags.meets(Flags::ANON) {
            true if self.flags.meets(Flags::SWAPCACHE) => whole,
            true => 0,
            false => {
                let mapping = if self.flags.meets(Flags::MAPPING) {
                    whole
                } else {
                    0
                };
                mapping + u32::from(self.flags.meets(Flags::PRIVATE))
            }
        };
        cache.saturating_add(self.mapped)
    }
}

impl Extent {
    const fn one(sight: Sight) -> Self {
        Self { sight, pages: 1 }
    }
}
