// SPDX-License-Identifier: GPL-2.0

//! Objects on lists of the least recently used, by NUMA node and by memory cgroup.
//!
//! A [`Cache`] is where the objects of one kind come from and the lists that they can stand on. An
//! [`Object`] is on one of these lists or on none, stands there with the pages that it would free,
//! and is put there and taken off under its own lock. What belongs to a memory cgroup is found by
//! the reclaim of that cgroup: the one of the task that made the object.
//!
//! A shrinker [walks](Cache::walk) a list: each object that nobody has locked is taken off it, with
//! its lock held, the list's own lock dropped, and a reference taken, and then offered to the
//! driver. So an object leaves its list before anything of it is freed, the last reference may be
//! the walk's own, and what frees memory may sleep.
//!
//! Lock order: the object's lock, of the driver's [`Item::Rank`], and then that of its list. The
//! walk takes them the other way round, by trylock.
//!
//! C: [`include/linux/list_lru.h`](srctree/include/linux/list_lru.h).

mod object;
mod raw;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;

pub use self::object::{
    Locked,
    Object, //
};

use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        MayAlloc,
        MaySleep,
        Rank,
        Reclaim, //
    },
    gfp,
    lockdep,
    shrinker::{
        Count,
        CountControl,
        Prepared,
        ScanControl,
        Scope,
        WaitToken, //
    },
    sync::Class, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// What a driver keeps on lists.
pub trait Item: Send + Sync + Sized + 'static {
    /// Where the lock of each object stands: at a rank that shrinkers may take.
    type Rank: Rank;

    /// The lists.
    type List: List;

    /// What is decided under the object's lock.
    type State: Send + 'static;
}

/// The lists of a cache, as an enum. Made by [`lru_lists!`](crate::lru_lists).
///
/// # Safety
///
/// `index` must be less than `COUNT`, which must be at most [`MAX_LISTS`].
pub unsafe trait List: Copy + PartialEq + Send + Sync + 'static {
    /// How many there are.
    const COUNT: usize;

    /// Which one it is.
    fn index(self) -> usize;
}

/// How many lists a cache can have.
pub const MAX_LISTS: usize = 4;

/// Declares the lists that objects of one kind can stand on.
///
/// # Examples
///
/// ```
/// use strata::lru::List;
///
/// strata::lru_lists! {
///     pub enum Where {
///         /// May be thrown away.
///         Purgeable,
///         /// May be written out.
///         Idle,
///     }
/// }
///
/// assert_eq!((Where::COUNT, Where::Idle.index()), (2, 1));
/// ```
#[macro_export]
macro_rules! lru_lists {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$variant_doc:meta])* $list:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$variant_doc])* $list),+
        }

        // SAFETY: Discriminants are counted from 0, and `COUNT` is how many there are.
        unsafe impl $crate::lru::List for $name {
            const COUNT: usize = {
                let count = [$($name::$list),+].len();
                ::core::assert!(count <= $crate::lru::MAX_LISTS, "too many lists");
                count
            };

            #[inline(always)]
            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

/// What became of an object that a walk offered.
#[must_use]
pub enum Verdict {
    /// Its pages are free, or can be freed by others. It is on the list that it was put on, or on
    /// none.
    Evicted,
    /// It cannot be had now: it goes to the end of its list.
    Kept,
}

/// There was no memory for an object; here is what should have gone into it.
pub type NotMade<T> = gfp::NoMemory<(T, <T as Item>::State)>;

/// What stands on one list, over all nodes and cgroups: a `struct strata_total`.
#[repr(C)]
struct Total {
    objects: Atomic<isize>,
    pages: Atomic<isize>,
}

impl Total {
    const fn new() -> Self {
        Self {
            objects: Atomic::new(0),
            pages: Atomic::new(0),
        }
    }

    #[inline(always)]
    fn as_ptr(&self) -> *mut bindings::strata_total {
        ptr::from_ref(self).cast_mut().cast()
    }

    fn objects(&self) -> usize {
        usize::try_from(self.objects.load(Relaxed)).unwrap_or(0)
    }

    fn pages(&self) -> usize {
        usize::try_from(self.pages.load(Relaxed)).unwrap_or(0)
    }

    /// The pages of `objects` of all that stand there: a list knows how many objects it has for a
    /// node and a cgroup, but not how large they are.
    fn share(&self, objects: usize) -> usize {
        let (all, pages) = (self.objects(), self.pages());
        if objects >= all {
            return pages;
        }
        pages.saturating_mul(objects).div_ceil(all)
    }
}

/// Where objects of one kind come from, and the lists that they can stand on.
///
/// # Context
///
/// Dropped where `GFP_KERNEL` is allowed, which is checked. C: `list_lru_destroy()`,
/// `kmem_cache_destroy()`.
///
/// # Invariants
///
/// `lrus` was made by `strata_helper_lrus_create()` for `T`, `first` is the first of its
/// `T::List::COUNT` lists, and both live as long as this.
pub struct Cache<T: Item> {
    lrus: NonNull<bindings::strata_lrus>,
    first: *mut bindings::list_lru,
    totals: [Total; MAX_LISTS],
    class: &'static Class<T::Rank>,
    _items: PhantomData<fn(T) -> T>,
}

// SAFETY: The C side has its own locks.
unsafe impl<T: Item> Send for Cache<T> {}
// SAFETY: As above.
unsafe impl<T: Item> Sync for Cache<T> {}

impl<T: Item> Cache<T> {
    /// A slab cache called `name`, and its lists. Reclaim of a cgroup whose objects are on one of
    /// them will call `shrinker`, once that is registered.
    ///
    /// # Context
    ///
    /// Anything before what priming of `class` acquires, see [`Mutex::new`](crate::sync::Mutex::new),
    /// that may allocate with `GFP_KERNEL` and may sleep. C: `kmem_cache_create()`,
    /// `list_lru_init_memcg()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new<L, S>(
        cx: &mut Cx<'_, L, S>,
        shrinker: &Prepared,
        name: &CStr,
        class: &'static Class<T::Rank>,
    ) -> Result<Self>
    where
        L: Before<<T::Rank as Rank>::Starts> + MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        let _ = cx;
        class.prime_mutex();
        let lrus = raw::create::<T>(shrinker, name)?;
        // INVARIANT: It was just made so.
        Ok(Self {
            lrus,
            first: raw::first(lrus),
            totals: [const { Total::new() }; MAX_LISTS],
            class,
            _items: PhantomData,
        })
    }

    /// An object, on no list, of the memory cgroup of the running task.
    ///
    /// # Context
    ///
    /// Levels that may allocate with `GFP_KERNEL`, and may sleep. C: `kmem_cache_alloc_lru()`.
    ///
    /// # Errors
    ///
    /// [`gfp::NoMemory`] with what should have gone into it.
    pub fn object<L, S>(
        self: &Arc<Self>,
        _cx: &mut Cx<'_, L, S>,
        item: T,
        state: T::State,
    ) -> Result<ARef<Object<T>>, NotMade<T>>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        match raw::alloc::<T>(self.lrus) {
            // SAFETY: It is memory for an object of this cache, unused by others.
            Some(memory) => Ok(unsafe { Object::init(memory, self.clone(), item, state) }),
            None => Err(gfp::NoMemory {
                value: (item, state),
            }),
        }
    }

    /// What stands on `lists` and that `control` asks for: by the size of their objects on average
    /// where it asks for a part of them.
    ///
    /// [`Count::Empty`] only if there is no object: who then adds the first makes reclaim look again.
    ///
    /// # Context
    ///
    /// Any. C: `list_lru_count_one()`.
    pub fn count(&self, control: &CountControl<'_>, lists: &[T::List]) -> Count {
        let (mut objects, mut pages) = (0, 0usize);
        for &list in lists {
            let total = self.total(list);
            let here = match control.scope() {
                Scope::All => total.objects(),
                Scope::Part { node, group } => raw::count(self.lru(list), *node, *group),
            };
            objects += here;
            pages = pages.saturating_add(total.share(here));
        }
        if objects == 0 {
            Count::Empty
        } else {
            Count::from(pages)
        }
    }

    /// The pages of all objects on a list. Those that a walk took off it are among them until it ends.
    pub fn pages(&self, list: T::List) -> usize {
        self.total(list).pages()
    }

    /// The number of all objects on a list, as [`pages`](Self::pages).
    pub fn objects(&self, list: T::List) -> usize {
        self.total(list).objects()
    }

    /// Offers the objects of a list that `control` asks for to `evict`, the oldest first, until as
    /// many pages were scanned as it asks for or each object was come to once. Returns the pages of
    /// those that were evicted.
    ///
    /// An object that somebody has locked is left alone and goes to the end of the list. With a
    /// [`WaitToken`] its lock is waited for, for as long as the token allows in all.
    ///
    /// When `evict` is called the object is on no list; it may put it on another one.
    ///
    /// # Context
    ///
    /// Shrinkers. `evict` runs under the object's lock, and may sleep.
    pub fn walk<F>(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        list: T::List,
        wait: Option<&mut WaitToken<'_>>,
        evict: F,
    ) -> usize
    where
        F: for<'b> FnMut(&mut Locked<'_, T>, &mut Cx<'b, T::Rank>) -> Verdict,
        Reclaim: Before<T::Rank>,
    {
        raw::walk(self, cx, control, list, wait, evict)
    }

    #[inline(always)]
    fn total(&self, list: T::List) -> &Total {
        // The bound is that of the trait.
        &self.totals[list.index() % MAX_LISTS]
    }

    /// A list, and what stands on it.
    #[inline(always)]
    fn list(&self, list: T::List) -> (*mut bindings::list_lru, *mut bindings::strata_total) {
        (self.lru(list), self.total(list).as_ptr())
    }

    #[inline(always)]
    fn lru(&self, list: T::List) -> *mut bindings::list_lru {
        // SAFETY: There are `COUNT` lists, by the type invariant, and `index()` is less.
        unsafe { self.first.add(list.index()) }
    }
}

impl<T: Item> Drop for Cache<T> {
    fn drop(&mut self) {
        // A destructor is given no token: where it may run is only checked.
        lockdep::might_alloc_kernel();
        // SAFETY: Each object holds its cache, so there are none left.
        unsafe { bindings::lrus_destroy(self.lrus.as_ptr()) };
    }
}
