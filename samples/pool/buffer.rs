// SPDX-License-Identifier: GPL-2.0

//! One buffer: its memory, the state that it is in, and what may be done in each.
//!
//! Memory is made resident and reserved before the buffer's lock is taken, and let go after it was
//! dropped: under it nothing is allocated, since the shrinker takes it.

use crate::figures::{
    Figures,
    Kind, //
};
use core::num::NonZeroU32;
use kernel::{
    bindings,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use strata::{
    cx::{
        EnterFs,
        StartIo, //
    },
    dev::misc::Mapping,
    limit::{
        Budget,
        Reservation, //
    },
    lru::{
        self,
        Cache,
        Locked,
        Object,
        Verdict, //
    },
    prelude::*,
    shmem::{
        Held,
        Shmem, //
    },
    shrinker::Shrinker,
};

strata::ranks! {
    after NoIo:
    /// The state of one buffer. The shrinker takes it.
    pub(crate) Contents;

    after ReclaimLock:
    /// The table of a file's buffers.
    pub(crate) Table,
}

strata::lru_lists! {
    /// What the shrinker looks through.
    pub(crate) enum List {
        /// Contents that were given up.
        Purgeable,
        /// Pages that are held, and that nobody has pinned.
        Idle,
        /// Pages that were held: the kernel swaps them by itself, or we can tell it to.
        Unheld,
    }
}

/// What a buffer is called with by everybody: an object with a lock, on the pool's lists.
pub(crate) type BufferRef = ARef<Object<Buffer>>;

/// What of a buffer does not change.
pub(crate) struct Buffer {
    memory: Shmem,
    /// Those of the file that made it, and those of the pool.
    figures: [Arc<Figures>; 2],
}

impl lru::Item for Buffer {
    type Rank = Contents;
    type List = List;
    type State = Status;
}

/// What a buffer's pages are held with.
pub(crate) struct Resident {
    // Before the reservation: it is for these.
    _pages: Held,
    _reservation: Reservation,
}

/// What of a buffer is decided under its lock.
pub(crate) struct Status {
    state: State,
    /// How often it was purged. Pages from before the last time are not the buffer's any more.
    purges: u64,
}

/// The state of a buffer.
enum State {
    /// Ordinary memory, which may be swapped.
    Plain,
    /// Held, and not pinned.
    Idle(Resident),
    /// Held, and so often pinned.
    Pinned(Resident, NonZeroU32),
    /// Held by nobody, and the contents may be thrown away.
    GivenUp,
    /// The contents were thrown away.
    Purged,
    /// Nobody can name it any more.
    Destroyed,
}

impl State {
    fn kind(&self) -> Kind {
        match self {
            State::Plain | State::Purged | State::Destroyed => Kind::Plain,
            State::Idle(_) => Kind::Idle,
            State::Pinned(..) => Kind::Pinned,
            State::GivenUp => Kind::Purgeable,
        }
    }
}

impl Buffer {
    /// A buffer of zeros, none of them allocated yet.
    pub(crate) fn new(
        cx: &mut Cx<'_, Process>,
        cache: &Arc<Cache<Self>>,
        size: u64,
        figures: [Arc<Figures>; 2],
    ) -> Result<BufferRef> {
        let memory = Shmem::new(cx, c"strata-pool", size)?;
        for figures in &figures {
            figures.add(size);
        }
        let buffer = Self { memory, figures };
        let status = Status {
            state: State::Plain,
            purges: 0,
        };
        Ok(cache.object(cx, buffer, status)?)
    }

    pub(crate) fn size(&self) -> u64 {
        self.memory.size()
    }

    pub(crate) fn map(
        &self,
        cx: &mut Cx<'_, strata::cx::MmapHeld>,
        mapping: &Mapping<'_>,
    ) -> Result {
        self.memory.map(cx, mapping)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        for figures in &self.figures {
            figures.remove(self.memory.size());
        }
    }
}

/// Moves the buffer from the state that it is in to the one that `f` makes of it.
fn change<R>(buffer: &mut Locked<'_, Buffer>, f: impl FnOnce(State) -> (State, R)) -> R {
    let from = buffer.state.kind();
    let (state, result) = f(core::mem::replace(&mut buffer.state, State::Plain));
    let (item, to) = (buffer.item(), state.kind());
    buffer.state = state;
    if from != to {
        for figures in &item.figures {
            figures.change(item.size(), from, to);
        }
        match to {
            Kind::Plain | Kind::Pinned => buffer.leave(),
            Kind::Idle => buffer.put_on(List::Idle, item.memory.count()),
            // Never for nothing: what is written to it later is to be found too.
            Kind::Purgeable => buffer.put_on(List::Purgeable, item.memory.footprint().max(1)),
        }
    }
    result
}

/// One more pin of a buffer whose pages are held. Says whether they are.
fn pin_held(buffer: &mut Locked<'_, Buffer>) -> Result<bool> {
    change(buffer, |state| match state {
        State::Plain => (State::Plain, Ok(false)),
        State::Idle(resident) => (State::Pinned(resident, NonZeroU32::MIN), Ok(true)),
        State::Pinned(resident, pins) => match pins.checked_add(1) {
            Some(pins) => (State::Pinned(resident, pins), Ok(true)),
            None => (
                State::Pinned(resident, pins),
                Err(errno(bindings::EOVERFLOW)),
            ),
        },
        State::GivenUp => (State::GivenUp, Err(errno(bindings::ENODATA))),
        State::Purged => (State::Purged, Err(errno(bindings::ENODATA))),
        State::Destroyed => (State::Destroyed, Err(ENOENT)),
    })
}

/// `STRATA_POOL_PIN`: reserves and reads the pages without the lock, and commits them under it.
pub(crate) fn pin<T: Shrinker>(
    buffer: &Object<Buffer>,
    cx: &mut Cx<'_, Process>,
    budget: &Arc<Budget>,
    pool: &T,
) -> Result {
    // A purge in between is somebody's doing: who gives up and needs the contents meanwhile.
    while let Some(purges) = buffer.lock(cx, |buffer, _| {
        let held = pin_held(buffer)?;
        Ok::<_, Error>((!held).then_some(buffer.purges))
    })? {
        let memory = &buffer.item().memory;
        let reservation = budget.reserve(cx, memory.count(), pool)?;
        let resident = Resident {
            _pages: memory.pages(cx)?,
            _reservation: reservation,
        };
        // Dropped when the lock is, if it is not used: somebody else may have been faster.
        let mut unused = Some(resident);
        let pinned = buffer.lock(cx, |buffer, _| {
            if pin_held(buffer)? {
                return Ok(true);
            }
            if buffer.purges != purges {
                return Ok(false);
            }
            if let Some(resident) = unused.take() {
                change(buffer, |_| (State::Pinned(resident, NonZeroU32::MIN), ()));
            }
            Ok::<_, Error>(true)
        })?;
        if pinned {
            break;
        }
    }
    Ok(())
}

/// `STRATA_POOL_UNPIN`.
pub(crate) fn unpin(buffer: &Object<Buffer>, cx: &mut Cx<'_, Process>) -> Result {
    buffer.lock(cx, |buffer, _| {
        change(buffer, |state| match state {
            State::Pinned(resident, pins) => match NonZeroU32::new(pins.get() - 1) {
                Some(pins) => (State::Pinned(resident, pins), Ok(())),
                None => (State::Idle(resident), Ok(())),
            },
            State::Plain | State::Idle(_) | State::GivenUp | State::Purged => (state, Err(EINVAL)),
            State::Destroyed => (state, Err(ENOENT)),
        })
    })
}

/// `STRATA_POOL_DONTNEED`. Says whether the contents are still there.
pub(crate) fn give_up(buffer: &Object<Buffer>, cx: &mut Cx<'_, Process>) -> Result<bool> {
    let (retained, held) = buffer.lock(cx, |buffer, _| {
        change(buffer, |state| match state {
            State::Plain => (State::GivenUp, Ok((true, None))),
            // Nothing of it counts against the limit any more.
            State::Idle(resident) => (State::GivenUp, Ok((true, Some(resident)))),
            State::Pinned(..) => (state, Err(EBUSY)),
            State::GivenUp => (State::GivenUp, Ok((true, None))),
            State::Purged => (State::Purged, Ok((false, None))),
            State::Destroyed => (State::Destroyed, Err(ENOENT)),
        })
    })?;
    drop(held);
    Ok(retained)
}

/// `STRATA_POOL_WILLNEED`. Says whether the contents are still there.
pub(crate) fn need(buffer: &Object<Buffer>, cx: &mut Cx<'_, Process>) -> Result<bool> {
    buffer.lock(cx, |buffer, _| {
        change(buffer, |state| match state {
            State::Plain | State::Idle(_) | State::Pinned(..) => (state, Ok(true)),
            State::GivenUp => (State::Plain, Ok(true)),
            State::Purged => (State::Plain, Ok(false)),
            State::Destroyed => (State::Destroyed, Err(ENOENT)),
        })
    })
}

/// The CRC-32C of a part of the buffer.
pub(crate) fn checksum(
    buffer: &Object<Buffer>,
    cx: &mut Cx<'_, Process>,
    offset: u64,
    length: u64,
) -> Result<u32> {
    buffer.lock(cx, |buffer, _| match buffer.state {
        State::Plain | State::Idle(_) | State::Pinned(..) => Ok(()),
        State::GivenUp | State::Purged => Err(errno(bindings::ENODATA)),
        State::Destroyed => Err(ENOENT),
    })?;
    buffer.item().memory.crc32c(cx, offset, length)
}

/// Lets go of all that the buffer holds. Whoever still refers to it can do nothing with it.
pub(crate) fn destroy(buffer: &Object<Buffer>, cx: &mut Cx<'_, Process>) {
    let held = buffer.lock(cx, |buffer, _| {
        let state = change(buffer, |state| (State::Destroyed, state));
        buffer.leave();
        state
    });
    drop(held);
}

/// For the shrinker: throws the contents away that were given up.
pub(crate) fn purge(
    buffer: &mut Locked<'_, Buffer>,
    cx: &mut Cx<'_, Contents>,
    reach: EnterFs<'_>,
) -> Verdict {
    let item = buffer.item();
    if !item.memory.purge_in_reclaim(cx, reach) {
        return Verdict::Kept;
    }
    change(buffer, |_| (State::Purged, ()));
    buffer.purges += 1;
    for figures in &item.figures {
        figures.purge();
    }
    Verdict::Evicted
}

/// For the shrinker: lets go of pages that nobody has pinned. They can be swapped then.
pub(crate) fn let_go(buffer: &mut Locked<'_, Buffer>) -> Verdict {
    let count = buffer.item().memory.count();
    drop(change(buffer, |state| (State::Plain, state)));
    buffer.put_on(List::Unheld, count);
    Verdict::Evicted
}

/// For the shrinker: writes pages to swap that were let go. Counts them.
pub(crate) fn write_back(
    buffer: &mut Locked<'_, Buffer>,
    cx: &mut Cx<'_, Contents>,
    reach: StartIo<'_>,
    written: &mut usize,
) -> Verdict {
    let memory = &buffer.item().memory;
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

fn errno(number: u32) -> Error {
    Error::from_errno(-(number as i32))
}
