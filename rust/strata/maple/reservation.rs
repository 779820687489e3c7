// SPDX-License-Identifier: GPL-2.0

//! Where the nodes of a store come from: from memory of now, or from a reservation of before.

use super::{
    raw::{
        Flags,
        Tree, //
    },
    state::State,
    stock::Stock,
    Range, //
};
use crate::{
    gfp::{
        Allocate,
        Gfp,
        NoWait, //
    },
    lockdep,
    plan::maple::{
        reserved_height,
        Shape,
        HEIGHT_MAX, //
    }, //
};
use core::ffi::c_void;
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

mod private {
    /// Keeps [`Nodes`](super::Nodes) to what finishes what it begins.
    pub trait Sealed {}
}

/// Where a store gets its nodes from.
///
/// | | |
/// |---|---|
/// | `&mut Gfp<'_, C>` | they are allocated, as the context allows; that may fail |
/// | [`Reservation`] | taken from it, and the rest is given back |
/// | `&mut Reservation` | taken from it, and the rest stays for another store |
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no nodes for a store",
    label = "neither permission to allocate nor a reservation",
    note = "pass `&mut gfp::kernel(cx)` or another class that the context allows, or a `Reservation`; `&mut` of one keeps what is left"
)]
pub trait Nodes: private::Sealed {
    /// Calls `f` with a state that stands at `range`.
    #[doc(hidden)]
    fn with<R>(self, tree: &Tree, range: Range, f: impl FnOnce(&mut State, Flags) -> R) -> R;

    /// Takes the nodes that storing `entry` needs, and stores it.
    ///
    /// # Safety
    ///
    /// That of [`State::prepare`].
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn put(state: &mut State, entry: *mut c_void, flags: Flags) -> Result<(), AllocError> {
        // SAFETY: By the caller's promise.
        unsafe { state.prepare(entry, flags) }?;
        // SAFETY: It was just prepared.
        unsafe { Self::store(state, entry) };
        Ok(())
    }

    /// Stores what the state was prepared for.
    ///
    /// # Safety
    ///
    /// That of [`State::store`].
    #[doc(hidden)]
    unsafe fn store(state: &mut State, entry: *mut c_void);
}

impl<C: Allocate> private::Sealed for &mut Gfp<'_, C> {}
impl private::Sealed for Reservation {}
impl private::Sealed for &mut Reservation {}

impl<C: Allocate> Nodes for &mut Gfp<'_, C> {
    #[inline(always)]
    fn with<R>(self, tree: &Tree, range: Range, f: impl FnOnce(&mut State, Flags) -> R) -> R {
        Gfp::with(self, |_| {
            if C::RECLAIMS {
                // Most stores find their nodes without that, and would report nothing.
                lockdep::might_alloc_kernel();
            }
            f(&mut State::new(tree, range), C::RAW)
        })
    }

    #[inline(always)]
    unsafe fn put(state: &mut State, entry: *mut c_void, flags: Flags) -> Result<(), AllocError> {
        if C::RAW == NoWait::RAW {
            // One walk less.
            // SAFETY: By the caller's promise, and a state of `with()` holds no nodes.
            return unsafe { state.store_nowait(entry) };
        }
        // SAFETY: By the caller's promise.
        unsafe { state.prepare(entry, flags) }?;
        // SAFETY: It was just prepared.
        unsafe { Self::store(state, entry) };
        Ok(())
    }

    #[inline(always)]
    unsafe fn store(state: &mut State, entry: *mut c_void) {
        // SAFETY: By the caller's promise.
        unsafe { state.store_last(entry) };
    }
}

/// Nodes for stores that are still to come: whichever they are, into whatever the tree is by then.
///
/// Taken where one may sleep, without any lock, and good for any tree: a job takes it when it is
/// submitted, and commits with it in a signalling section, under the tree's spinlock, whatever other
/// jobs did to the tree meanwhile. Dropped, it gives its nodes back.
///
/// A reservation of one store takes up 9 KiB, as much for a tree of ten entries as for one of ten
/// millions (a sheaf of the slab has 32 nodes of 256 bytes): how many a driver lets queue up is worth
/// a limit.
///
/// # Examples
///
/// ```
/// use strata::cx::SignalLock;
/// use strata::maple::{MapleTree, Number, Range, Reservation, Spin};
/// use strata::prelude::*;
///
/// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
/// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
/// # let cx = &mut cx;
/// let class = strata::lock_class!(SignalLock, "example");
/// let tree = MapleTree::<Number, Spin>::new(cx, class);
/// let tree = gfp::kernel(cx).boxed_init(tree)?;
///
/// // A job is submitted: one may sleep.
/// let nodes = Reservation::new(&mut gfp::kernel(cx), 1_000_000, 1)?;
/// let number = Number::new(7).ok_or(EINVAL)?;
///
/// // And run: others wait for it.
/// let range = Range::of(10..20)?;
/// cx.signalling(|cx| tree.lock(cx, |tree, _| tree.insert(nodes, range, number)))?;
/// assert_eq!(tree.lock(cx, |tree, _| tree.load(19).map(Number::get)), Some(7));
/// # Ok::<(), Error>(())
/// ```
#[must_use = "the nodes are given back when it is dropped"]
pub struct Reservation {
    stock: Stock,
    /// Up to this height of a tree it has enough for one store more.
    height: u8,
}

impl Reservation {
    /// The nodes that `stores` stores into a tree of up to `entries` entries need in the worst case.
    ///
    /// Entries are values and reserved slots. A store is one call that takes [`Nodes`].
    ///
    /// # Context
    ///
    /// Any that the class of `gfp` allows. Takes no lock of a tree.
    ///
    /// # Errors
    ///
    /// `EINVAL` if a reservation cannot hold as many: it holds 94 nodes, which is one store into the
    /// largest tree that there can be, or three into one of 15 million entries. `ENOMEM`.
    #[inline]
    pub fn new<C: Allocate>(gfp: &mut Gfp<'_, C>, entries: usize, stores: usize) -> Result<Self> {
        // Trees that find gaps are the higher ones.
        let height = reserved_height(entries, Shape::Gaps, stores).ok_or(EINVAL)?;
        Ok(Self::for_height(gfp, height)?)
    }

    /// The nodes that one store into a tree of up to `height` levels needs in the worst case.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    pub(crate) fn for_height<C: Allocate>(
        gfp: &mut Gfp<'_, C>,
        height: u8,
    ) -> Result<Self, AllocError> {
        let height = height.clamp(1, HEIGHT_MAX);
        gfp.with(|_| {
            if C::RECLAIMS {
                lockdep::might_alloc_kernel();
            }
            let stock = Stock::reserve(height, C::RAW)?;
            Ok(Self { stock, height })
        })
    }

    /// One that says it has enough and has nothing: as any is in a kernel whose trees take more than
    /// Strata knows.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn hollow() -> Self {
        Self {
            stock: Stock::NONE,
            height: HEIGHT_MAX,
        }
    }

    /// Whether it has enough for a store into a tree of `height` levels.
    pub(crate) fn covers(&self, height: u32) -> bool {
        height <= self.height.into()
    }

    /// Says that it was stored with, and may not have enough for another store.
    pub(super) fn spend(&mut self) {
        self.height = 0;
    }

    /// Whether no node is left.
    pub(super) fn is_empty(&self) -> bool {
        self.stock.is_none()
    }
}

impl Nodes for Reservation {
    #[inline(always)]
    fn with<R>(mut self, tree: &Tree, range: Range, f: impl FnOnce(&mut State, Flags) -> R) -> R {
        (&mut self).with(tree, range, f)
    }

    #[inline(always)]
    unsafe fn store(state: &mut State, entry: *mut c_void) {
        // SAFETY: By the caller's promise.
        unsafe { state.store_last(entry) };
    }
}

impl Nodes for &mut Reservation {
    #[inline(always)]
    fn with<R>(self, tree: &Tree, range: Range, f: impl FnOnce(&mut State, Flags) -> R) -> R {
        let mut state = State::with(tree, range, self.stock.take());
        // What was reserved is enough. Were it not, for a tree that outgrew it or in a kernel whose
        // trees are others, this may find more, or fails with nothing changed.
        let result = f(&mut state, NoWait::RAW);
        self.stock = state.take();
        result
    }

    #[inline(always)]
    unsafe fn store(state: &mut State, entry: *mut c_void) {
        // SAFETY: By the caller's promise.
        unsafe { state.store(entry) };
    }
}
