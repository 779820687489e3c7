// SPDX-License-Identifier: GPL-2.0

//! A shrinker looks at the flags of whose allocation reclaims, and gets them wrong: `GFP_NOFS` is
//! several bits, some of which all callers have. What a round may do is said by the round.

use core::marker::PhantomData;
use kernel::bindings;
use strata::{
    cx::Reclaim,
    dev::Owner,
    prelude::*,
    shrinker::{
        Count,
        CountControl,
        Round,
        Scan,
        ScanControl,
        Shrinker, //
    },
};

struct Spare<O>(PhantomData<fn() -> O>);

impl<O: Owner> Shrinker for Spare<O> {
    type Owner = O;

    fn count(&self, _cx: &mut Cx<'_, Reclaim>, control: &CountControl<'_>) -> Count {
        if control.gfp_mask & bindings::GFP_NOFS != 0 {
            //~^ ERROR E0609: no field `gfp_mask` on type `&CountControl<'_>`
            //~| ERROR E0425: cannot find value `GFP_NOFS` in crate `bindings`
            return Count::Empty;
        }
        Count::Unknown
    }

    fn scan(
        &self,
        _cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        _round: &mut Round<'_>,
    ) -> Scan {
        if control.gfp_mask & bindings::GFP_KERNEL == 0 {
            //~^ ERROR E0609: no field `gfp_mask` on type `&mut ScanControl<'_>`
            return Scan::Stop;
        }
        Scan::Freed(0)
    }
}
