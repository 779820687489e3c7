// SPDX-License-Identifier: GPL-2.0

//! Files that are left behind.

use crate::{
    cases::{
        cases,
        Case, //
    },
    live::Live,
    Misuse, //
};
use core::mem;
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::Arc, //
};
use strata::{
    dev::debugfs,
    prelude::*, //
};

cases![
    live:
    file_forgotten,
];

struct Text(&'static str);

#[vtable]
impl debugfs::File for Text {
    type Owner = Misuse;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        seq_print!(out, "{}\n", self.0);
        Ok(())
    }
}

fn file_forgotten(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let dir = debugfs::Dir::new(cx, c"strata_misuse_left");
    let dir = gfp::kernel(cx).arc(dir)?;
    let text = gfp::kernel(cx).arc(Text("forgotten"))?;
    mem::forget(debugfs::Entry::new(cx, dir, c"file", text));
    Ok(())
}
