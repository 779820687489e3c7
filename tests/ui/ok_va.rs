// SPDX-License-Identifier: GPL-2.0

//! Legal: a request to a VA space is prepared when a job is submitted, sent to who runs it, and committed
//! in a signalling section, under locks that come earlier; spaces are read everywhere.

use kernel::{
    prelude::*,
    sync::rcu, //
};
use strata::{
    cx::{
        Notifier,
        Signalling, //
    },
    prelude::*,
    sync::NotifierMutex,
    va::{
        Driver,
        Op,
        Prepared,
        Space,
        Span, //
    },
};

fn submit<D: Driver>(
    cx: &mut Cx<'_, Process>,
    space: &Space<D>,
    spans: [Span; 2],
) -> Result<Prepared<D>> {
    let first = space.prepare_unmap(&mut gfp::kernel(cx), spans[0])?;
    let second = space.prepare_split(&mut gfp::kernel(cx), spans[1])?;
    Ok(send(first.then(second)))
}

fn send<T: Send>(value: T) -> T {
    value
}

fn run<D: Driver>(cx: &mut Cx<'_, Signalling>, space: &Space<D>, request: Prepared<D>) -> Result {
    let done = space.commit(cx, request)?;
    for op in done.ops() {
        if let Op::Unmap { old, keep: false } = op {
            flush(old.span());
        }
    }
    Ok(())
}

fn flush(_span: Span) {}

fn invalidate<D: Driver>(
    cx: &mut Cx<'_, Notifier>,
    hardware: &NotifierMutex<u64>,
    space: &Space<D>,
    request: Prepared<D>,
) -> usize {
    hardware.lock(cx, |_, cx| match space.commit(cx, request) {
        Ok(done) => done.ops().count(),
        Err(error) => error.prepared.requests().count(),
    })
}

fn find<D: Driver>(cx: &mut Cx<'_, Signalling>, space: &Space<D>, addr: u64) -> Option<u64> {
    cx.atomic(|_| {
        let reader = rcu::read_lock();
        space.find(&reader, addr).map(|mapping| mapping.offset())
    })
}

fn share<T: Send + Sync>(_: &T) {}

fn shared<D: Driver>(space: &Space<D>) {
    share(space);
}
