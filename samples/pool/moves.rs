// SPDX-License-Identifier: GPL-2.0

//! Moving what is exported, on demand: the file `move` in debugfs.
//!
//! Memory first, then the dma-buf's reservation, and under that the buffer's lock, for a moment: it
//! says that the contents leave home before they do, and that they are back when they are.

use crate::{
    buffer::{
        self,
        BufferRef, //
    },
    export,
    shared::Shared,
    Pool, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        UniqueArc, //
    },
    time::{
        msecs_to_jiffies,
        Jiffies, //
    },
};
use strata::{
    dev::{
        debugfs,
        user::UserRange, //
    },
    dma_buf::Storage,
    limit::Reservation,
    prelude::*, //
};

/// For how many milliseconds the users of one buffer are waited for.
const MOST: u32 = 100;

/// Where contents are.
#[derive(Clone, Copy)]
enum Place {
    /// In the buffer's own pages.
    Home,
    /// In others.
    Local,
}

/// What became of one buffer.
enum Outcome {
    /// It is there.
    Done,
    /// It was there, or is gone.
    Spared,
    /// It has to stay where it is.
    Refused,
    /// Somebody used it for too long.
    TimedOut,
}

/// Moves the buffers of a pool, and counts.
pub(crate) struct Moves {
    pool: Arc<Shared>,
    moved: Atomic<u64>,
    refused: Atomic<u64>,
    timed_out: Atomic<u64>,
}

impl Moves {
    pub(crate) fn new(pool: Arc<Shared>) -> Self {
        Self {
            pool,
            moved: Atomic::new(0),
            refused: Atomic::new(0),
            timed_out: Atomic::new(0),
        }
    }

    /// Moves all that were exported when it began, and still have a name.
    fn move_all(&self, cx: &mut Cx<'_, Process>, to: Place) -> Result {
        let last = self.pool.exports().last(cx);
        let mut place = 0;
        while let Some((next, buffer)) = self.pool.exports().after(cx, place) {
            if next > last {
                break;
            }
            place = next;
            cx.give_way()?;
            match self.move_one(cx, &buffer, to)? {
                Outcome::Done => self.moved.add(1, Relaxed),
                Outcome::Spared => {}
                Outcome::Refused => self.refused.add(1, Relaxed),
                Outcome::TimedOut => self.timed_out.add(1, Relaxed),
            }
        }
        Ok(())
    }

    fn move_one(&self, cx: &mut Cx<'_, Process>, buffer: &BufferRef, to: Place) -> Result<Outcome> {
        let Ok(Some(exported)) = buffer::shared(buffer, cx) else {
            return Ok(Outcome::Spared);
        };
        if buffer::is_local(buffer, cx) == matches!(to, Place::Local) {
            return Ok(Outcome::Spared);
        }
        let (storage, mut reservation) = self.memory(cx, buffer, to)?;
        let most: Jiffies = msecs_to_jiffies(MOST) as Jiffies;
        // What is not needed any more is let go without the locks.
        let (result, _unused) = exported.lock(cx, |held, cx| {
            if let Place::Local = to {
                match buffer::leave_home(buffer, cx, &mut reservation) {
                    Ok(true) => self.pool.exports().count_local(1),
                    other => return (other.map(|_| Outcome::Spared), (None, storage.into())),
                }
            }
            let moved = exported.move_to(cx, held, storage, most);
            let is_home = moved.is_ok() == matches!(to, Place::Home);
            let reserved = is_home.then(|| buffer::at_home(buffer, cx)).flatten();
            if reserved.is_some() {
                self.pool.exports().count_local(-1);
            }
            match moved {
                Ok(from) => (Ok(Outcome::Done), (reserved, from)),
                Err(error) => (Err(error.cause), (reserved, error.to.into())),
            }
        });
        match result {
            Ok(outcome) => Ok(outcome),
            Err(error) if error == EBUSY => Ok(Outcome::Refused),
            Err(error) if error == ETIMEDOUT => Ok(Outcome::TimedOut),
            Err(error) => Err(error),
        }
    }

    /// Where it moves to, and what that is reserved with.
    fn memory(
        &self,
        cx: &mut Cx<'_, Process>,
        buffer: &BufferRef,
        to: Place,
    ) -> Result<(UniqueArc<Storage>, Option<Reservation>)> {
        match to {
            Place::Home => Ok((export::home(cx, buffer)?, None)),
            Place::Local => {
                let count = buffer.item().memory().count();
                let reservation = self.pool.budget().reserve(cx, count, &*self.pool)?;
                Ok((Storage::new(cx, count)?, Some(reservation)))
            }
        }
    }
}

#[vtable]
impl debugfs::File for Moves {
    type Owner = Pool;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        let all = self.pool.exports();
        seq_print!(out, "exported {}\nlocal {}\n", all.exported(), all.local());
        seq_print!(
            out,
            "moved {}\nrefused {}\ntimed_out {}\n",
            self.moved.load(Relaxed),
            self.refused.load(Relaxed),
            self.timed_out.load(Relaxed)
        );
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_, Process>, input: UserRange) -> Result {
        let mut text = [0; 16];
        let text = input.read_text(cx, &mut text)?;
        let to = match text.trim_ascii() {
            b"home" => Place::Home,
            b"local" => Place::Local,
            _ => return Err(EINVAL),
        };
        self.move_all(cx, to)
    }
}
