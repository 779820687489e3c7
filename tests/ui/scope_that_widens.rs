// SPDX-License-Identifier: GPL-2.0

//! A scope is entered that would allow more than the context around it: NOFS within NOIO, and
//! either of them in a notifier.

use strata::{
    cx::Notifier,
    prelude::*, //
};

fn write_back(cx: &mut Cx<'_, Process>) {
    cx.noio(|cx| cx.nofs(|_| ()));
    //~^ ERROR E0277: a `NoIo` context may not acquire `NoFs`
}

fn invalidate(cx: &mut Cx<'_, Notifier>) {
    cx.noio(|_| ());
    //~^ ERROR E0277: a `Notifier` context may not acquire `NoIo`
}
