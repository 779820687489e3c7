// SPDX-License-Identifier: GPL-2.0

//! Legal: nodes are reserved where one may sleep, go to a worker with the job, and are used in a
//! signalling section, under a spinlock, and in a notifier. What is displaced leaves the lock.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::{
        Notifier,
        Signalling, //
    },
    dev::{
        work,
        Owner, //
    },
    maple::{
        Divide,
        MapleTree,
        Range,
        Reservation,
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

/// A job, with all that it needs.
struct Job<O> {
    tree: Arc<Mappings>,
    range: Range,
    mapping: KBox<Mapping>,
    nodes: Reservation,
    spares: Spares<KBox<Mapping>>,
    displaced: KVec<KBox<Mapping>>,
    owner: core::marker::PhantomData<fn() -> O>,
}

impl<O: Owner> work::Item for Job<O> {
    type Owner = O;

    fn run(mut self, cx: &mut Cx<'_, Process>) {
        let range = self.range;
        let (nodes, mapping, spares) = (self.nodes, self.mapping, &mut self.spares);
        let stored = cx.signalling(|cx| {
            self.tree.lock(cx, |tree, cx| {
                tree.store(nodes, range, Some(mapping), spares, |_, mapping| {
                    // There is room: it was made when the job was.
                    drop(gfp::nowait(cx).push(&mut self.displaced, mapping));
                })
            })
        });
        drop((stored, self.displaced));
    }
}

fn submit<O: Owner>(
    cx: &mut Cx<'_, Process>,
    tree: &Arc<Mappings>,
    range: Range,
    page: u64,
) -> Result {
    let job = Job::<O> {
        tree: tree.clone(),
        range,
        mapping: cx.alloc(Mapping { page })?,
        nodes: Reservation::new(&mut gfp::kernel(cx), 1_000_000, 1)?,
        spares: Spares::new(&mut gfp::kernel(cx))?,
        displaced: gfp::kernel(cx).vec(16)?,
        owner: core::marker::PhantomData,
    };
    work::Prepared::new(cx, job)?.queue(cx);
    Ok(())
}

fn find(cx: &mut Cx<'_, Signalling>, tree: &Mappings, index: usize) -> Option<u64> {
    tree.lock(cx, |tree, _| tree.load(index).map(|mapping| mapping.page))
}

fn invalidate(cx: &mut Cx<'_, Notifier>, tree: &Mappings, nodes: &mut Reservation, index: usize) {
    let erased = tree.lock(cx, |tree, _| tree.erase(nodes, index));
    drop(erased);
}
