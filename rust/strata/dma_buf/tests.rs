// SPDX-License-Identifier: GPL-2.0

//! Buffers: what is exported here, and imported again.

mod moves;
mod others;

use super::*;
use crate::{
    bindings,
    cx::{
        Cx,
        MmapHeld,
        Process,
        ReclaimLock, //
    },
    dev::faux,
    gfp,
    kunit::process,
    page::Pages,
    resv::Resv, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    error::to_result,
    page::PAGE_SIZE,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        UniqueArc, //
    },
};

// As user space has them: the kernel's crate does not.
const PROT_READ_WRITE: usize = 3;
const MAP_SHARED: usize = 1;
const MAP_PRIVATE: usize = 2;

const PAGES: usize = 3;
const SIZE: usize = PAGES * PAGE_SIZE;

/// An exporter that says what it was asked.
struct Probe {
    attached: Arc<Atomic<i32>>,
    released: Arc<Atomic<i32>>,
    only_revocable: bool,
}

impl Exporter for Probe {
    type Owner = crate::Strata;

    const NAME: &'static CStr = c"strata-probe";

    fn attach(&self, _cx: &mut Cx<'_, MmapHeld>, attaching: &Attaching<'_>) -> Result {
        if self.only_revocable && !attaching.is_revocable() {
            return Err(EACCES);
        }
        assert_eq!(attaching.is_dynamic(), attaching.is_revocable());
        assert!(!attaching.is_peer_to_peer());
        self.attached.fetch_add(1, Relaxed);
        Ok(())
    }

    fn release(self, _cx: &mut Cx<'_, Process>, storage: Option<Arc<Storage>>) {
        assert!(storage.is_none_or(|storage| storage.size() == SIZE));
        self.released.fetch_add(1, Relaxed);
    }
}

/// One that decides nothing.
struct Other;

impl Exporter for Other {
    type Owner = crate::Strata;

    const NAME: &'static CStr = c"strata-other";
}

/// An importer that counts what it is told.
struct Told(Atomic<i32>);

impl Importer for Told {
    type Owner = crate::Strata;

    fn invalidate(&self, _cx: &mut Cx<'_, ReclaimLock>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A buffer, a device, and what became of them.
struct Rig {
    buf: ARef<Exported<Probe>>,
    attached: Arc<Atomic<i32>>,
    released: Arc<Atomic<i32>>,
    faux: faux::Registration,
}

impl Rig {
    fn new(cx: &mut Cx<'_, Process>, only_revocable: bool) -> Result<Self> {
        Self::named(cx, c"strata-dma-buf", only_revocable)
    }

    fn named(cx: &mut Cx<'_, Process>, name: &CStr, only_revocable: bool) -> Result<Self> {
        let attached = gfp::kernel(cx).arc(Atomic::new(0))?;
        let released = gfp::kernel(cx).arc(Atomic::new(0))?;
        let probe = Probe {
            attached: attached.clone(),
            released: released.clone(),
            only_revocable,
        };
        let storage = pages(cx)?;
        Ok(Self {
            buf: Exported::new(cx, probe, storage)?,
            attached,
            released,
            faux: faux::Registration::new(cx, name)?,
        })
    }

    fn buf(&self) -> ARef<DmaBuf> {
        self.buf.buffer()
    }

    fn device(&self) -> &Device<Bound> {
        self.faux.device()
    }

    /// What the device finds at the start of a range.
    fn first_byte(&self, range: Range) -> u8 {
        // SAFETY: The device is registered, and the address is one of its mappings.
        let bytes = unsafe { bindings::device_bytes(device_ptr(self.device()), range.address) };
        // SAFETY: As above.
        unsafe { bytes.cast::<u8>().read_volatile() }
    }
}

fn pages(cx: &mut Cx<'_, Process>) -> Result<UniqueArc<Storage>> {
    let pages = Pages::new(cx, PAGES)?;
    Storage::of_pages(cx, pages)
}

/// Stores a word, and returns the one that was there.
fn exchange(cx: &mut Cx<'_, Process>, buf: &DmaBuf, offset: usize, value: u32) -> Result<u32> {
    buf.access(cx, ReadWrite, |access, cx| {
        buf.lock(cx, |held, cx| {
            let map = buf.vmap(cx, held)?;
            let bytes = map.contents(access)?;
            let old = bytes.load(offset)?;
            bytes.store(offset, value)?;
            Ok(old)
        })
    })?
}

/// Maps a buffer for user space. Returns the address.
fn map_user(buf: &DmaBuf, flags: usize, length: usize, offset: usize) -> Result<usize> {
    // SAFETY: A case is running, and the file is open.
    let address = unsafe {
        bindings::kunit_vm_mmap(
            bindings::kunit_get_current_test(),
            (*buf.as_ptr()).file,
            0,
            length,
            PROT_READ_WRITE,
            flags,
            offset,
        )
    };
    match address as isize {
        1.. => Ok(address),
        _ => Err(EINVAL),
    }
}

/// Runs what waits for the last reference to a file.
fn flush() {
    // SAFETY: The task holds nothing.
    unsafe { bindings::flush_delayed_fput() };
}

#[kunit_tests(strata_dma_buf)]
mod cases {
    use super::*;

    #[test]
    fn a_buffer_is_a_file() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            assert_eq!(rig.buf.size(), SIZE);
            let other = pages(cx)?;
            let other = Exported::new(cx, Other, other)?;
            assert!(rig.buf.inode() != other.inode());
            assert_eq!(rig.buf.exporter_name(), c"strata-probe");
            assert!(rig.buf.name().is_empty());
            // A number that is given back.
            let file = BufferFile::new(cx, rig.buf())?;
            let fd = file.fd() as i32;
            assert_eq!(DmaBuf::from_fd(cx, fd).err(), Some(EBADF));
            drop(file);
            assert_eq!(DmaBuf::from_fd(cx, -1).err(), Some(EBADF));
            // One that is not.
            let file = BufferFile::new(cx, rig.buf())?;
            let fd = file.fd();
            file.install(cx);
            let found = DmaBuf::from_fd(cx, fd as i32)?;
            // SAFETY: It is open, and nobody else has it.
            to_result(unsafe { bindings::close_fd(fd) })?;
            assert!(ptr::eq(&*found, &**rig.buf));
            let own = Exported::<Probe>::of(&found).ok_or(EINVAL)?;
            assert!(ptr::eq(own.exporter(), rig.buf.exporter()));
            assert!(Exported::<Other>::of(&found).is_none());
            Ok(())
        })
    }

    #[test]
    fn the_last_reference_releases_it() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            let (buf, released) = (rig.buf(), rig.released.clone());
            drop(rig);
            flush();
            assert_eq!(released.load(Relaxed), 0);
            drop(buf);
            flush();
            assert_eq!(released.load(Relaxed), 1);
            Ok(())
        })
    }

    #[test]
    fn a_reservation_is_shared_and_kept() -> Result {
        process(|cx| {
            let resv = gfp::kernel(cx).arc_init(Resv::new(5_u32))?;
            let storage = pages(cx)?;
            let one = Exported::with_resv(cx, Other, storage, resv.clone())?;
            let storage = pages(cx)?;
            let two = Exported::with_resv(cx, Other, storage, resv)?;
            let own = Rig::new(cx, false)?;
            one.lock(cx, |held, cx| {
                assert_eq!(two.must_stay(held), Ok(false));
                assert!(two.resv().try_lock(cx, |_, (), _| ()).is_none());
                assert_eq!(own.buf.must_stay(held), Err(EINVAL));
                assert!(own.buf.vmap(cx, held).is_err());
                assert!(own.buf.resv().try_lock(cx, |_, (), _| ()).is_some());
            });
            Ok(())
        })
    }

    #[test]
    fn contents_are_checked_and_copied() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            let storage = pages(cx)?;
            let other = Exported::new(cx, Other, storage)?;
            let buf = rig.buf();
            let last = buf.access(cx, ReadWrite, |access, cx| {
                buf.lock(cx, |held, cx| {
                    let map = buf.vmap(cx, held)?;
                    let bytes = map.contents(access)?;
                    assert_eq!((bytes.len(), bytes.is_empty()), (SIZE, false));
                    bytes.fill(0, SIZE, 0x11)?;
                    bytes.write(PAGE_SIZE - 2, &[1, 2, 3, 4])?;
                    let mut read = [0; 6];
                    bytes.read(PAGE_SIZE - 3, &mut read)?;
                    assert_eq!(read, [0x11, 1, 2, 3, 4, 0x11]);
                    assert_eq!(bytes.read(SIZE - 5, &mut read), Err(EINVAL));
                    assert_eq!(bytes.read(usize::MAX, &mut read), Err(EINVAL));
                    assert_eq!(bytes.write(SIZE, &[0]), Err(EINVAL));
                    assert_eq!(bytes.fill(1, SIZE, 0), Err(EINVAL));
                    assert_eq!(bytes.load(2), Err(EINVAL));
                    assert_eq!(bytes.store(SIZE - 3, 0), Err(EINVAL));
                    assert_eq!(bytes.load_u64(4), Err(EINVAL));
                    assert_eq!(bytes.store_u64(SIZE - 4, 0), Err(EINVAL));
                    bytes.store_u64(8, 0x0102_0304_0506_0708)?;
                    assert_eq!(bytes.load_u64(8), Ok(0x0102_0304_0506_0708));
                    bytes.write(PAGE_SIZE, b"123456789")?;
                    // The check value of the polynomial.
                    assert_eq!(bytes.crc32c(!0, PAGE_SIZE, 9), Ok(!0xe306_9283));
                    assert_eq!(bytes.crc32c(0, SIZE - 8, 9), Err(EINVAL));
                    bytes.store(SIZE - 4, 0x4433_2211)?;
                    bytes.load(SIZE - 4)
                })
            })??;
            assert_eq!(last, 0x4433_2211);
            // Handed over is one buffer, not all.
            let refused = other.access(cx, Read, |access, cx| {
                buf.lock(cx, |held, cx| {
                    let map = buf.vmap(cx, held)?;
                    Ok::<bool, Error>(map.contents(access).is_err())
                })
            })??;
            assert!(refused);
            Ok(())
        })
    }

    #[test]
    fn a_device_sees_the_contents() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, false)?;
            exchange(cx, &rig.buf, 0, 0x7a)?;
            let mut attachment = Attachment::new(cx, rig.buf(), rig.device())?;
            assert_eq!(rig.attached.load(Relaxed), 1);
            let buf = rig.buf();
            buf.lock(cx, |held, cx| {
                for direction in [DataDirection::ToDevice, DataDirection::Bidirectional] {
                    let mapped = attachment.map(cx, held, rig.device(), direction)?;
                    let length: usize = mapped.ranges().map(|range| range.length).sum();
                    assert_eq!(length, SIZE);
                    let first = mapped.ranges().next().ok_or(EINVAL)?;
                    assert_eq!(rig.first_byte(first), 0x7a);
                    // Pinned, since the attachment is static.
                    let users = Users {
                        attachments: 1,
                        mappings: 1,
                        pins: 1,
                        is_vmapped: false,
                    };
                    assert_eq!(rig.buf.users(held), Ok(users));
                    assert_eq!(rig.buf.must_stay(held), Ok(true));
                    drop(mapped);
                    assert_eq!(rig.buf.must_stay(held), Ok(false));
                }
                let none = attachment.map(cx, held, rig.device(), DataDirection::None);
                assert_eq!(none.err(), Some(EINVAL));
                Ok::<(), Error>(())
            })?;
            attachment.close(cx);
            let users = buf.lock(cx, |held, _| rig.buf.users(held))?;
            assert_eq!(users, Users::default());
            Ok(())
        })
    }

    #[test]
    fn an_exporter_refuses_who_cannot_let_go() -> Result {
        process(|cx| {
            let rig = Rig::new(cx, true)?;
            let refused = Attachment::new(cx, rig.buf(), rig.device());
            assert_eq!(refused.err(), Some(EACCES));
            let told = gfp::kernel(cx).arc(Told(Atomic::new(0)))?;
            Attachment::dynamic(cx, rig.buf(), rig.device(), told)?.close(cx);
            assert_eq!(rig.attached.load(Relaxed), 1);
            Ok(())
        })
    }
}
