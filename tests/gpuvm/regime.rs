// SPDX-License-Identifier: GPL-2.0

//! What is asked for: requests that follow from a seed, of several kinds of address spaces.
//!
//! Ranges of no length are never among them, nor objects whose offsets wrap: `drm_gpuvm` takes
//! both, we take neither, and `refusals.rs` shows that.

use crate::{
    random::Random,
    space::{
        Area,
        Batch,
        Piece,
        Request,
        BATCH, //
    },
};

/// How likely each request is, in parts of their sum.
struct Weights {
    map: u64,
    unmap: u64,
    split: u64,
    madvise: u64,
    prefetch: u64,
}

/// A kind of address space, and of what happens in it.
pub(crate) struct Regime {
    pub(crate) name: &'static str,
    pub(crate) space: Area,
    pub(crate) kernel: Area,
    /// How many bits of each address are zero.
    unit: u32,
    /// How many bits the longest range has, in units.
    longest: u32,
    objects: u64,
    weights: Weights,
    /// How many mappings of a hundred have no object.
    sparse: u64,
    /// How many of the others have an offset that follows from their address.
    contiguous: u64,
    /// How many ranges of a hundred are at the limits of the space, or beyond them.
    wild: u64,
    /// More mappings than there ever are, and operations of a request.
    pub(crate) capacity: usize,
    /// After how many requests all mappings are compared.
    pub(crate) look: u64,
    /// Whether the offset of what has no object is compared: madvise makes up its own.
    pub(crate) sparse_offsets: bool,
}

const PAGE: u32 = 12;

const USUAL: Weights = Weights {
    map: 60,
    unmap: 24,
    split: 8,
    madvise: 0,
    prefetch: 8,
};

/// All there are.
pub(crate) const ALL: [Regime; 7] = [
    // So few addresses that nearly all requests meet several mappings, in all ways.
    Regime {
        name: "small",
        space: Area::new(0x1003, 110),
        kernel: Area::new(0x1003 + 70, 5),
        unit: 0,
        longest: 5,
        objects: 3,
        weights: USUAL,
        sparse: 10,
        contiguous: 60,
        wild: 5,
        capacity: 256,
        look: 4,
        sparse_offsets: true,
    },
    // What a process has, with mappings of all sizes.
    Regime {
        name: "wide",
        space: Area::new(1 << 20, (1 << 47) - (1 << 20)),
        kernel: Area::new(1 << 46, 1 << 30),
        unit: PAGE,
        longest: 31,
        objects: 1 << 20,
        weights: USUAL,
        sparse: 10,
        contiguous: 30,
        wild: 2,
        capacity: 1 << 14,
        look: 64,
        sparse_offsets: true,
    },
    // Many small ones, next to each other.
    Regime {
        name: "dense",
        space: Area::new(0, 1 << 47),
        kernel: Area::new(0, 0),
        unit: PAGE,
        longest: 5,
        objects: 1 << 10,
        weights: Weights { map: 80, ..USUAL },
        sparse: 5,
        contiguous: 30,
        // One of them would be all there is.
        wild: 0,
        capacity: 1 << 17,
        look: 4096,
        sparse_offsets: true,
    },
    // One object that is mapped piecewise, as by a driver that maps what was faulted in.
    Regime {
        name: "contiguous",
        space: Area::new(0, 1 << 30),
        kernel: Area::new((1 << 30) - (1 << 20), 1 << 20),
        unit: PAGE,
        longest: 14,
        objects: 2,
        weights: USUAL,
        sparse: 2,
        contiguous: 90,
        wild: 1,
        capacity: 1 << 12,
        look: 64,
        sparse_offsets: true,
    },
    // Mappings of nothing, which are cut apart alone.
    Regime {
        name: "sparse",
        space: Area::new(1 << 16, 1 << 16),
        kernel: Area::new((1 << 16) + 300, 100),
        unit: 3,
        longest: 10,
        objects: 2,
        weights: Weights {
            madvise: 30,
            ..USUAL
        },
        sparse: 70,
        contiguous: 50,
        wild: 5,
        capacity: 1 << 12,
        look: 4,
        sparse_offsets: false,
    },
    // All addresses that there are, and what is at their ends.
    Regime {
        name: "whole",
        space: Area::new(0, u64::MAX),
        kernel: Area::new(0, 0),
        unit: 0,
        longest: 64,
        objects: 4,
        weights: USUAL,
        sparse: 20,
        contiguous: 60,
        wild: 40,
        capacity: 1 << 12,
        look: 16,
        sparse_offsets: true,
    },
    // A space that does not begin at 0 and ends where addresses do, full of refusals.
    Regime {
        name: "limits",
        space: Area::new(u64::MAX - (1 << 32), 1 << 32),
        kernel: Area::new(u64::MAX - (1 << 31), 1 << 20),
        unit: 0,
        longest: 33,
        objects: 4,
        weights: USUAL,
        sparse: 20,
        contiguous: 60,
        wild: 70,
        capacity: 1 << 12,
        look: 16,
        sparse_offsets: true,
    },
];

impl Regime {
    /// The one of this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|regime| regime.name == name)
    }

    /// The same for what `drm_gpuvm` says and for what we do, where they mean the same.
    pub(crate) fn comparable(&self, piece: &Piece) -> Piece {
        let mut piece = *piece;
        if piece.object == 0 && !self.sparse_offsets {
            piece.offset = 0;
        }
        piece
    }

    /// Why these addresses may not be mapped.
    pub(crate) fn refuses(&self, area: Area) -> Option<Reason> {
        let in_space = self.space.addr <= area.addr && area.end() <= self.space.end();
        if area.overflows() {
            Some(Reason::Overflow)
        } else if !in_space {
            Some(Reason::Outside)
        } else if area.addr < self.kernel.end() && self.kernel.addr < area.end() {
            Some(Reason::Kernel)
        } else {
            None
        }
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Overflow,
    Outside,
    Kernel,
}

/// How many of the last mappings are remembered, to make others that meet them.
const RECENT: usize = 32;

/// Requests.
pub(crate) struct Generator {
    regime: &'static Regime,
    random: Random,
    recent: [Piece; RECENT],
    made: usize,
}

impl Generator {
    pub(crate) fn new(regime: &'static Regime, seed: u64) -> Self {
        let somewhere = Piece {
            addr: regime.space.addr,
            range: 1 << regime.unit,
            ..Piece::default()
        };
        // The same seed is not the same sequence in another regime.
        let salt = regime
            .name
            .bytes()
            .fold(0, |salt: u64, byte| salt.rotate_left(8) ^ u64::from(byte));
        Self {
            regime,
            random: Random::new(seed ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            recent: [somewhere; RECENT],
            made: 0,
        }
    }

    /// Some requests that are made at once: mostly one.
    pub(crate) fn batch(&mut self) -> Batch {
        let mut batch = Batch::of(self.request());
        if self.random.percent(30) {
            let count = 1 + self.random.below(BATCH as u64) as usize;
            while batch.len() < count && !batch.is_prefetch() {
                match self.request() {
                    Request::Prefetch(area) => batch.push(Request::Unmap(area)),
                    request => batch.push(request),
                }
            }
        }
        batch
    }

    fn request(&mut self) -> Request {
        let Weights {
            map,
            unmap,
            split,
            madvise,
            prefetch,
        } = &self.regime.weights;
        let mut kind = self.random.below(map + unmap + split + madvise + prefetch);
        let near = self.random.one_of(self.recent);
        let area = self.area(&near);
        let mut chosen = |weight: &u64| {
            let hit = kind < *weight;
            kind = kind.wrapping_sub(*weight);
            hit
        };
        if chosen(map) {
            Request::Map(self.piece(area, &near))
        } else if chosen(split) {
            Request::Split(area)
        } else if chosen(madvise) {
            Request::Madvise(area)
        } else if chosen(prefetch) && self.regime.refuses(area).is_none() {
            // A prefetch of anything else is not refused by drm_gpuvm.
            Request::Prefetch(area)
        } else {
            Request::Unmap(area)
        }
    }

    /// Some addresses: mostly legal ones, often at those of the mapping `near`.
    fn area(&mut self, near: &Piece) -> Area {
        if self.random.percent(self.regime.wild) {
            return self.wild_area();
        }
        let mut area = self.any_area(near);
        for _ in 0..8 {
            if self.regime.refuses(area).is_none() {
                break;
            }
            area = self.any_area(near);
        }
        area
    }

    fn any_area(&mut self, near: &Piece) -> Area {
        let unit = 1 << self.regime.unit;
        let length = self.random.of_any_length(self.regime.longest) << self.regime.unit;
        let inside = self.random.below(near.range >> self.regime.unit) << self.regime.unit;
        let addr = match self.random.below(9) {
            0 | 1 => near.addr,
            2 => near.addr.wrapping_sub(length),
            3 => near.addr.wrapping_sub(unit),
            4 | 5 => near.addr.wrapping_add(inside),
            6 => near.end(),
            _ => self.anywhere(),
        };
        let range = match self.random.below(6) {
            0 => near.end().wrapping_sub(addr),
            1 => near.range,
            2 => near.addr.wrapping_add(inside).wrapping_sub(addr),
            _ => length,
        };
        // Whose end is below `addr` wraps, and is longer than any.
        let longest = 1_u64
            .checked_shl(self.regime.longest + self.regime.unit)
            .map_or(u64::MAX, |end| end - 1);
        match range {
            0 => Area::new(addr, length),
            _ if range > longest => Area::new(addr, length),
            _ => Area::new(addr, range),
        }
    }

    fn anywhere(&mut self) -> u64 {
        let Area { addr, range } = self.regime.space;
        addr + (self.random.below(range) >> self.regime.unit << self.regime.unit)
    }

    /// Addresses at the limits: some of them up to one, some beyond it, some that wrap.
    fn wild_area(&mut self) -> Area {
        let Regime {
            space,
            kernel,
            unit,
            longest,
            ..
        } = self.regime;
        let limits = [space.addr, space.end(), kernel.addr, kernel.end()];
        let limit = self.random.one_of(limits);
        let length = self.random.of_any_length(*longest) << unit;
        let little = self.random.below(3) << unit;
        match self.random.below(8) {
            // Ends there, or a little above.
            0 | 1 => Area::new(limit.wrapping_add(little).wrapping_sub(length), length),
            // Begins there, or a little below.
            2 | 3 => Area::new(limit.wrapping_sub(little), length),
            // Has it inside.
            4 => Area::new(limit.wrapping_sub(length), length.saturating_mul(2)),
            // Wraps, by a little or by a lot.
            5 => Area::new(
                length,
                0_u64.wrapping_sub(length).wrapping_add(little).max(1),
            ),
            6 => Area::new(self.anywhere() | 1, u64::MAX - self.random.below(2)),
            // All there is.
            _ => Area::new(space.addr, space.range),
        }
    }

    /// A mapping, whose object and offset often go on with those of `near`.
    fn piece(&mut self, area: Area, near: &Piece) -> Piece {
        let Area { addr, range } = area;
        let unit = 1 << self.regime.unit;
        let mut piece = Piece {
            addr,
            range,
            object: 1 + self.random.below(self.regime.objects),
            offset: addr.wrapping_sub(self.regime.space.addr),
        };
        if self.random.percent(self.regime.sparse) {
            piece.object = 0;
            piece.offset = 0;
        } else if self.random.percent(self.regime.contiguous) {
            // Now and then it is one off.
            if self.random.percent(10) {
                piece.offset = piece.offset.wrapping_add(unit);
            }
        } else if self.random.percent(50) && addr >= near.addr && near.object != 0 {
            piece.object = near.object;
            piece.offset = near.offset.wrapping_add(addr - near.addr);
        } else {
            piece.offset = self.random.next() >> 24 << self.regime.unit;
        }
        piece.offset = piece.offset.min(u64::MAX - range);
        if self.regime.refuses(area).is_none() {
            self.recent[self.made % RECENT] = piece;
            self.made = self.made.wrapping_add(1);
        }
        piece
    }
}
