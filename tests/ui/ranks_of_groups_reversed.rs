// SPDX-License-Identifier: GPL-2.0

//! The locks of one set are taken from a later group to an earlier one.

use strata::{
    prelude::*,
    sync::Mutex, //
};

mod ranks {
    strata::ranks! {
        after Process:
        pub(super) Config;

        after ReclaimLock:
        pub(super) Table,
    }
}

fn configure(
    cx: &mut Cx<'_, Process>,
    config: &Mutex<u32, ranks::Config>,
    table: &Mutex<u32, ranks::Table>,
) {
    table.lock(cx, |count, cx| {
        config.lock(cx, |limit, _| *limit = *count);
        //~^ ERROR E0277: a `Table` context may not acquire `Config`
    });
}
