// SPDX-License-Identifier: GPL-2.0

//! The requests, which are those of `gpuvm.c`.

use kernel::prelude::*;
use strata::va::Span;

const PAGE_SHIFT: u32 = 12;
/// A mapping that is prepared, and the distance to the next.
const PAGES: u64 = 2;
const STRIDE: u64 = 4;
const OBJECTS: u64 = 4;

/// A request: to map an object, whose offsets are addresses, or to unmap.
pub(super) struct Wanted {
    page: u64,
    pages: u64,
    pub(super) object: Option<u64>,
}

impl Wanted {
    pub(super) fn span(&self) -> Result<Span> {
        Span::new(self.page << PAGE_SHIFT, self.pages << PAGE_SHIFT).map_err(|_| EINVAL)
    }
}

/// Requests from a seed.
pub(super) struct Stream {
    pages: u64,
    seed: u64,
}

impl Stream {
    pub(super) fn new(size: usize, seed: u64) -> Result<Self> {
        let pages = u64::from(u32::try_from(size)?) * STRIDE;
        if size < STRIDE as usize || pages > u64::from(u32::MAX) || seed == 0 {
            return Err(EINVAL);
        }
        Ok(Self { pages, seed })
    }

    /// All that may be mapped.
    pub(super) fn all(&self) -> Result<Span> {
        Span::new(0, self.pages << PAGE_SHIFT).map_err(|_| EINVAL)
    }

    /// A mapping that is there before the first request.
    pub(super) fn prepared(number: u64) -> Wanted {
        Wanted {
            page: number * STRIDE,
            pages: PAGES,
            object: Some(number % OBJECTS + 1),
        }
    }

    /// Five of eight map, the others unmap: up to eight pages each.
    pub(super) fn next(&mut self) -> Wanted {
        let page = self.below(self.pages - 8);
        let pages = 1 + self.below(8);
        let maps = self.below(8) < 5;
        let object = 1 + self.below(OBJECTS);
        Wanted {
            page,
            pages,
            object: maps.then_some(object),
        }
    }

    /// Where to look.
    pub(super) fn address(&mut self) -> u64 {
        self.below(self.pages) << PAGE_SHIFT
    }

    /// A number below `limit`, which fits into 32 bits.
    fn below(&mut self, limit: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 32) * limit >> 32
    }
}
