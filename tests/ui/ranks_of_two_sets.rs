// SPDX-License-Identifier: GPL-2.0

//! Locks of two sets of ranks are nested: nobody has said which comes first. That holds for a
//! trylock too, since there is no later of the two to stand at.

use strata::{
    prelude::*,
    sync::Mutex, //
};

mod memory {
    strata::ranks! { after NoIo: pub(super) Pool }
}

mod jobs {
    strata::ranks! { after NoIo: pub(super) Queue }
}

fn retire(
    cx: &mut Cx<'_, Process>,
    pool: &Mutex<u32, memory::Pool>,
    queue: &Mutex<u32, jobs::Queue>,
) {
    pool.lock(cx, |free, cx| {
        queue.lock(cx, |done, _| *free += core::mem::take(done));
        //~^ ERROR E0277: a `Pool` context may not acquire `Queue`
    });
    pool.lock(cx, |free, cx| {
        queue.try_lock(cx, |done, _| *free += core::mem::take(done));
        //~^ ERROR E0277: the ranks `Pool` and `Queue` have no order between them
        //~| NOTE ranks of different `ranks!` sets do not nest
        //~| NOTE declare both ranks in one `strata::ranks!` set
    });
}
