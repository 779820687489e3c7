// SPDX-License-Identifier: GPL-2.0

//! How much one file may have submitted that has not ended.

use crate::vm::{
    Growth,
    Vm, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// Of one kind of thing.
struct Limit {
    used: Atomic<i32>,
    most: i32,
}

impl Limit {
    const fn new(most: u32) -> Self {
        Self {
            used: Atomic::new(0),
            most: most as i32,
        }
    }

    /// Takes so many, or none.
    fn take(&self, count: i32) -> Result {
        let mut used = self.used.load(Relaxed);
        while used <= self.most - count {
            match self.used.cmpxchg(used, used + count, Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => used = now,
            }
        }
        Err(EAGAIN)
    }
}

/// What a file may have submitted.
pub(crate) struct Quota {
    jobs: Limit,
    binds: Limit,
}

impl Quota {
    pub(crate) const fn new(jobs: u32, binds: u32) -> Self {
        Self {
            jobs: Limit::new(jobs),
            binds: Limit::new(binds),
        }
    }

    /// For a job that has so many operations of a bind.
    fn share(self: &Arc<Self>, binds: u32) -> Result<Share> {
        self.jobs.take(1)?;
        let mut share = Share {
            quota: self.clone(),
            binds: 0,
        };
        self.binds.take(binds as i32)?;
        share.binds = binds as i32;
        Ok(share)
    }
}

/// What one job takes of it.
struct Share {
    quota: Arc<Quota>,
    binds: i32,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.quota.binds.used.add(-self.binds, Relaxed);
        self.quota.jobs.used.add(-1, Relaxed);
    }
}

/// Room for one job, until it has ended: in its file's quota, and in its space.
pub(crate) struct Room {
    _share: Share,
    _growth: Option<Growth>,
}

impl Room {
    /// For a job that has so many operations of a bind.
    pub(crate) fn new(quota: &Arc<Quota>, vm: &Arc<Vm>, binds: u32) -> Result<Self> {
        Ok(Self {
            _share: quota.share(binds)?,
            _growth: match binds {
                0 => None,
                binds => Some(Growth::new(vm, binds)?),
            },
        })
    }
}
