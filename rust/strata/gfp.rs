// SPDX-License-Identifier: GPL-2.0

//! Allocation under a token: the class of an allocation must be one that the context allows.
//!
//! A [`Gfp`] is the permission to allocate with one [`Class`]. [`kernel()`], [`nofs()`], [`noio()`],
//! [`nowait()`] and [`atomic()`] give one where the context allows it and do not compile elsewhere;
//! [`strongest()`] gives the strongest that the context's level allows. All that allocates through it
//! gives its value back when it fails.
//!
//! `kernel::alloc::Flags` cannot say `GFP_NOFS` or `GFP_NOIO`, and the mm developers ask for scopes
//! instead: those classes allocate with `GFP_KERNEL` inside of a memalloc scope.
//!
//! C: [`include/linux/gfp_types.h`](srctree/include/linux/gfp_types.h). Docs:
//! `Documentation/core-api/memory-allocation.rst`.
//!
//! # Examples
//!
//! ```
//! use strata::prelude::*;
//!
//! # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
//! # let mut cx = unsafe { Cx::<'_, Process>::assume() };
//! # let cx = &mut cx;
//! let shared = gfp::kernel(cx).arc(3)?;
//! assert_eq!(*shared, 3);
//!
//! let numbers = cx.signalling(|cx| {
//!     let mut gfp = gfp::nowait(cx);
//!     let mut numbers = gfp.vec(2)?;
//!     gfp.push(&mut numbers, 1)?;
//!     gfp.push(&mut numbers, 2)?;
//!     Ok::<_, Error>(numbers)
//! })?;
//! assert_eq!(&numbers[..], &[1, 2]);
//! # Ok::<(), Error>(())
//! ```

mod class;

pub use self::class::{
    Allocate,
    Waits, //
};
pub use crate::cx::class::{
    Atomic,
    Class,
    Kernel,
    NoFs,
    NoIo,
    NoWait, //
};

use crate::cx::{
    self,
    Cx,
    Level,
    MayAlloc,
    MaySleep,
    Sleep, //
};
use core::marker::PhantomData;
use kernel::{
    alloc::{
        flags::__GFP_ZERO,
        AllocError,
        Flags,
        KVVec, //
    },
    page::Page,
    prelude::*,
    sync::{
        Arc,
        UniqueArc, //
    },
    types::NotThreadSafe, //
};

/// There was no memory; here is what should have gone into it.
#[derive(Debug)]
pub struct NoMemory<T> {
    /// The value that was not stored.
    pub value: T,
}

impl<T> From<NoMemory<T>> for Error {
    fn from(_: NoMemory<T>) -> Self {
        ENOMEM
    }
}

/// Permission to allocate with class `C`, for as long as the token is borrowed.
///
/// # Invariants
///
/// While it is reachable, the running task may allocate with class `C`.
pub struct Gfp<'a, C: Class> {
    _cx: PhantomData<&'a mut ()>,
    _class: PhantomData<fn() -> C>,
    _task: NotThreadSafe,
}

impl<C: Class> Gfp<'_, C> {
    /// # Safety
    ///
    /// While the result lives, the task must be allowed to allocate with class `C`.
    #[inline(always)]
    unsafe fn assume() -> Self {
        // INVARIANT: The caller promises just that.
        Self {
            _cx: PhantomData,
            _class: PhantomData,
            _task: NotThreadSafe,
        }
    }
}

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident: $class:ident;)*) => {
        $(
            $(#[$doc])*
            #[inline(always)]
            pub fn $name<'a, L, S>(cx: &'a mut Cx<'_, L, S>) -> Gfp<'a, $class>
            where
                L: MayAlloc<$class>,
                S: MaySleep,
            {
                let _ = cx;
                // SAFETY: `L: MayAlloc` and `S: MaySleep` say so of the task that holds `cx`.
                unsafe { Gfp::assume() }
            }
        )*
    };
}

classes! {
    /// `GFP_KERNEL`. Levels before [`Reclaim`](cx::Reclaim) that may sleep.
    kernel: Kernel;
    /// `GFP_NOFS`. Levels before [`NoIo`](cx::NoIo) that may sleep.
    ///
    /// It still calls shrinkers, so not under a lock that one takes. Lockdep does not see that:
    /// it checks `fs_reclaim` for `GFP_KERNEL` alone.
    ///
    /// Inside of real reclaim every allocation may use the last reserves (`PF_MEMALLOC`), whatever
    /// its class: allocate in a shrinker only what is bounded and freed soon.
    nofs: NoFs;
    /// `GFP_NOIO`. Levels up to [`NoIo`](cx::NoIo) that may sleep. As [`nofs()`].
    noio: NoIo;
}

/// `GFP_NOWAIT`. Everywhere.
#[inline(always)]
pub fn nowait<'a, L: Level, S: Sleep>(_cx: &'a mut Cx<'_, L, S>) -> Gfp<'a, NoWait> {
    // SAFETY: It acquires nothing and never sleeps.
    unsafe { Gfp::assume() }
}

/// `GFP_ATOMIC`. Everywhere; it uses reserves that interrupt handlers live on.
#[inline(always)]
pub fn atomic<'a, L: Level, S: Sleep>(_cx: &'a mut Cx<'_, L, S>) -> Gfp<'a, Atomic> {
    // SAFETY: It acquires nothing and never sleeps.
    unsafe { Gfp::assume() }
}

/// The strongest class that a sleeping task at a level may allocate with.
pub trait Strongest: Level {
    /// The class.
    type Class: Class;
}

macro_rules! strongest {
    ($($class:ident: $($level:ident),*;)*) => {
        $($(
            impl Strongest for cx::$level {
                type Class = $class;
            }
        )*)*
    };
}

strongest! {
    Kernel: Process, MmapHeld, ResvHeld;
    NoFs: Reclaim, NoFs;
    NoIo: NoIo;
    NoWait: ReclaimLock, Notifier, NotifierLock, Signalling, SignalLock, FenceCallback, IrqLock;
}

/// The strongest class that the level allows to a task that may sleep.
#[inline(always)]
pub fn strongest<'a, L, S>(_cx: &'a mut Cx<'_, L, S>) -> Gfp<'a, L::Class>
where
    L: Strongest,
    S: MaySleep,
{
    // SAFETY: The class is `NoWait`, which acquires nothing, or one that `MayAlloc` gives `L`.
    unsafe { Gfp::assume() }
}

impl<C: Allocate> Gfp<'_, C> {
    /// A box. C: `kmalloc()`.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] with the value.
    #[inline]
    pub fn boxed<T>(&mut self, value: T) -> Result<KBox<T>, NoMemory<T>> {
        match C::with(KBox::<T>::new_uninit) {
            Ok(memory) => Ok(memory.write(value)),
            Err(AllocError) => Err(NoMemory { value }),
        }
    }

    /// A box that is initialised in place and stays there.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or the initialiser's. The initialiser runs after the allocation, outside of its
    /// scope.
    #[inline]
    pub fn boxed_init<T, E>(&mut self, init: impl PinInit<T, E>) -> Result<Pin<KBox<T>>>
    where
        Error: From<E>,
    {
        let memory = C::with(KBox::<T>::new_uninit)?;
        Ok(memory.write_pin_init(init)?)
    }

    /// A reference-counted value.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] with the value.
    #[inline]
    pub fn arc<T>(&mut self, value: T) -> Result<Arc<T>, NoMemory<T>> {
        match C::with(UniqueArc::<T>::new_uninit) {
            Ok(memory) => Ok(memory.write(value).into()),
            Err(AllocError) => Err(NoMemory { value }),
        }
    }

    /// A reference-counted value that is initialised in place.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or the initialiser's.
    #[inline]
    pub fn arc_init<T, E>(&mut self, init: impl PinInit<T, E>) -> Result<Arc<T>>
    where
        Error: From<E>,
    {
        let memory = C::with(UniqueArc::<T>::new_uninit)?;
        Ok(memory.pin_init_with(init)?.into())
    }

    /// An empty vector with room for `capacity` values. C: `kmalloc_array()`.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    #[inline]
    pub fn vec<T>(&mut self, capacity: usize) -> Result<KVec<T>, AllocError> {
        C::with(|flags| KVec::with_capacity(capacity, flags))
    }

    /// Appends to a vector, which grows if it must.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] with the value; the vector is as it was.
    #[inline]
    pub fn push<T>(&mut self, vec: &mut KVec<T>, value: T) -> Result<(), NoMemory<T>> {
        match C::with(|flags| vec.reserve(1, flags)) {
            Ok(()) => vec
                .push_within_capacity(value)
                .map_err(|kernel::alloc::kvec::PushError(value)| NoMemory { value }),
            Err(AllocError) => Err(NoMemory { value }),
        }
    }

    /// Calls `f` with the flags of the class, inside of its scope: for what else takes flags.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::rbtree::RBTreeNodeReservation;
    /// use strata::prelude::*;
    ///
    /// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
    /// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
    /// # let cx = &mut cx;
    /// let node = gfp::noio(cx).with(RBTreeNodeReservation::<u32, u32>::new)?;
    /// assert_eq!(node.into_node(1, 2).to_key_value(), (1, 2));
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn with<R>(&mut self, f: impl FnOnce(Flags) -> R) -> R {
        C::with(f)
    }

    /// A page, zeroed. C: `alloc_page()`.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    #[inline]
    pub fn page(&mut self) -> Result<Page, AllocError> {
        C::with(|flags| Page::alloc_page(flags | __GFP_ZERO))
    }
}

impl Gfp<'_, Kernel> {
    /// An empty vector with room for `capacity` values, from `vmalloc` where it is large.
    ///
    /// Only with `GFP_KERNEL`: the page tables of a mapping are allocated with it. C:
    /// `kvmalloc_array()`.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    #[inline]
    pub fn large_vec<T>(&mut self, capacity: usize) -> Result<KVVec<T>, AllocError> {
        Kernel::with(|flags| KVVec::with_capacity(capacity, flags))
    }
}

impl<L: Level, S: Sleep> Cx<'_, L, S> {
    /// A box, with `GFP_KERNEL`: [`gfp::kernel(cx).boxed(value)`](Gfp::boxed).
    ///
    /// # Context
    ///
    /// Levels before [`Reclaim`](cx::Reclaim) that may sleep.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] with the value.
    #[inline]
    pub fn alloc<T>(&mut self, value: T) -> Result<KBox<T>, NoMemory<T>>
    where
        L: MayAlloc<Kernel>,
        S: MaySleep,
    {
        kernel(self).boxed(value)
    }
}
