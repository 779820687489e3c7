// SPDX-License-Identifier: GPL-2.0

//! What debugfs shows: figures, the address spaces as maps, queues, fences and timings.

use crate::{
    buffer::is_resident,
    client::Client,
    figures::NAMES,
    ranks::Files,
    shared::Shared,
    vm::Vm,
    Vbind, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        rcu,
        Arc, //
    },
};
use strata::{
    dev::debugfs::{
        Dir,
        Entry,
        File, //
    },
    prelude::*,
    resv::Usage,
};

/// The files, for as long as this lives.
pub(crate) struct Debug {
    _stat: Entry<Stat>,
    _map: Entry<Map>,
    _queues: Entry<Queues>,
    _fences: Entry<Fences>,
    _timings: Entry<Times>,
}

impl Debug {
    pub(crate) fn new(
        cx: &mut Cx<'_, Process>,
        dir: &Arc<Dir>,
        shared: &Arc<Shared>,
    ) -> Result<Self> {
        let stat = gfp::kernel(cx).arc(Stat(shared.clone()))?;
        let map = gfp::kernel(cx).arc(Map(shared.clone()))?;
        let queues = gfp::kernel(cx).arc(Queues(shared.clone()))?;
        let fences = gfp::kernel(cx).arc(Fences(shared.clone()))?;
        let timings = gfp::kernel(cx).arc(Times(shared.clone()))?;
        Ok(Self {
            _stat: Entry::new(cx, dir.clone(), c"stat", stat),
            _map: Entry::new(cx, dir.clone(), c"map", map),
            _queues: Entry::new(cx, dir.clone(), c"queues", queues),
            _fences: Entry::new(cx, dir.clone(), c"fences", fences),
            _timings: Entry::new(cx, dir.clone(), c"timings", timings),
        })
    }
}

/// `stat`: a figure a line.
struct Stat(Arc<Shared>);

#[vtable]
impl File for Stat {
    type Owner = Vbind;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        for (name, figure) in NAMES {
            seq_print!(out, "{name} {}\n", self.0.figures().get(figure));
        }
        Ok(())
    }
}

/// `map`: each address space, and what is mapped in it.
struct Map(Arc<Shared>);

#[vtable]
impl File for Map {
    type Owner = Vbind;

    fn show(&self, cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        self.0.for_each(cx, |client, cx| {
            let mut id = 0;
            while let Some((next, vm)) = client.next(cx, |tables| &tables.vms, id) {
                id = next;
                show_vm(client, &vm, out);
            }
            Ok(())
        })
    }
}

fn show_vm(client: &Client, vm: &Vm, out: &SeqFile) {
    let all = vm.all();
    seq_print!(
        out,
        "file {} vm {} {:#x}-{:#x}\n",
        client.number(),
        vm.id(),
        all.addr(),
        all.end()
    );
    for mapping in vm.space().iter(&rcu::read_lock(), all) {
        let span = mapping.span();
        seq_print!(out, "  {:#x}-{:#x} ", span.addr(), span.end());
        match mapping.object() {
            Some(buffer) => {
                let (file, id) = buffer.item().home();
                seq_print!(out, "buffer {id}");
                if file != client.number() {
                    seq_print!(out, " of file {file}");
                }
                seq_print!(out, " offset {:#x}", mapping.offset());
            }
            None => seq_print!(out, "sparse"),
        }
        let access = if mapping.data().writable { "rw" } else { "ro" };
        seq_print!(out, " {access}\n");
    }
}

/// `queues`: what each does.
struct Queues(Arc<Shared>);

#[vtable]
impl File for Queues {
    type Owner = Vbind;

    fn show(&self, cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        self.0.for_each(cx, |client, cx| {
            let mut id = 0;
            while let Some((next, queue)) = client.next(cx, |tables| &tables.queues, id) {
                id = next;
                let glance = queue.engine().glance(cx);
                seq_print!(
                    out,
                    "file {} queue {id} vm {} jobs {} resets {} timeout_ms {} {}\n",
                    client.number(),
                    queue.vm().id(),
                    glance.jobs,
                    glance.resets,
                    queue.timeout_ms(),
                    glance.what
                );
            }
            Ok(())
        })
    }
}

/// `fences`: the last one of each queue, and those that buffers are used until.
struct Fences(Arc<Shared>);

impl Fences {
    fn show_queues(client: &Client, cx: &mut Cx<'_, Files>, out: &SeqFile) {
        let mut id = 0;
        while let Some((next, queue)) = client.next(cx, |tables| &tables.queues, id) {
            id = next;
            let (file, context) = (client.number(), queue.timeline().context());
            seq_print!(out, "file {file} queue {id} context {context}");
            match queue.last_fence(cx) {
                Some(fence) => {
                    seq_print!(out, " last {}", fence.seqno());
                    match fence.status() {
                        None => seq_print!(out, " pending\n"),
                        Some(Ok(())) => seq_print!(out, " signalled\n"),
                        Some(Err(error)) => seq_print!(out, " error {}\n", error.to_errno()),
                    }
                }
                None => seq_print!(out, " unused\n"),
            }
        }
    }

    fn show_buffers(client: &Client, cx: &mut Cx<'_, Files>, out: &SeqFile) -> Result {
        let mut id = 0;
        while let Some((next, buffer)) = client.next(cx, |tables| &tables.buffers, id) {
            id = next;
            let resv = buffer.item().resv();
            let fences = resv.fences(&mut gfp::kernel(cx), Usage::Bookkeep)?;
            let state = if buffer.item().foreign().is_some() {
                "foreign"
            } else if is_resident(&buffer, cx) {
                "held"
            } else {
                "let go"
            };
            seq_print!(out, "file {} buffer {id} {state}", client.number());
            for fence in &fences {
                seq_print!(out, " {}:{}", fence.context(), fence.seqno());
            }
            seq_print!(out, "\n");
        }
        Ok(())
    }
}

#[vtable]
impl File for Fences {
    type Owner = Vbind;

    fn show(&self, cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        self.0.for_each(cx, |client, cx| {
            Self::show_queues(client, cx, out);
            Self::show_buffers(client, cx, out)
        })
    }
}

/// `timings`: how many jobs waited and ran for how long.
struct Times(Arc<Shared>);

#[vtable]
impl File for Times {
    type Owner = Vbind;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        self.0.timings().show(out);
        Ok(())
    }
}
