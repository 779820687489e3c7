// SPDX-License-Identifier: GPL-2.0

//! One buffer: its memory, the state that it is in, and what may be done in each.
//!
//! Memory is made resident and reserved before the buffer's lock is taken, and let go after it was
//! dropped: under it nothing is allocated, since the shrinker takes it.

mod export;
mod reclaim;

pub(crate) use self::{
    export::{
        at_home,
        begin_access,
        commit,
        end_access,
        end_export,
        is_local,
        leave_home,
        map,
        shared, //
    },
    reclaim::{
        let_go,
        purge,
        write_back, //
    }, //
};

use self::export::Given;
use crate::{
    export::Exports,
    figures::{
        Figures,
        Kind, //
    }, //
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
    limit::{
        Budget,
        Reservation, //
    },
    lru::{
        self,
        Cache,
        Locked,
        Object, //
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
    /// The list of the buffers that are exported.
    pub(crate) Exporting,
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
    given: Given,
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
    /// Nobody can name it any more, but somebody has a dma-buf of it.
    Orphan(Resident),
    /// Nobody can name it any more.
    Destroyed,
}

impl State {
    fn kind(&self) -> Kind {
        match self {
            State::Plain | State::Purged | State::Destroyed => Kind::Plain,
            State::Idle(_) => Kind::Idle,
            State::Pinned(..) | State::Orphan(_) => Kind::Pinned,
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
            given: Given::default(),
        };
        Ok(cache.object(cx, buffer, status)?)
    }

    pub(crate) fn size(&self) -> u64 {
        self.memory.size()
    }

    pub(crate) fn memory(&self) -> &Shmem {
        &self.memory
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

/// Who pins a buffer.
#[derive(Clone, Copy)]
pub(crate) enum Pinner {
    /// User space, which unpins it.
    User,
    /// A dma-buf, for as long as it is there.
    Export,
}

/// One more pin of a buffer whose pages are held. Says whether they are.
fn pin_held(buffer: &mut Locked<'_, Buffer>, who: Pinner) -> Result<bool> {
    let held = change(buffer, |state| match state {
        State::Plain => (State::Plain, Ok(false)),
        State::Idle(resident) => (State::Pinned(resident, NonZeroU32::MIN), Ok(true)),
        State::Pinned(resident, pins) => match pins.checked_add(1) {
            Some(pins) => (State::Pinned(resident, pins), Ok(true)),
            None => (
                State::Pinned(resident, pins),
                Err(errno(bindings::EOVERFLOW)),
            ),
        },
        State::GivenUp | State::Purged => (state, Err(errno(bindings::ENODATA))),
        State::Orphan(_) | State::Destroyed => (state, Err(ENOENT)),
    })?;
    if held {
        buffer.given.count(who);
    }
    Ok(held)
}

/// Reserves and reads the pages without the lock, and commits them under it.
pub(crate) fn pin<T: Shrinker>(
    buffer: &Object<Buffer>,
    cx: &mut Cx<'_, Process>,
    budget: &Arc<Budget>,
    pool: &T,
    who: Pinner,
) -> Result {
    // A purge in between is somebody's doing: who gives up and needs the contents meanwhile.
    while let Some(purges) = buffer.lock(cx, |buffer, _| {
        let held = pin_held(buffer, who)?;
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
            if pin_held(buffer, who)? {
                return Ok(true);
            }
            if buffer.purges != purges {
                return Ok(false);
            }
            if let Some(resident) = unused.take() {
                change(buffer, |_| (State::Pinned(resident, NonZeroU32::MIN), ()));
                buffer.given.count(who);
            }
            Ok::<_, Error>(true)
        })?;
        if pinned {
            break;
        }
    }
    Ok(())
}

/// One pin less.
fn unpinned(resident: Resident, pins: NonZeroU32) -> State {
    match NonZeroU32::new(pins.get() - 1) {
        Some(pins) => State::Pinned(resident, pins),
        None => State::Idle(resident),
    }
}

/// `STRATA_POOL_UNPIN`. The pins of dma-bufs are not user space's to end.
pub(crate) fn unpin(buffer: &Object<Buffer>, cx: &mut Cx<'_, Process>) -> Result {
    buffer.lock(cx, |buffer, _| {
        let exports = buffer.given.exports();
        change(buffer, |state| match state {
            State::Pinned(resident, pins) if pins.get() > exports => {
                (unpinned(resident, pins), Ok(()))
            }
            State::Plain | State::Idle(_) | State::Pinned(..) | State::GivenUp | State::Purged => {
                (state, Err(EINVAL))
            }
            State::Orphan(_) | State::Destroyed => (state, Err(ENOENT)),
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
            State::Orphan(_) | State::Destroyed => (state, Err(ENOENT)),
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
            State::Orphan(_) | State::Destroyed => (state, Err(ENOENT)),
        })
    })
}

/// Lets go of all that the buffer holds, but for what a dma-buf of it has. Whoever still refers to
/// it can do nothing with it.
pub(crate) fn destroy(buffer: &Object<Buffer>, cx: &mut Cx<'_, Process>, all: &Exports) {
    let held = buffer.lock(cx, |buffer, cx| {
        let given = buffer.given.take_shared(cx, all);
        let exports = buffer.given.exports();
        let state = change(buffer, |state| match state {
            State::Pinned(resident, _) if exports != 0 => (State::Orphan(resident), None),
            state => (State::Destroyed, Some(state)),
        });
        buffer.leave();
        (state, given)
    });
    drop(held);
}

fn errno(number: u32) -> Error {
    Error::from_errno(-(number as i32))
}
