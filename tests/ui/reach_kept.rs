// SPDX-License-Identifier: GPL-2.0

//! How far reclaim may go is kept beyond the scan that it was said for, made up in a round that is
//! not told, or taken for that of another round. Reclaim may be called under a page's lock then.

use core::marker::PhantomData;
use strata::{
    cx::{
        EnterFs,
        Reclaim,
        StartIo, //
    },
    dev::Owner,
    prelude::*,
    shmem::Shmem,
    shrinker::{
        Count,
        CountControl,
        Round,
        Scan,
        ScanControl,
        Shrinker, //
    },
};

struct Spare<O> {
    memory: Shmem,
    owner: PhantomData<fn() -> O>,
}

impl<O: Owner> Shrinker for Spare<O> {
    type Owner = O;

    fn count(&self, cx: &mut Cx<'_, Reclaim>, _control: &CountControl<'_>) -> Count {
        self.memory.purge(cx);
        //~^ ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
        Count::Empty
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        _control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan {
        match round {
            Round::Purge(reach) => {
                self.memory.write_back(cx, *reach);
                //~^ ERROR E0308: mismatched types
                //~| NOTE expected `StartIo<'_>`, found `EnterFs<'_>`
            }
            Round::Idle => {
                let reach = unsafe { EnterFs::assume() };
                //~^ ERROR E0624: associated function `assume` is private
                self.memory.purge_in_reclaim(cx, reach);
            }
            Round::Active(_) | Round::WriteBack(_) => (),
        }
        Scan::Stop
    }
}

fn keep(kept: &mut Option<EnterFs<'static>>, reach: EnterFs<'_>) {
    *kept = Some(reach);
    //~^ ERROR lifetime may not live long enough
}

fn hand_out(round: &mut Round<'_>) -> Option<StartIo<'static>> {
    match round {
        Round::WriteBack(reach) => Some(*reach),
        //~^ ERROR lifetime may not live long enough
        Round::Purge(_) | Round::Idle | Round::Active(_) => None,
    }
}
