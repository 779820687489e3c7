// SPDX-License-Identifier: GPL-2.0

//! A buffer of another driver: attached to for as long as anybody here has it, at hand for the CPU only
//! while jobs use it.
//!
//! A job can neither lock the buffer's reservation nor wait for what others do with it. So it is pinned,
//! mapped and handed over to the CPU when a job is submitted, and let go by a worker after the job's
//! fence was signalled. Between jobs its exporter moves it as it likes.
//!
//! Jobs that have not ended share what the first of them opened. Whoever comes later joins, and waits
//! for nothing: for it to wait for the fence of a job that came before, in the ioctl, would stop a client
//! that has ordered its jobs itself. What others do with the buffer meanwhile, the job waits for.
//!
//! Lock order: the reservation is taken under none of our locks.

use crate::{
    figures::{
        Account,
        Counted,
        Figure, //
    },
    ranks::Opened,
    Vbind, //
};
use core::ptr;
use kernel::{
    device::Device,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    },
};
use strata::{
    cx::ReclaimLock,
    dma_buf::{
        Attachment,
        Bytes,
        DmaBuf,
        Dynamic,
        ForCpu,
        Importer,
        ReadWrite, //
    },
    lock_class,
    prelude::*,
    resv::Resv,
    sync::Mutex, //
};

/// Who is told that a buffer moves.
struct Told(Account);

impl Importer for Told {
    type Owner = Vbind;

    /// It is mapped anew for the next job, wherever it is then.
    fn invalidate(&self, _cx: &mut Cx<'_, ReclaimLock>) {
        self.0.add(Figure::Told, 1);
    }
}

/// A buffer at hand for the CPU.
struct Open {
    contents: ForCpu<Told, ReadWrite>,
    _counted: Counted,
}

/// A buffer of another driver.
#[pin_data]
pub(crate) struct Foreign {
    #[pin]
    open: Mutex<Option<Arc<Open>>, Opened>,
    /// How many uses of `open` there are. The first comes under the lock.
    users: Arc<Atomic<i32>>,
    attachment: Arc<Attachment<Dynamic<Told>>>,
    account: Account,
    _counted: Counted,
}

impl Foreign {
    /// Attaches `device` to the buffer.
    pub(crate) fn new(
        cx: &mut Cx<'_, Process>,
        buf: ARef<DmaBuf>,
        device: &Device,
        account: &Account,
    ) -> Result<Arc<Self>> {
        let told = gfp::kernel(cx).arc(Told(account.clone()))?;
        let attachment = Attachment::dynamic(cx, buf, device, told)?;
        let attachment = gfp::kernel(cx).arc(attachment)?;
        let users = gfp::kernel(cx).arc(Atomic::new(0))?;
        let open = Mutex::new(cx, lock_class!(Opened, "opened"), None);
        gfp::kernel(cx).arc_init(try_pin_init!(Self {
            open <- open,
            users,
            attachment,
            account: account.clone(),
            _counted: account.one(Figure::Imported),
        }))
    }

    /// As its exporter has it.
    pub(crate) fn buf(&self) -> &DmaBuf {
        self.attachment.buffer()
    }

    /// Whether it is this one.
    pub(crate) fn is(&self, buf: &DmaBuf) -> bool {
        ptr::eq(self.buf(), buf)
    }

    pub(crate) fn size(&self) -> u64 {
        self.buf().size() as u64
    }

    pub(crate) fn resv(&self) -> &Resv {
        self.buf().resv()
    }

    /// For a job: has the buffer at hand. Waits for others that use it, unless a job of ours has it
    /// already. The caller [settles](Self::settle) it when the job was submitted, or was not.
    pub(crate) fn open(&self, cx: &mut Cx<'_, Process>) -> Result<Use> {
        let there = self
            .open
            .lock(cx, |open, _| Some(self.one_more(open.as_ref()?.clone())));
        if let Some(there) = there {
            return Ok(there);
        }
        // Not under the lock: others wait for that without being told of signals.
        let contents = ForCpu::new(cx, self.attachment.clone(), ReadWrite)?;
        let ours = gfp::kernel(cx).arc(Open {
            contents,
            _counted: self.account.one(Figure::Pinned),
        })?;
        Ok(self.open.lock(cx, |open, _| {
            // Somebody else may have been faster; then ours goes when the lock was let go.
            self.one_more(open.get_or_insert_with(|| ours.clone()).clone())
        }))
    }

    fn one_more(&self, open: Arc<Open>) -> Use {
        Use {
            open,
            _user: User::new(self.users.clone()),
        }
    }

    /// Lets go of the buffer, if no job uses it.
    pub(crate) fn settle(&self, cx: &mut Cx<'_, Process>) {
        let unused = self.open.lock(cx, |open, _| {
            open.take_if(|_| self.users.load(Acquire) == 0)
        });
        // Takes the reservation.
        drop(unused);
    }
}

/// One who uses what is open.
struct User(Arc<Atomic<i32>>);

impl User {
    fn new(users: Arc<Atomic<i32>>) -> Self {
        users.add(1, Relaxed);
        Self(users)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // What the job did is done for who lets go of the buffer.
        self.0.fetch_sub(1, Release);
    }
}

/// A foreign buffer, for a job. What is open stays while there is a use: dropping one takes no lock.
pub(crate) struct Use {
    // Before the count: it is not the last reference while that is not 0.
    open: Arc<Open>,
    _user: User,
}

impl Clone for Use {
    fn clone(&self) -> Self {
        Self {
            open: self.open.clone(),
            _user: User::new(self._user.0.clone()),
        }
    }
}

impl Use {
    /// A part of it.
    pub(crate) fn part(&self, offset: u64, length: u64) -> Result<Part<'_>> {
        let bytes = self.open.contents.contents();
        let offset = usize::try_from(offset).map_err(|_| EINVAL)?;
        let length = usize::try_from(length).map_err(|_| EINVAL)?;
        if offset.checked_add(length).ok_or(EINVAL)? > bytes.len() {
            return Err(EINVAL);
        }
        Ok(Part {
            bytes,
            offset,
            length,
        })
    }
}

/// Some words of a foreign buffer.
pub(crate) struct Part<'a> {
    bytes: Bytes<'a, ReadWrite>,
    offset: usize,
    length: usize,
}

impl<'a> Part<'a> {
    /// Each of its words, upwards.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Word<'_, 'a>> {
        let offsets = self.offset..self.offset + self.length;
        offsets.step_by(size_of::<u64>()).map(|offset| Word {
            bytes: &self.bytes,
            offset,
        })
    }

    /// Folds it into a CRC-32C.
    pub(crate) fn crc32c(&self, crc: u32) -> u32 {
        // It lies inside.
        self.bytes
            .crc32c(crc, self.offset, self.length)
            .unwrap_or(crc)
    }
}

/// One of them.
pub(crate) struct Word<'p, 'a> {
    bytes: &'p Bytes<'a, ReadWrite>,
    offset: usize,
}

impl Word<'_, '_> {
    pub(crate) fn load(&self) -> u64 {
        // It lies inside, and is aligned.
        self.bytes.load_u64(self.offset).unwrap_or(0)
    }

    pub(crate) fn store(&self, value: u64) {
        // As above.
        let _ = self.bytes.store_u64(self.offset, value);
    }
}
