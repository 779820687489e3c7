// SPDX-License-Identifier: GPL-2.0

//! One buffer: its memory, and whether it is there.
//!
//! The protocol is that of a reservation. Who submits a job locks the buffer's reservation, brings
//! the memory in, and adds the job's fence before it unlocks. Who lets the memory go trylocks the
//! reservation, and does so only if all its fences are signalled. Between the two, the job has the
//! memory by a reference of its own, which it drops before it signals; a job whose fence was signalled
//! by others, since its queue is gone, is waited for by that.
//!
//! Memory is made resident and reserved without the object's lock, which the shrinker takes.

use crate::{
    client::Client,
    figures::{
        Account,
        Counted,
        Figure, //
    },
    foreign::Foreign,
    ranks::Contents,
    share,
    shared::Shared, //
};
use kernel::{
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
    cx::{
        MmapHeld,
        ResvHeld,
        StartIo, //
    },
    dev::misc::Mapping,
    dma_buf::{
        Exported,
        Storage, //
    },
    limit::Reservation,
    lru::{
        self,
        Locked,
        Object,
        Verdict, //
    },
    prelude::*,
    resv::{
        self,
        Resv,
        Usage, //
    },
    shmem::{
        Shmem,
        Words, //
    },
};

strata::lru_lists! {
    /// What the shrinker looks through.
    pub(crate) enum List {
        /// Pages that are held, in the order in which they were last needed.
        Resident,
        /// Pages that were held: the kernel swaps them by itself, or we can tell it to.
        Unheld,
    }
}

/// What a buffer is called with by everybody: an object with a lock, on the device's lists.
pub(crate) type BufferRef = ARef<Object<Buffer>>;

/// What of a buffer does not change.
pub(crate) struct Buffer {
    /// The file that made it, and its name there.
    home: (u64, u32),
    memory: Memory,
    account: Account,
    _counted: [Counted; 2],
}

/// Where it is.
enum Memory {
    Own {
        shmem: Shmem,
        /// The fences of the jobs that may use it.
        resv: Arc<Resv>,
    },
    /// Another driver has it. It is on no list, and never resident.
    Foreign(Arc<Foreign>),
}

impl lru::Item for Buffer {
    type Rank = Contents;
    type List = List;
    type State = Status;
}

/// What of a buffer is decided under its lock.
pub(crate) struct Status {
    resident: Option<Arc<Resident>>,
    /// How many ids it has, in all files.
    pub(crate) names: u32,
    /// Its dma-buf, while it has any.
    pub(crate) exported: Option<ARef<Exported<share::Shared>>>,
    /// Whether somebody was given that.
    pub(crate) given: bool,
    /// Calls that are about to.
    pub(crate) givers: u32,
}

/// A buffer's pages, held.
pub(crate) struct Resident {
    // Before the reservation: it is for these.
    pages: Arc<Storage>,
    _reservation: Reservation,
    _counted: Counted,
    /// How many jobs have it, and a dma-buf. One more only for who has the buffer's reservation.
    jobs: Atomic<i32>,
}

/// The memory of a buffer of ours, for a job, or for a dma-buf.
pub(crate) struct Use(Arc<Resident>);

impl Use {
    fn new(resident: Arc<Resident>) -> Self {
        resident.jobs.add(1, Relaxed);
        Self(resident)
    }

    /// Some words of one page.
    pub(crate) fn words(&self, offset: u64, length: u64) -> Result<Words<'_>> {
        let pages = self.0.pages.shmem().ok_or(EINVAL)?;
        pages.words(offset, usize::try_from(length).map_err(|_| EINVAL)?)
    }

    /// All of it.
    pub(crate) fn storage(&self) -> &Arc<Storage> {
        &self.0.pages
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        // What the job did is done for who finds it unused.
        self.0.jobs.fetch_sub(1, Release);
    }
}

impl Buffer {
    /// A buffer of zeros, none of them allocated yet.
    pub(crate) fn new(
        cx: &mut Cx<'_, Process>,
        client: &Client,
        id: u32,
        size: u64,
    ) -> Result<BufferRef> {
        let memory = Memory::Own {
            shmem: Shmem::new(cx, c"strata-vbind", size)?,
            resv: gfp::kernel(cx).arc_init(Resv::new(()))?,
        };
        Self::with(cx, client, id, memory, size)
    }

    /// One of another driver's.
    pub(crate) fn imported(
        cx: &mut Cx<'_, Process>,
        client: &Client,
        id: u32,
        foreign: Arc<Foreign>,
    ) -> Result<BufferRef> {
        // Its bytes are not ours.
        Self::with(cx, client, id, Memory::Foreign(foreign), 0)
    }

    fn with(
        cx: &mut Cx<'_, Process>,
        client: &Client,
        id: u32,
        memory: Memory,
        bytes: u64,
    ) -> Result<BufferRef> {
        let account = client.account();
        let buffer = Self {
            home: (client.number(), id),
            memory,
            account: account.clone(),
            _counted: [
                account.one(Figure::Buffers),
                account.many(Figure::Bytes, bytes as i64),
            ],
        };
        let status = Status {
            resident: None,
            names: 0,
            exported: None,
            given: false,
            givers: 0,
        };
        Ok(client.shared().cache().object(cx, buffer, status)?)
    }

    /// The file that made it, and its name there.
    pub(crate) fn home(&self) -> (u64, u32) {
        self.home
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    pub(crate) fn size(&self) -> u64 {
        match &self.memory {
            Memory::Own { shmem, .. } => shmem.size(),
            Memory::Foreign(foreign) => foreign.size(),
        }
    }

    pub(crate) fn resv(&self) -> &Resv {
        match &self.memory {
            Memory::Own { resv, .. } => resv,
            Memory::Foreign(foreign) => foreign.resv(),
        }
    }

    /// What is ours of it.
    fn own(&self) -> Option<(&Shmem, &Arc<Resv>)> {
        match &self.memory {
            Memory::Own { shmem, resv } => Some((shmem, resv)),
            Memory::Foreign(_) => None,
        }
    }

    /// Its reservation, if it is one of ours.
    pub(crate) fn own_resv(&self) -> Option<&Arc<Resv>> {
        Some(self.own()?.1)
    }

    pub(crate) fn foreign(&self) -> Option<&Foreign> {
        match &self.memory {
            Memory::Own { .. } => None,
            Memory::Foreign(foreign) => Some(foreign),
        }
    }

    pub(crate) fn map(&self, cx: &mut Cx<'_, MmapHeld>, mapping: &Mapping<'_>) -> Result {
        match &self.memory {
            Memory::Own { shmem, .. } => shmem.map(cx, mapping),
            // Its exporter says how: there is its file.
            Memory::Foreign(_) => Err(ENODEV),
        }
    }
}

/// Whether the pages are held.
pub(crate) fn is_resident<L: Before<Contents>>(
    buffer: &Object<Buffer>,
    cx: &mut Cx<'_, L>,
) -> bool {
    buffer.lock(cx, |buffer, _| buffer.resident.is_some())
}

/// Brings the memory in, if it is not there: for a job whose fence is then added to `_resv`, which
/// is the buffer's.
pub(crate) fn bring_in(
    buffer: &Object<Buffer>,
    cx: &mut Cx<'_, ResvHeld>,
    _resv: &resv::Held<'_>,
    shared: &Shared,
) -> Result<Use> {
    let (memory, _) = buffer.item().own().ok_or(EINVAL)?;
    let here = buffer.lock(cx, |buffer, _| {
        let here = buffer.resident.clone()?;
        // Needed last, so it is let go last.
        buffer.put_on(List::Resident, memory.count());
        Some(here)
    });
    if let Some(here) = here {
        return Ok(Use::new(here));
    }
    // Nobody else brings it in: we have the reservation.
    let reservation = shared.budget().reserve(cx, memory.count(), shared)?;
    let pages = memory.pages(cx)?;
    let resident = Resident {
        pages: Storage::of_shmem(cx, pages)?.into(),
        _reservation: reservation,
        _counted: buffer
            .item()
            .account
            .many(Figure::Held, memory.size() as i64),
        jobs: Atomic::new(0),
    };
    let resident = gfp::kernel(cx).arc(resident)?;
    buffer.lock(cx, |buffer, _| {
        buffer.resident = Some(resident.clone());
        buffer.put_on(List::Resident, memory.count());
    });
    Ok(Use::new(resident))
}

/// For the shrinker: lets go of pages that no job needs. They can be swapped then.
pub(crate) fn let_go(buffer: &mut Locked<'_, Buffer>, cx: &mut Cx<'_, Contents>) -> Verdict {
    let item = buffer.item();
    let Some((memory, resv)) = item.own() else {
        return Verdict::Kept;
    };
    // Who has the lock is submitting a job.
    let resident = resv.try_lock(cx, |_, (), cx| {
        let idle = resv.is_signalled(cx, Usage::Bookkeep);
        buffer
            .resident
            .take_if(|resident| idle && resident.jobs.load(Acquire) == 0)
    });
    let Some(resident) = resident.flatten() else {
        return Verdict::Kept;
    };
    drop(resident);
    item.account.add(Figure::Evictions, 1);
    buffer.put_on(List::Unheld, memory.count());
    Verdict::Evicted
}

/// For the shrinker: writes pages to swap that were let go. Counts them.
pub(crate) fn write_back(
    buffer: &mut Locked<'_, Buffer>,
    cx: &mut Cx<'_, Contents>,
    reach: StartIo<'_>,
    written: &mut usize,
) -> Verdict {
    let Some((memory, _)) = buffer.item().own() else {
        return Verdict::Kept;
    };
    let resident = memory.resident();
    let pages = memory.write_back(cx, reach);
    *written += pages;
    if pages < resident {
        // There is no room in swap, or it is mapped: that is for the kernel to look at.
        Verdict::Kept
    } else {
        Verdict::Evicted
    }
}
