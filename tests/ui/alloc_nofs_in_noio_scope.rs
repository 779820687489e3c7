// SPDX-License-Identifier: GPL-2.0

//! `GFP_NOFS` in a NOIO scope. Lockdep cannot tell the two apart; the types can.

use kernel::prelude::*;
use strata::prelude::*;

fn resubmit(cx: &mut Cx<'_, Process>) -> Result<KVec<u64>> {
    cx.noio(|cx| {
        let sectors = gfp::nofs(cx).vec(8)?;
        //~^ ERROR E0277: a `NoIo` context may not allocate with class `NoFs`
        Ok(sectors)
    })
}
