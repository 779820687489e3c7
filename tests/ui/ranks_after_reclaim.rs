// SPDX-License-Identifier: GPL-2.0

//! A driver wants locks that a shrinker takes, and yet to allocate in a NOFS scope under them.

mod evict {
    strata::ranks! { after Reclaim: pub(super) Table }
    //~^ ERROR locks that are taken in reclaim stand after `NoIo`: no scope lets their holders reclaim
}

mod journal {
    strata::ranks! { after NoFs: pub(super) Table }
    //~^ ERROR locks that are taken in reclaim stand after `NoIo`: no scope lets their holders reclaim
}
