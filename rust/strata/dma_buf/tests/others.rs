// SPDX-License-Identifier: GPL-2.0

//! What others do with a buffer of ours: jobs of the CPU, writing, and being told to let go.

use super::*;
use crate::{
    dev::{
        user::UserRange,
        work, //
    },
    fence::{
        Signaller,
        Timeline, //
    },
    resv::Usage,
    shmem::Shmem, //
};
use kernel::{
    new_spinlock,
    sync::SpinLock,
    time::Jiffies, //
};

/// A worker that signals a fence when somebody keeps the reservation, as who waits for it does.
struct SignalLater {
    signaller: Signaller,
    buf: ARef<DmaBuf>,
    /// Who maps has not waited: it is back.
    back: Arc<Atomic<i32>>,
    signalled: Arc<Atomic<i32>>,
}

impl SignalLater {
    /// Whether somebody keeps it, and not for a moment only.
    fn is_waited_for(&self, cx: &mut Cx<'_, Process>) -> bool {
        (0..1000).all(|_| {
            // A kernel thread is not killed.
            let _ = cx.give_way();
            self.buf.resv().try_lock(cx, |_, (), _| ()).is_none()
        })
    }
}

impl work::Item for SignalLater {
    type Owner = crate::Strata;

    fn run(self, cx: &mut Cx<'_, Process>) {
        while self.back.load(Relaxed) == 0 && !self.is_waited_for(cx) {}
        if self.back.load(Relaxed) == 0 {
            self.signalled.store(1, Relaxed);
        }
        cx.signalling(|cx| self.signaller.signal(cx, Ok(())));
    }
}

/// An importer with a job, which is ended when it is told.
#[pin_data]
struct Ends {
    #[pin]
    job: SpinLock<Option<work::Prepared<EndLater>>>,
}

impl Importer for Ends {
    type Owner = crate::Strata;

    fn invalidate(&self, cx: &mut Cx<'_, ReclaimLock>) {
        let job = self.job.lock().take();
        if let Some(job) = job {
            job.queue(cx);
        }
    }
}

/// A worker that lets go of a buffer.
struct EndLater(ForCpu<Ends, ReadWrite>);

impl work::Item for EndLater {
    type Owner = crate::Strata;

    fn run(self, cx: &mut Cx<'_, Process>) {
        assert_eq!(self.0.end(cx), Ok(()));
    }
}

type Seen = Attachment<Dynamic<Told>>;

fn attach(cx: &mut Cx<'_, Process>, rig: &Rig) -> Result<(Arc<Told>, Seen)> {
    let told = gfp::kernel(cx).arc(Told(Atomic::new(0)))?;
    let attachment = Attachment::dynamic(cx, rig.buf(), rig.device(), told.clone())?;
    Ok((told, attachment))
}

fn must_stay(cx: &mut Cx<'_, Process>, rig: &Rig) -> Result<bool> {
    rig.buf.lock(cx, |held, _| rig.buf.must_stay(held))
}

/// What a map under the lock says.
fn mapped(
    cx: &mut Cx<'_, Process>,
    rig: &Rig,
    attachment: &mut Seen,
    direction: DataDirection,
) -> Result {
    let device = rig.device();
    rig.buf.lock(cx, |held, cx| {
        attachment.map(cx, held, device, direction)?;
        Ok(())
    })
}

fn is_written(cx: &mut Cx<'_, Process>, rig: &Rig) -> Result<bool> {
    let storage = rig.buf.lock(cx, |held, _| rig.buf.storage(held))?;
    Ok(storage.is_written())
}

#[kunit_tests(strata_dma_buf_others)]
mod cases {
    use super::*;

    #[test]
    fn a_job_has_it_without_a_lock() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            let (_, attachment) = attach(cx, &rig)?;
            let attachment = gfp::kernel(cx).arc(attachment)?;
            let one = ForCpu::new(cx, attachment.clone(), ReadWrite)?;
            let two = ForCpu::new(cx, attachment.clone(), Read)?;
            cx.signalling(|_| {
                one.contents().store(8, 0x31)?;
                assert_eq!(two.contents().load(8), Ok(0x31));
                assert_eq!(two.contents().load(SIZE), Err(EINVAL));
                Ok::<(), Error>(())
            })?;
            one.end(cx)?;
            assert!(must_stay(cx, &rig)?);
            drop(two);
            assert!(!must_stay(cx, &rig)?);
            assert_eq!(exchange(cx, &rig.buf, 8, 0)?, 0x31);
            Ok(())
        })
    }

    #[test]
    fn new_memory_comes_in_large_pieces() -> Result {
        const COUNT: usize = 256 + 16 + 3;

        process(|cx| {
            let rig = Rig::new(cx, false)?;
            assert_eq!(Storage::new(cx, 0).err(), Some(EINVAL));
            let storage = Storage::new(cx, COUNT)?;
            assert!(!storage.is_written());
            let buf = Exported::new(cx, Other, storage)?;
            let mut attachment = Attachment::new(cx, buf.buffer(), rig.device())?;
            let (pieces, length) = buf.lock(cx, |held, cx| {
                let direction = DataDirection::ToDevice;
                let mapped = attachment.map(cx, held, rig.device(), direction)?;
                let length: usize = mapped.ranges().map(|range| range.length).sum();
                Ok::<_, Error>((mapped.ranges().count(), length))
            })?;
            assert_eq!(length, COUNT * PAGE_SIZE);
            assert!(pieces < COUNT);
            let crc = buf.access(cx, Read, |access, cx| {
                buf.lock(cx, |held, cx| {
                    let map = buf.vmap(cx, held)?;
                    map.contents(access)?.crc32c(!0, 0, PAGE_SIZE)
                })
            })??;
            // Of a page of zeros.
            assert_eq!(!crc, 0x98f9_4189);
            attachment.close(cx);
            Ok(())
        })
    }

    #[test]
    fn only_who_attached_maps() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            let stranger = faux::Registration::new(cx, c"strata-dma-buf-2")?;
            let mut attachment = Attachment::new(cx, rig.buf(), rig.device())?;
            let refused = rig.buf.lock(cx, |held, cx| {
                let direction = DataDirection::ToDevice;
                let mapped = attachment.map(cx, held, stranger.device(), direction);
                mapped.err()
            });
            assert_eq!(refused, Some(EINVAL));
            let direction = DataDirection::ToDevice;
            let mapped = attachment.map_pinned(cx, stranger.device(), direction);
            assert_eq!(mapped.err(), Some(EINVAL));
            Ok(())
        })
    }

    #[test]
    fn a_forgotten_pin_ends_with_the_attachment() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            let (_, mut attachment) = attach(cx, &rig)?;
            core::mem::forget(attachment.pin(cx)?);
            assert!(must_stay(cx, &rig)?);
            // The same one, not one more.
            attachment.pin(cx)?.close(cx);
            assert!(!must_stay(cx, &rig)?);
            core::mem::forget(attachment.pin(cx)?);
            drop(attachment);
            assert!(!must_stay(cx, &rig)?);
            Ok(())
        })
    }

    #[test]
    fn who_maps_waits_for_a_move() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            let (_, mut attachment) = attach(cx, &rig)?;
            let timeline = Timeline::new(cx, c"strata", c"dma-buf")?;
            let prepared = timeline.prepare(&mut gfp::kernel(cx))?;
            let signaller = rig.buf.lock(cx, |held, cx| {
                let slot = held.reserve_one(&mut gfp::kernel(cx))?;
                cx.signalling(|cx| {
                    let (fence, signaller) = prepared.publish(cx);
                    slot.add(cx, &fence, Usage::Kernel)?;
                    Ok::<_, Error>(signaller)
                })
            })?;
            let late = SignalLater {
                signaller,
                buf: rig.buf(),
                back: gfp::kernel(cx).arc(Atomic::new(0))?,
                signalled: gfp::kernel(cx).arc(Atomic::new(0))?,
            };
            let (back, seen) = (late.back.clone(), late.signalled.clone());
            work::Prepared::new(cx, late)?.queue(cx);
            mapped(cx, &rig, &mut attachment, DataDirection::ToDevice)?;
            back.store(1, Relaxed);
            assert_eq!(seen.load(Relaxed), 1);
            let buf = rig.buf();
            assert!(buf.resv().is_signalled(cx, Usage::Kernel));
            Ok(())
        })
    }

    #[test]
    fn what_nobody_writes_is_not_written() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            let (_, mut attachment) = attach(cx, &rig)?;
            mapped(cx, &rig, &mut attachment, DataDirection::ToDevice)?;
            assert!(!is_written(cx, &rig)?);
            mapped(cx, &rig, &mut attachment, DataDirection::FromDevice)?;
            assert!(is_written(cx, &rig)?);
            // Mapped into the kernel, it may be written too.
            let rig = Rig::named(cx, c"strata-dma-buf-2", false)?;
            assert!(!is_written(cx, &rig)?);
            exchange(cx, &rig.buf, 0, 1)?;
            assert!(is_written(cx, &rig)?);
            // As it is when it was written before.
            let held = Shmem::new(cx, c"strata-dma-buf", SIZE as u64)?.pages(cx)?;
            assert!(!held.is_touched());
            held.words(0, 8)?.iter().for_each(|word| word.store(1));
            assert!(Storage::of_shmem(cx, held)?.is_written());
            Ok(())
        })
    }

    #[test]
    fn user_space_writes_when_it_does() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            let address = map_user(&rig.buf, MAP_SHARED, SIZE, 0)?;
            let word = UserRange::new(address + PAGE_SIZE, 4);
            assert_eq!(word.read::<u32, _, _>(cx)?, 0);
            assert!(!is_written(cx, &rig)?);
            // A page that it could only read so far.
            word.write(cx, &0x71_u32)?;
            assert!(is_written(cx, &rig)?);
            assert_eq!(exchange(cx, &rig.buf, PAGE_SIZE, 0)?, 0x71);
            // One that it could not reach at all.
            let rig = Rig::named(cx, c"strata-dma-buf-2", false)?;
            let address = map_user(&rig.buf, MAP_SHARED, SIZE, 0)?;
            assert!(!is_written(cx, &rig)?);
            UserRange::new(address, 4).write(cx, &0x72_u32)?;
            assert!(is_written(cx, &rig)?);
            assert_eq!(exchange(cx, &rig.buf, 0, 0)?, 0x72);
            Ok(())
        })
    }

    #[test]
    fn what_is_taken_back_is_nobodys() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, true)?;
            let (told, mut attachment) = attach(cx, &rig)?;
            let address = map_user(&rig.buf, MAP_SHARED, SIZE, 0)?;
            let word = UserRange::new(address, 4);
            word.write(cx, &0x41_u32)?;
            // Not while somebody has it pinned; but nobody gets it any more.
            let pinned = attachment.pin(cx)?;
            assert_eq!(rig.buf.revoke(cx, 1).err(), Some(ETIMEDOUT));
            assert_eq!(told.0.load(Relaxed), 1);
            assert_eq!(word.read::<u32, _, _>(cx), Err(EFAULT));
            assert_eq!(word.write(cx, &0_u32), Err(EFAULT));
            pinned.close(cx);
            assert_eq!(attachment.pin(cx).err(), Some(ENODEV));
            let direction = DataDirection::ToDevice;
            assert_eq!(mapped(cx, &rig, &mut attachment, direction), Err(ENODEV));
            let storage = rig.buf.revoke(cx, Jiffies::MAX)?;
            assert!(Arc::into_unique_or_drop(storage).is_some());
            assert_eq!(told.0.load(Relaxed), 2);
            assert_eq!(rig.buf.revoke(cx, 1).err(), Some(ENODEV));
            let to = pages(cx)?;
            let moved = rig
                .buf
                .lock(cx, |held, cx| rig.buf.move_to(cx, held, to, 1));
            assert_eq!(moved.err().map(|error| error.cause), Some(ENODEV));
            Ok(())
        })
    }

    #[test]
    fn taking_back_waits_for_who_lets_go() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, true)?;
            let ends = gfp::kernel(cx).arc_init(pin_init!(Ends {
                job <- new_spinlock!(None, "Ends::job"),
            }))?;
            let attachment = Attachment::dynamic(cx, rig.buf(), rig.device(), ends.clone())?;
            let attachment = gfp::kernel(cx).arc(attachment)?;
            let job = ForCpu::new(cx, attachment, ReadWrite)?;
            *ends.job.lock() = Some(work::Prepared::new(cx, EndLater(job))?);
            // Far more than it takes.
            let storage = rig.buf.revoke(cx, 1 << 20)?;
            assert!(Arc::into_unique_or_drop(storage).is_some());
            Ok(())
        })
    }
}
