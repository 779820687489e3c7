// SPDX-License-Identifier: GPL-2.0

//! Buffers that move, and those that stay.

use super::*;
use crate::{
    dev::user::UserRange,
    fence::Timeline,
    resv::Usage,
    shmem::Shmem, //
};

fn shmem(cx: &mut Cx<'_, Process>) -> Result<UniqueArc<Storage>> {
    let held = Shmem::new(cx, c"strata-dma-buf", SIZE as u64)?.pages(cx)?;
    Storage::of_shmem(cx, held)
}

/// Moves the buffer, if it lets itself be moved now.
fn move_to(
    cx: &mut Cx<'_, Process>,
    buf: &Exported<Probe>,
    to: UniqueArc<Storage>,
) -> Result<Arc<Storage>, NotMoved> {
    buf.lock(cx, |held, cx| buf.move_to(cx, held, to, 1))
}

/// What a move that fails with `cause` gives back.
fn refused(moved: Result<Arc<Storage>, NotMoved>, cause: Error) -> Result<UniqueArc<Storage>> {
    match moved {
        Err(error) if error.cause == cause => Ok(error.to),
        _ => Err(EIO),
    }
}

#[kunit_tests(strata_dma_buf_moves)]
mod cases {
    use super::*;

    #[test]
    fn what_is_pinned_or_mapped_stays() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            let told = gfp::kernel(cx).arc(Told(Atomic::new(0)))?;
            let mut attachment = Attachment::dynamic(cx, rig.buf(), rig.device(), told.clone())?;
            let to = pages(cx)?;

            // Mapped into the kernel, under the lock.
            let buf = rig.buf();
            let to = buf.lock(cx, |held, cx| {
                let map = buf.vmap(cx, held)?;
                let to = refused(rig.buf.move_to(cx, held, to, 1), EBUSY);
                drop(map);
                to
            })?;
            // Pinned, and mapped into the kernel for longer than that.
            let mut pinned = attachment.pin(cx)?;
            let to = refused(move_to(cx, &rig.buf, to), EBUSY)?;
            let map = pinned.vmap(cx)?;
            let seen = rig
                .buf
                .access(cx, Read, |access, _| map.contents(access)?.load(0))??;
            assert_eq!(seen, 0);
            drop(map);
            let mapped = pinned.map(cx, rig.device(), DataDirection::Bidirectional)?;
            let map = mapped.vmap(cx)?;
            drop(map);
            mapped.close(cx);
            let to = refused(move_to(cx, &rig.buf, to), EBUSY)?;
            // Nobody was told: nothing was tried.
            assert_eq!(told.0.load(Relaxed), 0);
            pinned.close(cx);
            move_to(cx, &rig.buf, to)?;
            assert_eq!(told.0.load(Relaxed), 1);
            attachment.close(cx);
            Ok(())
        })
    }

    #[test]
    fn a_move_is_seen_by_those_who_map_again() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            let told = gfp::kernel(cx).arc(Told(Atomic::new(0)))?;
            let mut attachment = Attachment::dynamic(cx, rig.buf(), rig.device(), told.clone())?;
            let offsets = [0, PAGE_SIZE, SIZE - 4];
            for (offset, value) in offsets.into_iter().zip(0x51..) {
                exchange(cx, &rig.buf, offset, value)?;
            }
            let (first, second) = (shmem(cx)?, pages(cx)?);
            let buf = rig.buf();
            buf.lock(cx, |held, cx| {
                let mapped =
                    attachment.map(cx, held, rig.device(), DataDirection::Bidirectional)?;
                let old = mapped.ranges().next().ok_or(EINVAL)?;
                // It does not hinder the move; the old contents stay while it looks at them.
                let from = rig.buf.move_to(cx, held, first, 1)?;
                assert!(!Arc::ptr_eq(&from, &rig.buf.storage(held)?));
                drop(from);
                assert_eq!(rig.first_byte(old), 0x51);
                drop(mapped);
                let mapped =
                    attachment.map(cx, held, rig.device(), DataDirection::Bidirectional)?;
                let new = mapped.ranges().next().ok_or(EINVAL)?;
                assert!(new.address != old.address);
                assert_eq!(rig.first_byte(new), 0x51);
                Ok::<(), Error>(())
            })?;
            assert_eq!(told.0.load(Relaxed), 1);
            // In reclaim, where nothing is allocated.
            let moved = cx.reclaim(|cx| {
                buf.resv()
                    .try_lock(cx, |held, (), cx| rig.buf.move_idle(cx, held, second))
            });
            // What the device had of it went with it, since it was not mapped.
            let from = moved.ok_or(EBUSY)??;
            assert!(Arc::into_unique_or_drop(from).is_some());
            assert_eq!(told.0.load(Relaxed), 2);
            for (offset, value) in offsets.into_iter().zip(0x51..) {
                assert_eq!(exchange(cx, &rig.buf, offset, 0)?, value);
            }
            attachment.close(cx);
            Ok(())
        })
    }

    #[test]
    fn a_move_waits_for_the_fences() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            let timeline = Timeline::new(cx, c"strata", c"dma-buf")?;
            let prepared = timeline.prepare(&mut gfp::kernel(cx))?;
            let signaller = rig.buf.lock(cx, |held, cx| {
                let slot = held.reserve_one(&mut gfp::kernel(cx))?;
                cx.signalling(|cx| {
                    let (fence, signaller) = prepared.publish(cx);
                    slot.add(cx, &fence, Usage::Bookkeep)?;
                    Ok::<_, Error>(signaller)
                })
            })?;
            let to = pages(cx)?;
            let to = refused(move_to(cx, &rig.buf, to), ETIMEDOUT)?;
            cx.signalling(|cx| signaller.signal(cx, Ok(())));
            let from = move_to(cx, &rig.buf, to)?;
            // Nobody looks at it any more.
            assert!(Arc::into_unique_or_drop(from).is_some());
            // One of another size is none of its.
            let short = Pages::new(cx, 1)?;
            let short = Storage::of_pages(cx, short)?;
            refused(move_to(cx, &rig.buf, short), EINVAL)?;
            Ok(())
        })
    }

    #[test]
    fn user_space_sees_where_it_is_now() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            assert!(map_user(&rig.buf, MAP_PRIVATE, SIZE, 0).is_err());
            assert!(map_user(&rig.buf, MAP_SHARED, SIZE + PAGE_SIZE, 0).is_err());
            assert!(map_user(&rig.buf, MAP_SHARED, SIZE, PAGE_SIZE).is_err());
            let address = map_user(&rig.buf, MAP_SHARED, SIZE, 0)?;
            let word = UserRange::new(address + PAGE_SIZE, 4);
            word.write(cx, &0x61_u32)?;
            assert_eq!(exchange(cx, &rig.buf, PAGE_SIZE, 0x62)?, 0x61);
            assert_eq!(word.read::<u32, _, _>(cx)?, 0x62);
            for value in 0x63..0x67_u32 {
                let to = pages(cx)?;
                move_to(cx, &rig.buf, to)?;
                assert_eq!(word.read::<u32, _, _>(cx)?, value - 1);
                word.write(cx, &value)?;
                assert_eq!(exchange(cx, &rig.buf, PAGE_SIZE, value)?, value);
            }
            Ok(())
        })
    }
}
