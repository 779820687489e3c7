// SPDX-License-Identifier: GPL-2.0

//! The C side of the lists: what is allocated, and the walk.

use super::{
    Cache,
    Item,
    List,
    Locked,
    Object,
    Verdict, //
};
use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        Rank,
        Reclaim, //
    },
    shrinker::{
        Prepared,
        ScanControl,
        Scope,
        WaitToken, //
    },
    sync::Class, //
};
use core::{
    ffi::c_void,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    bindings::lru_status,
    prelude::*,
    sync::{
        aref::AlwaysRefCounted,
        atomic::Relaxed, //
    },
};

/// A slab cache for the objects of `T`, and its lists.
pub(super) fn create<T: Item>(
    shrinker: &Prepared,
    name: &CStr,
) -> Result<NonNull<bindings::strata_lrus>> {
    // SAFETY: The name is copied, and the shrinker is not registered yet.
    let lrus = unsafe {
        bindings::lrus_create(
            name.as_char_ptr(),
            size_of::<Object<T>>(),
            align_of::<Object<T>>(),
            T::List::COUNT as u32,
            shrinker.as_ptr(),
        )
    };
    NonNull::new(lrus).ok_or(ENOMEM)
}

pub(super) fn first(lrus: NonNull<bindings::strata_lrus>) -> *mut bindings::list_lru {
    // SAFETY: It was made by `create()`.
    unsafe { bindings::lrus_first(lrus.as_ptr()) }
}

/// Memory for one object.
pub(super) fn alloc<T: Item>(lrus: NonNull<bindings::strata_lrus>) -> Option<NonNull<Object<T>>> {
    // SAFETY: It was made by `create()`, for objects of this type.
    NonNull::new(unsafe { bindings::lrus_alloc(lrus.as_ptr()) }.cast())
}

/// Initialises what of an object C knows.
///
/// # Safety
///
/// Both must be valid for writes, and pinned.
pub(super) unsafe fn init<R: Rank>(
    link: *mut bindings::list_head,
    mutex: *mut bindings::mutex,
    class: &'static Class<R>,
) {
    // SAFETY: It is valid for writes; an empty list points to itself.
    unsafe {
        link.write(bindings::list_head {
            next: link,
            prev: link,
        })
    };
    // SAFETY: It is valid for writes; name and key are static.
    unsafe { bindings::__mutex_init(mutex, class.name().as_char_ptr(), class.key().as_ptr()) };
}

/// How many objects a list has for a node and a cgroup.
#[inline(always)]
pub(super) fn count(
    lru: *mut bindings::list_lru,
    node: i32,
    group: *mut bindings::mem_cgroup,
) -> usize {
    // SAFETY: The list is initialised, and reclaim holds the cgroup that it names.
    unsafe { bindings::list_lru_count_one(lru, node, group) }
}

/// A walk over one list, while it goes on.
struct Walk<'a, 'c, 'w, T: Item, F> {
    cache: &'a Cache<T>,
    which: T::List,
    control: &'a mut ScanControl<'c>,
    wait: Option<&'a mut WaitToken<'w>>,
    evict: F,
    freed: usize,
    /// The part of the list, of one node and one cgroup, that the walk is in.
    part: *mut bindings::list_lru_one,
    /// How many objects of it are yet to be come to: those that stay go to its end.
    visits: isize,
    /// How many more may be put behind the others, where the order is to be random.
    shuffles: isize,
}

/// [`Cache::walk`].
#[inline(always)]
pub(super) fn walk<T, F>(
    cache: &Cache<T>,
    _cx: &mut Cx<'_, Reclaim>,
    control: &mut ScanControl<'_>,
    which: T::List,
    wait: Option<&mut WaitToken<'_>>,
    evict: F,
) -> usize
where
    T: Item,
    F: for<'b> FnMut(&mut Locked<'_, T>, &mut Cx<'b, T::Rank>) -> Verdict,
    Reclaim: Before<T::Rank>,
{
    let mut walk = Walk {
        cache,
        which,
        control,
        wait,
        evict,
        freed: 0,
        part: ptr::null_mut(),
        visits: 0,
        shuffles: 0,
    };
    let scope = walk.control.scope();
    let arg = (&raw mut walk).cast::<c_void>();
    let lru = cache.lru(which);
    // `visit()` is what ends it.
    let mut all = usize::MAX;
    match scope {
        // SAFETY: `visit` gets the walk that it is made for.
        Scope::All => unsafe {
            bindings::list_lru_walk(lru, Some(visit::<T, F>), arg, all);
        },
        // SAFETY: As above; reclaim holds the cgroup that it names.
        Scope::Part { node, group } => unsafe {
            bindings::list_lru_walk_one(lru, node, group, Some(visit::<T, F>), arg, &mut all);
        },
    }
    walk.freed
}

/// # Safety
///
/// `item` must be the link of an object of the cache of the `Walk<T, F>` that `arg` points to, and
/// the caller must hold the lock of the `part` that it is on, as `list_lru_walk_one()` does.
unsafe extern "C" fn visit<T, F>(
    item: *mut bindings::list_head,
    part: *mut bindings::list_lru_one,
    arg: *mut c_void,
) -> lru_status
where
    T: Item,
    F: for<'b> FnMut(&mut Locked<'_, T>, &mut Cx<'b, T::Rank>) -> Verdict,
    Reclaim: Before<T::Rank>,
{
    // SAFETY: The caller passes such a pointer.
    let walk = unsafe { &mut *arg.cast::<Walk<'_, '_, '_, T, F>>() };
    if walk.part != part {
        walk.part = part;
        // SAFETY: It is locked.
        walk.visits = unsafe { (*part).nr_items };
        walk.shuffles = walk.visits;
    }
    if walk.visits <= 0 || walk.control.left() == 0 {
        // SAFETY: It is locked; who says stop has unlocked it.
        unsafe { bindings::lru_unlock(part) };
        return lru_status::LRU_STOP;
    }
    if walk.control.shuffles() && walk.shuffles > 0 {
        walk.shuffles -= 1;
        return lru_status::LRU_ROTATE;
    }
    walk.visits -= 1;

    let object = item.cast::<Object<T>>();
    if walk.control.fails() {
        // SAFETY: An object is on a list only while it is alive, and the list is locked.
        let pages = unsafe { (*object).pages.load(Relaxed) };
        walk.control.passed_over(pages);
        return lru_status::LRU_ROTATE;
    }
    // SAFETY: An object is on a list only while it is alive, and leaves it under the list's lock.
    let claim = unsafe {
        bindings::lru_claim(
            part,
            item,
            (*object).refs.as_atomic().as_ptr().cast(),
            (*object).mutex.get(),
            walk.wait.is_some(),
        )
    };
    // SAFETY: There is a reference, or the list is locked.
    let object = unsafe { &*object };
    match claim as u32 {
        bindings::strata_claim_STRATA_CLAIM_TAKEN => {
            // SAFETY: It was just locked.
            let mut locked = unsafe { Locked::new(object) };
            locked.set_list(None);
            walk.cache
                .total(walk.which)
                .remove(object.pages.load(Relaxed));
            walk.offer(locked);
            // SAFETY: The reference came with the claim.
            unsafe { Object::dec_ref(NonNull::from(object)) };
            lru_status::LRU_REMOVED_RETRY
        }
        bindings::strata_claim_STRATA_CLAIM_BUSY => {
            walk.control.passed_over(object.pages.load(Relaxed));
            lru_status::LRU_ROTATE
        }
        bindings::strata_claim_STRATA_CLAIM_WAIT => {
            walk.wait_for(object);
            // SAFETY: The reference came with the claim.
            unsafe { Object::dec_ref(NonNull::from(object)) };
            lru_status::LRU_RETRY
        }
        bindings::strata_claim_STRATA_CLAIM_LAST => {
            // SAFETY: The reference came with the claim.
            unsafe { Object::dec_ref(NonNull::from(object)) };
            lru_status::LRU_RETRY
        }
        // Dying.
        _ => lru_status::LRU_SKIP,
    }
}

impl<T, F> Walk<'_, '_, '_, T, F>
where
    T: Item,
    F: for<'b> FnMut(&mut Locked<'_, T>, &mut Cx<'b, T::Rank>) -> Verdict,
    Reclaim: Before<T::Rank>,
{
    /// Offers an object that is on no list to the driver.
    #[inline(always)]
    fn offer(&mut self, mut locked: Locked<'_, T>) {
        let pages = locked.pages();
        self.control.scanned(pages.max(1));
        // SAFETY: A shrinker's context comes before `T::Rank`, which is what is held.
        let mut cx = unsafe { Cx::assume() };
        match (self.evict)(&mut locked, &mut cx) {
            Verdict::Evicted => self.freed += pages,
            Verdict::Kept => locked.put_on(self.which, pages),
        }
    }

    /// Waits for an object that somebody has locked, and offers it if it is still on the list then.
    #[cold]
    fn wait_for(&mut self, object: &Object<T>) {
        let Some(wait) = self.wait.as_deref_mut() else {
            return;
        };
        // SAFETY: A walk is called by a shrinker, whose token it has; nothing else is held.
        let mut cx = unsafe { Cx::<'_, Reclaim>::assume() };
        if !wait.until(&mut cx, || {
            // SAFETY: The mutex was initialised with the object.
            unsafe { bindings::mutex_trylock(object.mutex.get()) != 0 }
        }) {
            // From here on nothing is waited for.
            self.wait = None;
            self.control.passed_over(object.pages.load(Relaxed));
            return;
        }
        // SAFETY: It was just locked.
        let mut locked = unsafe { Locked::new(object) };
        if locked.list() == Some(self.which) {
            locked.leave();
            self.offer(locked);
        }
    }
}
