// SPDX-License-Identifier: GPL-2.0

//! Memory that is held, let go and purged, as a driver and a shrinker do it.

use super::{
    Held,
    Shmem, //
};
use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        EnterFs,
        Notifier,
        StartIo, //
    },
    kunit::process, //
};
use core::ptr::NonNull;
use kernel::{
    page::{
        BorrowedPage,
        PAGE_SIZE, //
    },
    prelude::*, //
};

const COUNT: usize = 40;
const SIZE: u64 = (COUNT * PAGE_SIZE) as u64;

fn purge_as_a_shrinker<L: Before<Notifier>>(shmem: &Shmem, cx: &mut Cx<'_, L>) {
    // SAFETY: The test reclaims for itself, and has no page locked.
    assert!(shmem.purge_in_reclaim(cx, unsafe { EnterFs::assume() }));
}

fn write_back<L: Before<Notifier>>(shmem: &Shmem, cx: &mut Cx<'_, L>) -> usize {
    // SAFETY: The test reclaims for itself, and does no IO.
    shmem.write_back(cx, unsafe { StartIo::assume() })
}

/// Whether reclaim passes the pages by.
fn is_held(shmem: &Shmem) -> bool {
    // SAFETY: The file is valid, and its mapping with it.
    let flags = unsafe { (*(*shmem.inner.file.as_ptr()).f_mapping).flags };
    flags & (1 << bindings::mapping_flags_AS_UNEVICTABLE) != 0
}

/// Makes the file shorter than the memory, as only a debugger could.
fn cut_short(shmem: &Shmem, size: i64) {
    // SAFETY: The file is valid, and its inode with it; nobody else knows of it.
    unsafe { (*(*(*shmem.inner.file.as_ptr()).f_mapping).host).i_size = size };
}

/// Writes to the page at `index`; the CRC-32C of all is another one then.
fn scribble(held: &Held, index: usize) {
    let page = NonNull::new(held.pages[index]).unwrap();
    // SAFETY: The page is held for longer than it is borrowed.
    let page = unsafe { BorrowedPage::from_raw(page) };
    let text = b"strata";
    // SAFETY: Nobody else knows the page.
    assert!(unsafe { page.write_raw(text.as_ptr(), 100, text.len()) }.is_ok());
}

/// Has the page at `index` locked meanwhile, as who splits a huge one or reads it has.
fn with_page_locked<R>(held: &Held, index: usize, f: impl FnOnce() -> R) -> R {
    let page = held.pages[index];
    // SAFETY: The page is held, and nobody else knows it: its flags do not change by themselves.
    unsafe { (*page).flags.f |= 1 << bindings::pageflags_PG_locked };
    let result = f();
    // SAFETY: As above.
    unsafe { (*page).flags.f &= !(1 << bindings::pageflags_PG_locked) };
    result
}

#[kunit_tests(strata_shmem)]
mod cases {
    use super::*;

    #[test]
    fn a_size_is_whole_pages() {
        process(|cx| {
            for size in [0, 1, 4095, SIZE + 1, 1 << 63, !4095] {
                assert_eq!(Shmem::new(cx, c"size", size).err(), Some(EINVAL));
            }
        });
    }

    #[test]
    fn it_begins_as_zeros_that_are_nowhere() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"zeros", SIZE)?;
            assert_eq!((shmem.size(), shmem.count()), (SIZE, COUNT));
            assert_eq!(shmem.crc32c(cx, SIZE - 8, 8)?, 0x8c28_b28a);
            // One part of either page.
            assert_eq!(shmem.crc32c(cx, 4092, 8)?, 0x8c28_b28a);
            assert_eq!(shmem.resident(), 0);
            for (offset, length) in [(0, 0), (SIZE, 1), (0, SIZE + 1), (u64::MAX, 2)] {
                assert_eq!(shmem.crc32c(cx, offset, length), Err(EINVAL));
            }
            Ok(())
        })
    }

    #[test]
    fn held_pages_are_in_memory() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"held", SIZE)?;
            let zeros = shmem.crc32c(cx, 0, SIZE)?;
            let held = shmem.pages(cx)?;
            assert_eq!((held.count(), shmem.resident()), (COUNT, COUNT));
            assert_eq!(shmem.crc32c(cx, 0, SIZE)?, zeros);
            scribble(&held, COUNT - 1);
            let written = shmem.crc32c(cx, 0, SIZE)?;
            assert!(written != zeros);
            drop(held);
            assert_eq!(shmem.crc32c(cx, 0, SIZE)?, written);
            Ok(())
        })
    }

    #[test]
    fn words_are_those_of_the_page() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"words", SIZE)?;
            let held = shmem.pages(cx)?;
            let last = held.words(SIZE - 16, 16)?;
            for (word, value) in last.iter().zip([1, u64::MAX]) {
                assert_eq!(word.load(), 0);
                word.store(value);
            }
            assert!(last.iter().map(|word| word.load()).eq([1, u64::MAX]));
            assert_eq!(!last.crc32c(!0), shmem.crc32c(cx, SIZE - 16, 16)?);

            // They are written to the file, not to a copy of its pages.
            drop(held);
            let again = shmem.pages(cx)?;
            let page = again.words(SIZE - PAGE_SIZE as u64, PAGE_SIZE)?;
            assert_eq!(page.iter().count(), PAGE_SIZE / 8);
            assert_eq!(page.iter().last().map(|word| word.load()), Some(u64::MAX));
            Ok(())
        })
    }

    #[test]
    fn words_lie_in_one_page_that_is_held() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"borders", SIZE)?;
            let held = shmem.pages(cx)?;
            for (offset, length) in [
                (0, 0),
                (0, 4),
                (4, 8),
                (4088, 16),
                (0, PAGE_SIZE + 8),
                (0, usize::MAX - 7),
                (SIZE, 8),
                (u64::MAX - 7, 8),
            ] {
                assert_eq!(held.words(offset, length).err(), Some(EINVAL));
            }
            assert!(held.words(4088, 8).is_ok());
            Ok(())
        })
    }

    #[test]
    fn copies_are_of_the_pages_that_others_hold() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"copies", SIZE)?;
            shmem.write(cx, 2 * PAGE_SIZE as u64 - 4, &[1, 2, 3, 4, 5])?;
            assert_eq!(shmem.resident(), 2);
            let mut seen = [7; 8];
            shmem.read(cx, 2 * PAGE_SIZE as u64 - 4, &mut seen)?;
            assert_eq!(seen, [1, 2, 3, 4, 5, 0, 0, 0]);
            // A hole reads as zeros, and stays one.
            shmem.read(cx, SIZE - 8, &mut seen)?;
            assert_eq!((seen, shmem.resident()), ([0; 8], 2));

            let held = shmem.pages(cx)?;
            shmem.write(cx, SIZE - 8, &[1, 0, 0, 0, 0, 0, 0, 0])?;
            let word = held.words(SIZE - 8, 8)?.iter().next();
            assert_eq!(word.map(|word| word.load().to_le()), Some(1));
            Ok(())
        })
    }

    #[test]
    fn copies_lie_inside() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"inside", SIZE)?;
            let mut bytes = [0; 8];
            for offset in [SIZE - 7, SIZE, u64::MAX - 7, u64::MAX] {
                assert_eq!(shmem.read(cx, offset, &mut bytes), Err(EINVAL));
                assert_eq!(shmem.write(cx, offset, &bytes), Err(EINVAL));
            }
            assert_eq!(shmem.read(cx, 0, &mut []), Err(EINVAL));
            assert_eq!(shmem.write(cx, 0, &[]), Err(EINVAL));
            assert_eq!(shmem.resident(), 0);
            // The second page is not there: the file was cut short behind our back.
            cut_short(&shmem, 4096);
            assert_eq!(shmem.write(cx, 4092, &bytes), Err(EINVAL));
            assert_eq!(shmem.resident(), 1);
            Ok(())
        })
    }

    #[test]
    fn the_last_holder_lets_go() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"holders", SIZE)?;
            let first = shmem.pages(cx)?;
            let second = shmem.pages(cx)?;
            assert!(is_held(&shmem));
            drop(first);
            assert!(is_held(&shmem));
            assert_eq!(write_back(&shmem, cx), 0);
            cx.reclaim(|_| drop(second));
            assert!(!is_held(&shmem));
            // Holders keep the memory: here the last of them outlives it.
            let last = shmem.pages(cx)?;
            drop(shmem);
            assert_eq!(last.count(), COUNT);
            Ok(())
        })
    }

    #[test]
    fn a_purge_leaves_zeros() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"purge", SIZE)?;
            let zeros = shmem.crc32c(cx, 0, SIZE)?;
            for in_reclaim in [false, true] {
                let held = shmem.pages(cx)?;
                scribble(&held, 0);
                drop(held);
                if in_reclaim {
                    cx.reclaim(|cx| purge_as_a_shrinker(&shmem, cx));
                } else {
                    shmem.purge(cx);
                }
                assert_eq!(shmem.resident(), 0);
                assert_eq!(shmem.crc32c(cx, 0, SIZE)?, zeros);
            }
            Ok(())
        })
    }

    #[test]
    fn a_shrinker_does_not_wait_for_a_locked_page() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"locked", SIZE)?;
            let held = shmem.pages(cx)?;
            // It may be locked by the task that reclaims.
            let purged = with_page_locked(&held, COUNT - 1, || {
                // SAFETY: The test reclaims for itself.
                cx.reclaim(|cx| shmem.purge_in_reclaim(cx, unsafe { EnterFs::assume() }))
            });
            assert!(!purged);
            assert_eq!(shmem.resident(), COUNT);
            drop(held);
            cx.reclaim(|cx| purge_as_a_shrinker(&shmem, cx));
            assert_eq!(shmem.resident(), 0);
            Ok(())
        })
    }

    #[test]
    fn a_purge_cuts_off_who_holds() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"cut off", SIZE)?;
            let zeros = shmem.crc32c(cx, 0, SIZE)?;
            let held = shmem.pages(cx)?;
            shmem.purge(cx);
            assert_eq!((held.count(), shmem.resident()), (COUNT, 0));
            scribble(&held, 1);
            assert_eq!(shmem.crc32c(cx, 0, SIZE)?, zeros);
            // New pages come, of which the first holder knows nothing.
            let again = shmem.pages(cx)?;
            drop(again);
            drop(held);
            assert!(!is_held(&shmem));
            assert_eq!(shmem.resident(), COUNT);
            Ok(())
        })
    }

    #[test]
    fn what_is_written_back_stays() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"write back", SIZE)?;
            let held = shmem.pages(cx)?;
            for index in 0..COUNT {
                scribble(&held, index);
            }
            drop(held);
            let written = shmem.crc32c(cx, 0, SIZE)?;
            // None where there is no swap.
            let pages = cx.reclaim(|cx| write_back(&shmem, cx));
            assert!(pages <= COUNT);
            assert_eq!(shmem.resident() + pages, COUNT);
            assert_eq!(shmem.crc32c(cx, 0, SIZE)?, written);
            assert_eq!(shmem.pages(cx)?.count(), COUNT);
            Ok(())
        })
    }

    #[test]
    fn a_failure_holds_nothing() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"too large", 1 << 50)?;
            assert_eq!(shmem.pages(cx).err(), Some(ENOMEM));
            assert!(!is_held(&shmem));
            assert_eq!(shmem.resident(), 0);

            // The second page is not there: the file was cut short behind our back.
            let shmem = Shmem::new(cx, c"cut short", 2 * 4096)?;
            cut_short(&shmem, 4096);
            assert_eq!(shmem.pages(cx).err(), Some(EINVAL));
            assert!(!is_held(&shmem));
            assert_eq!(shmem.resident(), 1);
            Ok(())
        })
    }
}
