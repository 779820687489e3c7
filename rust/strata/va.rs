// SPDX-License-Identifier: GPL-2.0

//! The address space of a GPU: what is mapped where, for drivers that map in the background.
//!
//! Requests are those of `drm_gpuvm`, and have the same results: see [`Op`]. What is not the same is
//! when they take memory. A request is **prepared** where one may sleep, as a job is submitted, and
//! **committed** where the job is run, in a dma-fence signalling section: there nothing is
//! allocated, and nothing fails. It is computed only then, from the space of that moment. So any
//! number of requests may be under way, of whichever spans, and each finds exactly what those before
//! it left.
//!
//! A commit is one change to every reader, however many mappings it displaces; readers take no lock.
//! They may be anywhere but in an NMI. Those in an interrupt, or in the callback of a fence or a timer
//! that is called there, may have interrupted a commit, so that they cannot wait for all of it: of one
//! that is of several requests they may see some and not yet the others, each of them whole; and of a
//! split that cuts two mappings one cut. For each interrupts are off as long as three stores into the
//! tree take at most, however many mappings are displaced.
//!
//! It is not a page table, and knows nothing of one: who commits is told what was done, and programs
//! the hardware.
//!
//! C: [`include/drm/drm_gpuvm.h`](srctree/include/drm/drm_gpuvm.h), of which nothing is used.
//!
//! # Examples
//!
//! ```
//! use kernel::sync::{rcu, Arc};
//! use strata::cx::SignalLock;
//! use strata::gfp::{Allocate, Gfp};
//! use strata::prelude::*;
//! use strata::va::{Driver, Limits, Mapping, Op, Space, Span};
//!
//! struct Buffer {
//!     pages: u64,
//! }
//!
//! struct Gpu;
//!
//! impl Driver for Gpu {
//!     type Object = Arc<Buffer>;
//!     type Data = ();
//!     type Spare = ();
//!
//!     fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result {
//!         Ok(())
//!     }
//!
//!     fn split(_old: &Mapping<Self>, _piece: Span, _spare: ()) {}
//! }
//!
//! # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
//! # let mut cx = unsafe { Cx::<'_, Process>::assume() };
//! # let cx = &mut cx;
//! let span = |addr, length| Span::new(addr, length).map_err(|_| EINVAL);
//! let class = strata::lock_class!(SignalLock, "example");
//! let space = Space::<Gpu>::new(cx, class, Limits::from(span(0x1000, 1 << 40)?));
//! let space = gfp::kernel(cx).arc_init(space)?;
//! let buffer = gfp::kernel(cx).arc(Buffer { pages: 16 })?;
//!
//! // Two jobs are submitted. The second will find what the first left.
//! let gfp = &mut gfp::kernel(cx);
//! let first = space.prepare_map(gfp, span(0x10000, 0x10000)?, Some(buffer.clone()), 0, ())?;
//! let second = space.prepare_unmap(gfp, span(0x14000, 0x1000)?)?;
//!
//! // And run.
//! cx.signalling(|cx| {
//!     let done = space.commit(cx, first)?;
//!     assert!(matches!(done.ops().next(), Some(Op::Map { object: Some(map), .. }) if map.pages == 16));
//!
//!     let done = space.commit(cx, second)?;
//!     let Some(Op::Remap { prev: Some(prev), next: Some(next), .. }) = done.ops().next() else {
//!         return Err(EINVAL);
//!     };
//!     assert_eq!((prev.span().end(), next.span().addr(), next.offset()), (0x14000, 0x15000, 0x5000));
//!     Ok::<_, Error>(())
//! })?;
//!
//! let guard = rcu::read_lock();
//! assert!(space.find(&guard, 0x14800).is_none());
//! assert_eq!(space.find(&guard, 0x15000).map(|mapping| mapping.offset()), Some(0x5000));
//! # Ok::<(), Error>(())
//! ```

mod commit;
mod done;
mod list;
mod mapping;
mod prepared;
mod raw;
mod read;
mod spares;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;

pub use self::{
    commit::{
        Cause,
        CommitError, //
    },
    done::{
        Done,
        Op, //
    },
    mapping::{
        Backing,
        Driver,
        Mapping, //
    },
    prepared::{
        MapError,
        Prepared,
        MAPPINGS_MAX, //
    },
    read::{
        Iter,
        Prefetch,
        View, //
    },
};
pub use crate::maple::{
    BadRoom,
    Room, //
};
pub use crate::plan::va::{
    BadSpan,
    KernelOutside,
    Limits,
    Piece,
    Request,
    Span, //
};

use self::raw::Sequence;
use crate::{
    cx::{
        Before,
        Cx,
        FenceCallback,
        MayAlloc,
        MaySleep,
        Rank,
        SignalLock, //
    },
    gfp,
    maple::{
        BadRange,
        MapleTree,
        Range,
        Rcu,
        RcuBox,
        Reservation,
        Spin, //
    },
    sync::Class, //
};
use kernel::prelude::*;

/// The tree of a space.
type Tree<D, R> = MapleTree<RcuBox<Mapping<D>>, Spin<R>, Rcu>;

/// The address space of a GPU, whose lock is at rank `R`.
///
/// Addresses are indices of its tree: there are spaces on 64-bit kernels only.
///
/// Readers without the lock see a commit as one change. Those in an interrupt see each of its requests
/// as one.
///
/// # Context
///
/// Dropping it drops what is mapped, wherever that is, and sleeps until what was displaced is
/// destroyed.
///
/// # Invariants
///
/// The tree is anchored. The span of each mapping in it is where that stands there, and within
/// `limits`.
#[pin_data]
pub struct Space<D: Driver, R: Rank = SignalLock> {
    #[pin]
    tree: Tree<D, R>,
    #[pin]
    sequence: Sequence,
    limits: Limits,
}

impl<D: Driver, R: Rank> Space<D, R> {
    /// An empty space, with a spinlock of `class`; primes that if it is the first of it.
    ///
    /// # Context
    ///
    /// Anything before [`R::Starts`](Rank::Starts) that may allocate with `GFP_KERNEL`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, for the tree's first node.
    pub fn new<L, S>(
        cx: &mut Cx<'_, L, S>,
        class: &'static Class<R>,
        limits: Limits,
    ) -> impl PinInit<Self, Error>
    where
        L: Before<R::Starts> + MayAlloc<gfp::Kernel>,
        R: Before<FenceCallback>,
        S: MaySleep,
    {
        const {
            assert!(usize::BITS == u64::BITS, "an address is an index of a tree");
        }
        let nodes = Reservation::new(&mut gfp::kernel(cx), 1, 1);
        let tree = Tree::<D, R>::new(cx, class);
        // INVARIANT: It is anchored, and has no mapping.
        try_pin_init!(Self {
            tree <- tree,
            _: {
                // No span reaches the last index.
                tree.anchor(nodes?)?;
            },
            // SAFETY: The tree is pinned, and goes with it.
            sequence <- unsafe { Sequence::new(&tree) },
            limits,
        }? Error)
    }

    /// Where one may map.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    fn check(&self, span: Span) -> Result {
        self.limits.check(&span).map_err(|_| EINVAL)
    }
}

/// Where a span is in a tree.
fn range_of(span: Span) -> Range {
    match Range::new(span.addr() as usize, span.last() as usize) {
        Ok(range) => range,
        Err(BadRange) => unreachable!("a span is not empty"),
    }
}

/// What a span is that [`range_of`] gave a range of, or a part of it.
fn span_of(range: Range) -> Span {
    match Span::between(range.first() as u64, range.last() as u64 + 1) {
        Some(span) => span,
        None => unreachable!("a range is not empty, and a span's ends below the last index"),
    }
}
