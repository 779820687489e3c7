// SPDX-License-Identifier: GPL-2.0

//! Windows: ranges that user space names inside of something whose size is known, checked.

use core::fmt;

/// Why a range is no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has no length.
    Empty,
    /// Its end does not fit into the number.
    Overflow,
    /// It reaches over the end.
    Outside,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Empty => "the range is empty",
            Refused::Overflow => "the range's end overflows",
            Refused::Outside => "the range reaches over the end",
        })
    }
}

/// A range of bytes that lies inside of something: not empty, without overflow.
///
/// # Invariants
///
/// `start < end`.
///
/// # Examples
///
/// ```
/// use strata_plan::window::{Refused, Window};
///
/// let window = Window::within(8192, 4095, 2).unwrap();
/// assert_eq!((window.start(), window.end()), (4095, 4097));
/// assert_eq!(Window::within(8192, 8192, 1), Err(Refused::Outside));
/// assert_eq!(Window::within(8192, 0, 0), Err(Refused::Empty));
/// assert_eq!(Window::within(8192, u64::MAX, 2), Err(Refused::Overflow));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    start: u64,
    end: u64,
}

impl Window {
    /// The window of `length` bytes at `start` in something of `size` bytes.
    pub const fn within(size: u64, start: u64, length: u64) -> Result<Self, Refused> {
        if length == 0 {
            return Err(Refused::Empty);
        }
        let Some(end) = start.checked_add(length) else {
            return Err(Refused::Overflow);
        };
        if end > size {
            return Err(Refused::Outside);
        }
        // INVARIANT: `length` is not 0.
        Ok(Self { start, end })
    }

    /// Its first byte.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// One past its last byte.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// The parts that lie in blocks of `1 << shift` bytes each, in order.
    pub const fn blocks(self, shift: u32) -> Blocks {
        Blocks {
            at: self.start,
            end: self.end,
            shift,
        }
    }
}

/// A part of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which block.
    pub block: u64,
    /// Where in the block the part begins.
    pub offset: u64,
    /// How long it is. Never 0.
    pub length: u64,
}

/// The parts of a [`Window`], block by block.
#[derive(Clone, Debug)]
pub struct Blocks {
    at: u64,
    end: u64,
    shift: u32,
}

impl Iterator for Blocks {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        if self.at >= self.end {
            return None;
        }
        let size = 1u64 << self.shift;
        let offset = self.at & (size - 1);
        let length = (size - offset).min(self.end - self.at);
        let part = Part {
            block: self.at >> self.shift,
            offset,
            length,
        };
        self.at += length;
        Some(part)
    }
}
