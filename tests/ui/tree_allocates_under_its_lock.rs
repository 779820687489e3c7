// SPDX-License-Identifier: GPL-2.0

//! A tree is locked, and then memory is wanted: for its nodes, for the value, for the rests of what a
//! store cuts. Nothing may sleep under a spinlock, and others wait for this one in signalling sections.

use kernel::prelude::*;
use strata::{
    maple::{
        Divide,
        MapleTree,
        Range,
        Spares, //
    },
    prelude::*, //
};

struct Mapping {
    page: u64,
}

impl Divide for Mapping {
    fn divide(&self, whole: Range, part: Range) -> Self {
        let skipped = part.first() - whole.first();
        Self {
            page: self.page + skipped as u64,
        }
    }
}

type Mappings = MapleTree<KBox<Mapping>>;

fn insert(cx: &mut Cx<'_, Process>, tree: &Mappings, at: Range, mapping: KBox<Mapping>) -> Result {
    tree.lock(cx, |tree, cx| {
        tree.insert(&mut gfp::kernel(cx), at, mapping)?;
        //~^ ERROR E0277: a `SignalLock` context may not allocate with class `Kernel`
        //~| NOTE allocate before this context is entered
        //~| ERROR E0277: this operation may sleep, but the context is `Atomic`
        Ok(())
    })
}

fn make(cx: &mut Cx<'_, Process>, tree: &Mappings, at: Range, page: u64) -> Result {
    tree.lock(cx, |tree, cx| {
        let mapping = cx.alloc(Mapping { page })?;
        //~^ ERROR E0277: a `SignalLock` context may not allocate with class `Kernel`
        //~| ERROR E0277: this operation may sleep, but the context is `Atomic`
        tree.insert(&mut gfp::atomic(cx), at, mapping)?;
        Ok(())
    })
}

fn unmap(cx: &mut Cx<'_, Process>, tree: &Mappings, range: Range) -> Result {
    tree.lock(cx, |tree, cx| {
        let mut spares = Spares::new(&mut gfp::nofs(cx))?;
        //~^ ERROR E0277: a `SignalLock` context may not allocate with class `NoFs`
        //~| ERROR E0277: this operation may sleep, but the context is `Atomic`
        let mut nodes = gfp::nowait(cx);
        tree.erase_range(&mut nodes, range, &mut spares, |_, _| ())?;
        Ok(())
    })
}

fn bring(cx: &mut Cx<'_, Process>, tree: &Mappings, at: Range, mapping: KBox<Mapping>) -> Result {
    let mut nodes = gfp::kernel(cx);
    tree.lock(cx, |tree, _| tree.insert(&mut nodes, at, mapping))?;
    //~^ ERROR E0499: cannot borrow `*cx` as mutable more than once at a time
    Ok(())
}
