// SPDX-License-Identifier: GPL-2.0

//! A fence is signalled, and then given an error.

use kernel::prelude::*;
use strata::{
    cx::Signalling,
    fence::Signaller,
    prelude::*, //
};

fn complete(cx: &mut Cx<'_, Signalling>, signaller: Signaller, late: bool) {
    signaller.signal(cx, Ok(()));
    if late {
        signaller.signal(cx, Err(EIO));
        //~^ ERROR E0382: use of moved value: `signaller`
    }
}
