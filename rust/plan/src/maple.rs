// SPDX-License-Identifier: GPL-2.0

//! The kernel's maple tree in numbers: how high a tree of so many entries can be, how many nodes
//! a store into it can take, and where in a gap something aligned has room.
//!
//! The numbers are those of `lib/maple_tree.c` on 64 bit: `mt_min_slots` for how empty a node may
//! be, and `mas_prealloc_calc()` for what a store takes.
//!
//! # Examples
//!
//! How high a reservation has to be for trees of a million mappings:
//!
//! ```
//! use strata_plan::maple::{height, nodes, reserved_height, Shape};
//!
//! assert_eq!(height(1_000_000, Shape::Plain), 8);
//! assert_eq!(height(1_000_000, Shape::Gaps), 9);
//! assert_eq!(nodes(9), 28);
//! // Nodes for three stores are those of one into a tree of height 28.
//! assert_eq!(reserved_height(1_000_000, Shape::Gaps, 1), Some(9));
//! assert_eq!(reserved_height(1_000_000, Shape::Gaps, 3), Some(28));
//! assert_eq!(reserved_height(1_000_000, Shape::Gaps, 4), None);
//! ```

use crate::fit;

/// The greatest height that fits into the flags of a tree (`MAPLE_HEIGHT_MAX`).
pub const HEIGHT_MAX: u8 = 31;

/// Entries that a leaf holds at least: its seven slots end with an entry, and no two that are
/// empty stand side by side.
const LEAF_ENTRIES: usize = 4;

/// Entries that the last leaf of a tree may lack of that: it alone may end with an empty slot.
const LAST_LEAF_LACKS: usize = 1;

/// Children of a root that is no leaf, at least.
const ROOT_CHILDREN: usize = 2;

/// What the nodes of a tree between its root and its leaves are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// They do not know their gaps (`maple_range_64`).
    Plain,
    /// They know the greatest gap under each child (`maple_arange_64`), as with
    /// `MT_FLAGS_ALLOC_RANGE`.
    Gaps,
}

impl Shape {
    /// Children of a node between root and leaves, at least.
    pub const fn least_children(self) -> usize {
        match self {
            Shape::Plain => 7,
            Shape::Gaps => 5,
        }
    }
}

/// The height of the highest tree that can hold `entries` entries, reserved slots included.
///
/// No tree of as many entries or fewer is higher, in whatever order they were stored and erased.
///
/// # Examples
///
/// ```
/// use strata_plan::maple::{height, Shape};
///
/// // All fit into one leaf; two leaves hold seven entries at least.
/// assert_eq!([0, 1, 6, 7].map(|entries| height(entries, Shape::Gaps)), [0, 1, 1, 2]);
/// assert_eq!(height(500_000, Shape::Plain), 7);
/// ```
pub const fn height(entries: usize, shape: Shape) -> u8 {
    if entries == 0 {
        return 0;
    }
    let mut height = 1;
    // One more than the least number of entries of a tree that is higher by 1.
    let mut above = ROOT_CHILDREN * LEAF_ENTRIES;
    while entries >= above - LAST_LEAF_LACKS {
        height += 1;
        above = match above.checked_mul(shape.least_children()) {
            Some(above) => above,
            None => break,
        };
    }
    height
}

/// How many nodes a store into a tree of this height takes at most.
///
/// # Examples
///
/// ```
/// assert_eq!(strata_plan::maple::nodes(7), 22);
/// ```
pub const fn nodes(height: u8) -> usize {
    height as usize * 3 + 1
}

/// The smallest height for which one store takes as many nodes at most as `stores` stores into a
/// tree of up to `entries` entries do. `None` if no tree is that high.
///
/// `entries` are those before whichever of the stores finds the most. Each adds two at most: the
/// one that it stores, and a second rest of the one that it splits.
///
/// # Examples
///
/// ```
/// use strata_plan::maple::{reserved_height, Shape};
///
/// assert_eq!(reserved_height(15_624_998, Shape::Gaps, 1), Some(10));
/// assert_eq!(reserved_height(15_624_999, Shape::Gaps, 1), Some(11));
/// assert_eq!(reserved_height(100, Shape::Gaps, usize::MAX), None);
/// ```
pub const fn reserved_height(entries: usize, shape: Shape, stores: usize) -> Option<u8> {
    let Some(wanted) = stores.checked_mul(nodes(height(entries, shape))) else {
        return None;
    };
    let reserved = wanted.saturating_sub(1).div_ceil(3);
    if reserved > HEIGHT_MAX as usize {
        return None;
    }
    Some(reserved as u8)
}

/// The lowest index in the gap `first..=last` that is a multiple of `align` and from which `size`
/// indices are inside of it. `None` if there is none, which is so if `size` or `align` is 0.
///
/// # Examples
///
/// ```
/// use strata_plan::maple::{highest_fit, lowest_fit};
///
/// assert_eq!(lowest_fit(5, 40, 8, 16), Some(16));
/// assert_eq!(highest_fit(5, 40, 8, 16), Some(32));
/// assert_eq!(lowest_fit(5, 22, 8, 16), None);
/// assert_eq!(lowest_fit(1, usize::MAX, usize::MAX, 1), Some(1));
/// ```
pub const fn lowest_fit(first: usize, last: usize, size: usize, align: usize) -> Option<usize> {
    narrow(fit::lowest(
        first as u64,
        last as u64,
        size as u64,
        align as u64,
    ))
}

/// The highest such index. See [`lowest_fit`].
///
/// # Examples
///
/// ```
/// use strata_plan::maple::highest_fit;
///
/// assert_eq!(highest_fit(0, usize::MAX, 1, 4096), Some(usize::MAX - 4095));
/// assert_eq!(highest_fit(0, usize::MAX, 0, 4096), None);
/// ```
pub const fn highest_fit(first: usize, last: usize, size: usize, align: usize) -> Option<usize> {
    narrow(fit::highest(
        first as u64,
        last as u64,
        size as u64,
        align as u64,
    ))
}

/// An index of a gap of `usize` indices, which it therefore fits into.
const fn narrow(at: Option<u64>) -> Option<usize> {
    match at {
        Some(at) => Some(at as usize),
        None => None,
    }
}
