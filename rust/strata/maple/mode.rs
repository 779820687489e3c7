// SPDX-License-Identifier: GPL-2.0

//! What kind of tree it is: who may use it when, and what its nodes keep.

use super::{
    chain::Chain,
    raw::{
        self,
        Entry, //
    },
    rcu::{
        RcuBox,
        Retired, //
    },
    retire,
    value::Value,
    Range, //
};
use crate::{
    cx::{
        Before,
        Cx,
        Level,
        MaySleep,
        Rank,
        SignalLock, //
    },
    sync::Mutex, //
};
use core::{
    ffi::c_void,
    marker::PhantomData, //
};
use kernel::sync::Arc;

mod private {
    /// Keeps the modes to those that there are.
    pub trait Sealed {}
}

/// The tree has a spinlock of its own, at rank `R` of the order.
pub struct Spin<R: Rank = SignalLock>(pub(super) PhantomData<fn() -> R>);

/// The tree is guarded by a lock that guards other things too, and that `H` keeps alive.
///
/// On a kernel with lockdep the tree itself reports who uses it without the lock.
pub struct External<H: ExternalLock> {
    pub(super) handle: H,
    pub(super) owner: *const H::Owner,
}

// SAFETY: The pointer is only compared.
unsafe impl<H: ExternalLock + Send> Send for External<H> {}
// SAFETY: The pointer is only compared.
unsafe impl<H: ExternalLock + Sync> Sync for External<H> {}

/// Who uses the tree has it to himself: it stands in what is locked, or is one task's own.
pub struct Exclusive(pub(super) ());

/// A lock that can guard trees which stand outside of it.
///
/// # Safety
///
/// For as long as the handle lives, only who holds the lock has a `&mut Owner` at the address that
/// `owner` returns, and `mutex` is the lock's own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not keep a lock that can guard a tree",
    label = "not a lock that stays where it is for as long as the tree lives",
    note = "what does: an `Arc` of a `strata::sync::Mutex`, or of a `strata::resv::Resv`"
)]
pub unsafe trait ExternalLock {
    /// What the holder of the lock has in hand. It takes up memory: its address says which lock.
    type Owner;

    /// Where the lock stands.
    type Level: Level;

    /// Where the holder's value is.
    #[doc(hidden)]
    fn owner<L, S>(&self, cx: &mut Cx<'_, L, S>) -> *const Self::Owner
    where
        L: Before<Self::Level>,
        S: MaySleep;

    /// The mutex whose map the tree is told: a `struct mutex`.
    #[doc(hidden)]
    fn mutex(&self) -> *mut c_void;
}

// SAFETY: The value in the mutex stays where it is, and is lent to the mutex's holder alone.
unsafe impl<D, R: Rank> ExternalLock for Arc<Mutex<D, R>> {
    type Owner = D;
    type Level = R;

    fn owner<L, S>(&self, cx: &mut Cx<'_, L, S>) -> *const D
    where
        L: Before<R>,
        S: MaySleep,
    {
        self.lock_pinned(cx, |value, _| &raw const *value)
    }

    fn mutex(&self) -> *mut c_void {
        self.as_mutex().cast()
    }
}

/// What the nodes of a tree keep, and how values leave it.
#[diagnostic::on_unimplemented(
    message = "a tree of mode `{Self}` cannot hold `{V}`",
    label = "readers may look at a value that has left the tree",
    note = "readers under RCU may look at a value that has left the tree: it is freed after a grace period, for which a `RcuBox` has room",
    note = "hold `RcuBox<_>`, or use mode `Plain` or `Gaps`, which are read under the lock"
)]
pub trait Mode<V: Value>: private::Sealed {
    /// A value that was taken out, of a tree that lives for `'t`.
    type Out<'t>;

    /// The flags of the tree.
    #[doc(hidden)]
    const FLAGS: u32;

    /// Displaced entries of a store that is not done yet.
    #[doc(hidden)]
    type Displaced;

    #[doc(hidden)]
    fn displaced() -> Self::Displaced;

    /// A value that is in the tree no more.
    ///
    /// # Safety
    ///
    /// `entry` must be of a `V`, and have been in the tree, and be nobody else's.
    #[doc(hidden)]
    unsafe fn out<'t>(entry: Entry) -> Self::Out<'t>;

    /// An entry that a store displaces which cannot fail any more.
    ///
    /// # Safety
    ///
    /// That of [`out`](Self::out), but for the store, which is still to be done.
    #[doc(hidden)]
    unsafe fn displace<'t>(
        displaced: &mut Self::Displaced,
        range: Range,
        entry: Entry,
        out: &mut impl FnMut(Range, Self::Out<'t>),
    );

    /// Waits for what left a tree that goes.
    #[doc(hidden)]
    fn settle();

    /// The store is done.
    ///
    /// # Safety
    ///
    /// It must be.
    #[doc(hidden)]
    unsafe fn stored<'t>(displaced: Self::Displaced, out: &mut impl FnMut(Range, Self::Out<'t>));
}

/// A tree whose nodes hold most, and know of no gaps.
pub enum Plain {}

/// A tree that finds gaps. Its nodes hold less: it is up to a level higher.
pub enum Gaps {}

/// A tree that is read without its lock, under RCU. It finds gaps too: without that the trees of 7.2
/// and 7.3 free wrong memory in this mode.
pub enum Rcu {}

/// A mode in which gaps are found.
#[diagnostic::on_unimplemented(
    message = "a tree of mode `{Self}` keeps no record of its gaps",
    note = "make it a `MapleTree<_, _, Gaps>`"
)]
pub trait FindsGaps: private::Sealed {}

impl FindsGaps for Gaps {}
impl FindsGaps for Rcu {}

/// A mode in which readers need no lock.
#[diagnostic::on_unimplemented(
    message = "a tree of mode `{Self}` is not read without its lock",
    label = "a store may change what this walks, and free what it finds",
    note = "at run time: `WARNING: suspicious RCU usage` outside of an RCU reader, and nothing inside of one",
    note = "read under the lock, or make it a `MapleTree<RcuBox<_>, _, Rcu>`"
)]
pub trait ReadsUnlocked: private::Sealed {}

impl ReadsUnlocked for Rcu {}

impl private::Sealed for Plain {}
impl private::Sealed for Gaps {}
impl private::Sealed for Rcu {}

macro_rules! unshared {
    ($mode:ident, $flags:expr) => {
        impl<V: Value> Mode<V> for $mode {
            type Out<'t> = V;
            const FLAGS: u32 = $flags;
            type Displaced = ();

            #[inline(always)]
            fn displaced() {}

            #[inline(always)]
            unsafe fn out<'t>(entry: Entry) -> <Self as Mode<V>>::Out<'t> {
                // SAFETY: By the caller's promise.
                unsafe { V::from_entry(entry) }
            }

            #[inline(always)]
            unsafe fn displace<'t>(
                _displaced: &mut (),
                range: Range,
                entry: Entry,
                out: &mut impl FnMut(Range, <Self as Mode<V>>::Out<'t>),
            ) {
                // SAFETY: The store cannot fail any more, and nobody can look before it is done:
                // the caller has the tree to himself.
                out(range, unsafe { V::from_entry(entry) });
            }

            #[inline(always)]
            fn settle() {}

            #[inline(always)]
            unsafe fn stored<'t>(
                _displaced: (),
                _out: &mut impl FnMut(Range, <Self as Mode<V>>::Out<'t>),
            ) {
            }
        }
    };
}

unshared!(Plain, 0);
unshared!(Gaps, raw::MT_FLAGS_ALLOC_RANGE);

impl<T: Send + 'static> Mode<RcuBox<T>> for Rcu {
    type Out<'t> = Retired<'t, T>;
    const FLAGS: u32 = raw::MT_FLAGS_ALLOC_RANGE | raw::MT_FLAGS_USE_RCU;
    type Displaced = Chain<T>;

    fn displaced() -> Chain<T> {
        Chain::new()
    }

    fn settle() {
        retire::flush();
    }

    #[inline(always)]
    unsafe fn out<'t>(entry: Entry) -> Retired<'t, T> {
        // SAFETY: By the caller's promise.
        unsafe { Retired::from_entry(entry) }
    }

    unsafe fn displace<'t>(
        displaced: &mut Chain<T>,
        range: Range,
        entry: Entry,
        _out: &mut impl FnMut(Range, Retired<'t, T>),
    ) {
        // Readers find it until the store is done: its grace period must not begin before.
        // SAFETY: By the caller's promise.
        unsafe { displaced.push(range, entry) };
    }

    unsafe fn stored<'t>(displaced: Chain<T>, out: &mut impl FnMut(Range, Retired<'t, T>)) {
        // SAFETY: By the caller's promise.
        unsafe { displaced.hand_out(out) };
    }
}
