// SPDX-License-Identifier: GPL-2.0

//! Ranked locks: a lock has a place in the order, and taking it moves the context there.
//!
//! [`Mutex`] and [`SpinLock`] wrap the kernel's own; the rank is a type and costs nothing. What the
//! order allows is decided by the compiler, and on a kernel with lockdep the class of the lock is
//! primed when the first lock of it is created: the first wrong nesting anywhere, in code that
//! knows nothing of ranks too, is reported without a race.
//!
//! | alias | may be taken in | may not be held over |
//! |---|---|---|
//! | [`ReclaimMutex`] | shrinkers, and all before | any allocation that reclaims, the mmap and reservation locks |
//! | [`NotifierMutex`] | mmu notifiers, and all before | any allocation that reclaims |
//! | [`SignalMutex`] | signalling sections, and all before | that, and the wait for a fence |
//!
//! Drivers declare ranks of their own with [`ranks!`](crate::ranks).
//!
//! C: [`include/linux/mutex.h`](srctree/include/linux/mutex.h),
//! [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h).

use kernel::prelude::*;

mod class;
mod completion;
mod irq;
mod mutex;
mod rcu;
mod spinlock;

pub use self::{
    class::Class,
    completion::wait_for_completion,
    irq::IrqSpinLock,
    mutex::{
        Mutex,
        NotifierMutex,
        ReclaimMutex,
        SignalMutex, //
    },
    rcu::{
        rcu_barrier,
        synchronize_rcu, //
    },
    spinlock::{
        NotifierSpinLock,
        ReclaimSpinLock,
        SignalSpinLock,
        SpinLock, //
    },
};

pub(crate) use self::irq::IrqSave;

#[kunit_tests(strata_sync)]
mod tests {
    use super::*;
    use crate::{
        cx::{
            Cx,
            Level,
            ReclaimLock,
            SignalLock,
            Signalling, //
        },
        gfp,
        kunit::{
            process,
            skip, //
        },
    };

    crate::ranks! {
        after NoIo:
        First,
        Second,
    }

    fn level<L: Level>(_: &Cx<'_, L>) -> &'static str {
        L::NAME
    }

    #[test]
    fn ranks_nest_in_their_order() -> Result {
        process(|cx| {
            let first = Mutex::new(cx, crate::lock_class!(First, "nest"), 1);
            let second = Mutex::new(cx, crate::lock_class!(Second, "nest"), 2);
            let first: Pin<KBox<Mutex<u32, First>>> = gfp::kernel(cx).boxed_init(first)?;
            let second: Pin<KBox<Mutex<u32, Second>>> = gfp::kernel(cx).boxed_init(second)?;
            let sum = first.lock(cx, |a, cx| second.lock(cx, |b, _| *a + *b));
            assert_eq!(sum, 3);
            Ok(())
        })
    }

    #[test]
    fn a_trylock_moves_to_the_later_level() -> Result {
        process(|cx| {
            let lock = Mutex::new(cx, crate::lock_class!(ReclaimLock, "trylock"), ());
            let lock: Pin<KBox<ReclaimMutex<()>>> = gfp::kernel(cx).boxed_init(lock)?;
            assert_eq!(lock.try_lock(cx, |(), cx| level(cx)), Some("ReclaimLock"));
            let inside = cx.signalling(|cx| lock.try_lock(cx, |(), cx| level(cx)));
            assert_eq!(inside, Some(<Signalling as Level>::NAME));
            Ok(())
        })
    }

    #[test]
    fn a_held_lock_is_not_taken_twice() -> Result {
        if !cfg!(CONFIG_SMP) {
            skip(c"without SMP a spinlock is never found held");
            return Ok(());
        }
        process(|cx| {
            let lock = SpinLock::new(cx, crate::lock_class!(SignalLock, "held"), 7);
            let lock: Pin<KBox<SignalSpinLock<u32>>> = gfp::kernel(cx).boxed_init(lock)?;
            let again = lock.lock(cx, |value, cx| {
                *value += 1;
                lock.try_lock(cx, |_, _| ())
            });
            assert!(again.is_none());
            assert_eq!(lock.lock(cx, |value, _| *value), 8);
            Ok(())
        })
    }

    /// One place for each type that it is used with: the class is of the place.
    fn class_of<T>(_: T) -> *const Class<ReclaimLock> {
        crate::lock_class!(ReclaimLock, "generic")
    }

    #[test]
    fn a_class_belongs_to_its_place_in_the_source() {
        let here: *const Class<ReclaimLock> = crate::lock_class!(ReclaimLock, "here");
        let there: *const Class<ReclaimLock> = crate::lock_class!(ReclaimLock, "there");
        assert!(here != there);
        assert!(class_of(1u8) != here);
    }

    #[test]
    fn a_grace_period_ends() {
        process(synchronize_rcu);
    }
}
