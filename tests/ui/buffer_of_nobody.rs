// SPDX-License-Identifier: GPL-2.0

//! An exporter does not say whose code it is: with a buffer that is in use, its module could go.

use kernel::prelude::*;
use strata::dma_buf::Exporter;

struct Frame;

impl Exporter for Frame {
    //~^ ERROR E0046: not all trait items implemented, missing: `Owner`
    const NAME: &'static CStr = c"frames";
}
