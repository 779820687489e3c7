// SPDX-License-Identifier: GPL-2.0

//! What C lets through: `count` and `scan` answer with numbers and error codes, and with each
//! other's answers. Reclaim takes any of these for so many pages.

use core::marker::PhantomData;
use kernel::prelude::*;
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

struct Spare<O> {
    pages: usize,
    owner: PhantomData<fn() -> O>,
}

impl<O: Owner> Shrinker for Spare<O> {
    type Owner = O;

    fn count(&self, _cx: &mut Cx<'_, Reclaim>, _control: &CountControl<'_>) -> Count {
        self.pages
        //~^ ERROR E0308: mismatched types
        //~| NOTE expected `Count`, found `usize`
    }

    fn scan(
        &self,
        _cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan {
        match round {
            Round::Purge(_) => nothing_there(),
            Round::Idle => try_again(),
            Round::Active(_) => all(control),
            Round::WriteBack(_) => Scan::Freed(-1),
            //~^ ERROR E0600: cannot apply unary operator `-` to type `usize`
        }
    }
}

fn nothing_there() -> Scan {
    Count::Empty
    //~^ ERROR E0308: mismatched types
    //~| NOTE expected `Scan`, found `Count`
}

fn try_again() -> Scan {
    Err(EBUSY)
    //~^ ERROR E0308: mismatched types
    //~| NOTE expected `Scan`, found `Result<_, Error>`
}

fn all(control: &ScanControl<'_>) -> Scan {
    control.left()
    //~^ ERROR E0308: mismatched types
    //~| NOTE expected `Scan`, found `usize`
}
