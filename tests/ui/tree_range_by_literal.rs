// SPDX-License-Identifier: GPL-2.0

//! A range is put together that ends before it begins: what a tree of the kernel takes for a bug of its
//! own.

use strata::maple::Range;

fn reversed() -> Range {
    Range {
        first: 20,
        //~^ ERROR E0451: field `first` of struct `Range` is private
        last: 10,
        //~^ ERROR E0451: field `last` of struct `Range` is private
    }
}
