// SPDX-License-Identifier: GPL-2.0

//! A number is given to user space, and then told to it: that may fail, and the file is out already.

use kernel::prelude::*;
use strata::{
    dev::user::UserRange,
    dma_buf::BufferFile,
    prelude::*, //
};

fn give(cx: &mut Cx<'_, Process>, file: BufferFile, fd: UserRange) -> Result {
    file.install(cx);
    fd.write(cx, &file.fd())
    //~^ ERROR E0382: borrow of moved value: `file`
}
