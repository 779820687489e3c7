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
    mem::ManuallyDrop,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    bindings::lru_status,
    prelude::*,
    sync::aref::AlwaysRefCounted, //
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

/// Initialises what of an object C knows, with one reference.
///
/// # Safety
///
/// It must be valid for writes, and pinned.
pub(super) unsafe fn init<R: Rank>(head: *mut bindings::strata_object, class: &'static Class<R>) {
    // SAFETY: It is valid for writes; name and key are static.
    unsafe { bindings::lru_init(head, class.name().as_char_ptr(), class.key().as_ptr()) };
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
    which: T::List,
    control: &'a mut ScanControl<'c>,
    wait: Option<&'a mut WaitToken<'w>>,
    evict: F,
    freed: usize,
    kept: usize,
    /// The object that was waited for in vain, if any. Only compared.
    given_up: *const Object<T>,
    /// What of `freed` and `kept` is off the list's total already: the rest goes when the walk ends.
    settled: usize,
}

/// A walk over all parts of a list. `list_lru_walk()` would spend the visits of all of them on the
/// first one, whose objects go to its end if they stay.
struct Tour<'a, 'b, 'c, 'w, T: Item, F> {
    walk: &'a mut Walk<'b, 'c, 'w, T, F>,
    /// What is locked: a part of the list, of one node and one cgroup.
    part: *mut bindings::list_lru_one,
    /// How many objects of it are yet to be come to.
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
    let scope = control.scope();
    let mut walk = Walk::<'_, '_, '_, T, F> {
        which,
        control,
        wait,
        evict,
        freed: 0,
        kept: 0,
        given_up: ptr::null(),
        settled: 0,
    };
    let (lru, total) = cache.list(which);
    let taken = match scope {
        Scope::All => {
            let mut tour = Tour {
                walk: &mut walk,
                part: ptr::null_mut(),
                visits: 0,
                shuffles: 0,
            };
            let arg = (&raw mut tour).cast::<c_void>();
            // SAFETY: The callback gets the tour that it is made for, and ends it.
            unsafe { bindings::list_lru_walk(lru, Some(visit_all::<T, F>), arg, usize::MAX) }
        }
        Scope::Part { node, group } => {
            // None is come to twice, and each stands for a page at least.
            let mut visits = count(lru, node, group).min(walk.control.left());
            let arg = (&raw mut walk).cast::<c_void>();
            // SAFETY: The callback gets the walk that it is made for; reclaim holds the cgroup that
            // it names.
            unsafe {
                bindings::list_lru_walk_one(
                    lru,
                    node,
                    group,
                    Some(visit::<T, F>),
                    arg,
                    &raw mut visits,
                )
            }
        }
    };
    if taken != 0 {
        let all = walk.freed.wrapping_add(walk.kept);
        let pages = all.wrapping_sub(walk.settled);
        // SAFETY: It is the total of that list.
        unsafe { bindings::lru_taken(total, taken, pages) };
    }
    walk.freed
}

/// [`visit`], on a tour.
///
/// # Safety
///
/// As [`visit`], but that `arg` points to a `Tour<T, F>`.
unsafe extern "C" fn visit_all<T, F>(
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
    let tour = unsafe { &mut *arg.cast::<Tour<'_, '_, '_, '_, T, F>>() };
    if tour.part != part {
        tour.part = part;
        // SAFETY: It is locked.
        tour.visits = unsafe { (*part).nr_items };
        tour.shuffles = tour.visits;
    }
    // SAFETY: It only looks at the running task.
    let killed = unsafe { bindings::is_killed() };
    if tour.visits <= 0 || tour.walk.control.left() == 0 || killed {
        // SAFETY: It is locked; who says stop has unlocked it.
        unsafe { bindings::lru_unlock(part) };
        return lru_status::LRU_STOP;
    }
    if tour.walk.control.shuffles() && tour.shuffles > 0 {
        tour.shuffles -= 1;
        return lru_status::LRU_ROTATE;
    }
    tour.visits -= 1;
    if tour.walk.control.fails() {
        // SAFETY: An object is on a list only while it is alive, and the list is locked.
        let pages = unsafe { &*item.cast::<Object<T>>() }.pages_now();
        tour.walk.control.passed_over(pages);
        return lru_status::LRU_ROTATE;
    }
    let walk = ptr::from_mut::<Walk<'_, '_, '_, T, F>>(tour.walk);
    // SAFETY: By the caller's promise.
    unsafe { visit::<T, F>(item, part, walk.cast()) }
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
    if walk.control.left() == 0 {
        // SAFETY: It is locked; who says stop has unlocked it.
        unsafe { bindings::lru_unlock(part) };
        return lru_status::LRU_STOP;
    }

    // The link is what an object begins with.
    let head = item.cast::<bindings::strata_object>();
    // SAFETY: An object is on a list only while it is alive, and leaves it under the list's lock.
    let claim = unsafe { bindings::lru_claim(part, head) } as u32;
    if claim != bindings::strata_claim_STRATA_CLAIM_TAKEN {
        if claim == bindings::strata_claim_STRATA_CLAIM_DYING {
            return lru_status::LRU_SKIP;
        }
        // SAFETY: The claim came with a reference.
        return walk.busy(unsafe { &*head.cast() }, part);
    }

    // SAFETY: The claim came with a reference.
    let object = unsafe { &*head.cast::<Object<T>>() };
    // SAFETY: The claim came with its lock. That is released below.
    let mut locked = ManuallyDrop::new(unsafe { Locked::new(object) });
    locked.set_list(None);
    walk.offer(&mut locked);
    // SAFETY: Lock and reference came with the claim.
    if unsafe { bindings::lru_release(head) } {
        // SAFETY: That was the last reference.
        unsafe { Object::free(NonNull::from(object)) };
    }
    lru_status::LRU_REMOVED_RETRY
}

impl<T, F> Walk<'_, '_, '_, T, F>
where
    T: Item,
    F: for<'b> FnMut(&mut Locked<'_, T>, &mut Cx<'b, T::Rank>) -> Verdict,
    Reclaim: Before<T::Rank>,
{
    /// Offers an object that is on no list to the driver.
    #[inline(always)]
    fn offer(&mut self, locked: &mut Locked<'_, T>) {
        let pages = locked.pages();
        self.control.came_to(pages);
        // SAFETY: A shrinker's context comes before `T::Rank`, which is what is held.
        let mut cx = unsafe { Cx::assume() };
        match (self.evict)(locked, &mut cx) {
            Verdict::Evicted => self.freed = self.freed.wrapping_add(pages),
            Verdict::Kept => self.keep(locked, pages),
        }
    }

    /// Puts an object back. Apart, so that the way of one that is evicted is short.
    #[inline(never)]
    fn keep(&mut self, locked: &mut Locked<'_, T>, pages: usize) {
        self.kept = self.kept.wrapping_add(pages);
        locked.put_on(self.which, pages);
    }

    /// Waits for an object that is busy, or passes it over. It came with a reference.
    #[cold]
    fn busy(&mut self, object: &Object<T>, part: *mut bindings::list_lru_one) -> lru_status {
        if self.wait.is_none() {
            // It was counted when it was waited for.
            if !ptr::eq(self.given_up, object) {
                self.control.passed_over(object.pages_now());
            }
            // SAFETY: The part is locked, and the reference ours.
            if unsafe { bindings::lru_pass(part, object.head.get()) } {
                return lru_status::LRU_ROTATE;
            }
        } else {
            // SAFETY: It is locked; who says retry has unlocked it.
            unsafe { bindings::lru_unlock(part) };
            self.wait_for(object);
        }
        // SAFETY: The reference is still ours.
        unsafe { Object::dec_ref(NonNull::from(object)) };
        lru_status::LRU_RETRY
    }

    /// Waits for an object that somebody has locked, and offers it if it is still on the list then.
    fn wait_for(&mut self, object: &Object<T>) {
        let Some(wait) = self.wait.as_deref_mut() else {
            return;
        };
        // SAFETY: A walk is called by a shrinker, whose token it has; nothing else is held.
        let mut cx = unsafe { Cx::<'_, Reclaim>::assume() };
        if !wait.until(&mut cx, || {
            // SAFETY: The mutex was initialised with the object.
            unsafe { bindings::mutex_trylock(object.mutex()) != 0 }
        }) {
            // From here on nothing is waited for. The walk comes to it once more.
            self.wait = None;
            self.given_up = object;
            self.control.passed_over(object.pages_now());
            return;
        }
        // SAFETY: It was just locked.
        let mut locked = unsafe { Locked::new(object) };
        if locked.list() == Some(self.which) {
            locked.leave();
            self.settled = self.settled.wrapping_add(locked.pages());
            self.offer(&mut locked);
        }
    }
}
