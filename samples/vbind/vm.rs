// SPDX-License-Identifier: GPL-2.0

//! An address space: which part of which buffer is mapped where.

use crate::{
    buffer::BufferRef,
    figures::{
        Account,
        Counted,
        Figure, //
    },
    queue::Engine,
    ranks::Engines,
    uapi, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use strata::{
    cx::{
        SignalLock,
        Signalling, //
    },
    gfp::{
        Allocate,
        Gfp, //
    },
    lock_class,
    prelude::*,
    sync::SpinLock,
    va::{
        self,
        Done,
        Limits,
        Op,
        Space,
        Span, //
    },
};

/// What is kept with a mapping.
#[derive(Clone, Copy)]
pub(crate) struct Access {
    pub(crate) writable: bool,
}

/// What the spaces of this device have in them.
pub(crate) enum Gpu {}

impl va::Driver for Gpu {
    type Object = BufferRef;
    type Data = Access;
    type Spare = ();

    fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result {
        Ok(())
    }

    fn split(old: &va::Mapping<Self>, _piece: Span, _spare: ()) -> Access {
        *old.data()
    }
}

/// An address space.
#[pin_data]
pub(crate) struct Vm {
    id: u32,
    #[pin]
    space: Space<Gpu>,
    #[pin]
    engines: SpinLock<KVec<Arc<Engine>>, Engines>,
    mappings: Mappings,
    _counted: Counted,
}

/// How many mappings a space has, and may come to have.
struct Mappings {
    count: Atomic<i64>,
    /// How many more there are at most when all is done that was submitted.
    growth: Atomic<i64>,
    account: Account,
}

impl Drop for Mappings {
    fn drop(&mut self) {
        let count = self.count.load(Relaxed);
        self.account.add(Figure::Mappings, -count);
    }
}

/// Room in a space for what a job may map, until it has ended.
///
/// A commit fails for want of memory only where a space has very many mappings, and it never does.
pub(crate) struct Growth {
    vm: Arc<Vm>,
    most: i64,
}

impl Growth {
    /// For so many operations.
    pub(crate) fn new(vm: &Arc<Vm>, ops: u32) -> Result<Self> {
        const MOST: i64 = uapi::STRATA_VBIND_MAPPINGS_MAX as i64;
        const { assert!(MOST as usize <= va::MAPPINGS_MAX) };

        // One that is mapped, and one more if it splits another.
        let most = 2 * i64::from(ops);
        let growth = &vm.mappings.growth;
        let mut others = growth.load(Relaxed);
        while vm.mappings.count.load(Relaxed) + others <= MOST - most {
            match growth.cmpxchg(others, others + most, Relaxed) {
                Ok(_) => {
                    return Ok(Self {
                        vm: vm.clone(),
                        most,
                    })
                }
                Err(now) => others = now,
            }
        }
        Err(ENOSPC)
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        self.vm.mappings.growth.add(-self.most, Relaxed);
    }
}

impl Vm {
    /// Nothing is mapped in it.
    pub(crate) fn new(
        cx: &mut Cx<'_, Process>,
        id: u32,
        request: &uapi::VmCreate,
        account: &Account,
    ) -> Result<Arc<Self>> {
        let end = request.start.checked_add(request.size).ok_or(EINVAL)?;
        if end > uapi::STRATA_VBIND_ADDRESS_MAX {
            return Err(EINVAL);
        }
        let limits = Limits::new(span(request.start, request.size)?, None).map_err(|_| EINVAL)?;
        let space = Space::new(cx, lock_class!(SignalLock, "vbind space"), limits);
        let engines = gfp::kernel(cx).vec(uapi::STRATA_VBIND_QUEUES_MAX)?;
        let engines = SpinLock::new(cx, lock_class!(Engines, "engines"), engines);
        let mappings = Mappings {
            count: Atomic::new(0),
            growth: Atomic::new(0),
            account: account.clone(),
        };
        gfp::kernel(cx).arc_init(try_pin_init!(Self {
            id,
            space <- space,
            engines <- engines,
            mappings,
            _counted: account.one(Figure::Vms),
        }))
    }

    /// Its name in the file that made it.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn space(&self) -> &Space<Gpu> {
        &self.space
    }

    /// All addresses.
    pub(crate) fn all(&self) -> Span {
        self.space.limits().space()
    }

    /// The engine may work in it.
    pub(crate) fn attach<L: Before<Engines>>(
        &self,
        cx: &mut Cx<'_, L>,
        engine: Arc<Engine>,
    ) -> Result {
        let refused = self.engines.lock(cx, |engines, _| {
            // The room is that of all that there may be.
            engines.push_within_capacity(engine).err()
        });
        match refused {
            Some(_) => Err(ENOSPC),
            None => Ok(()),
        }
    }

    /// The engine does not work any more.
    pub(crate) fn detach<L: Before<Engines>>(&self, cx: &mut Cx<'_, L>, engine: &Arc<Engine>) {
        let detached = self.engines.lock(cx, |engines, _| {
            let index = engines
                .iter()
                .position(|other| Arc::ptr_eq(other, engine))?;
            engines.remove(index).ok()
        });
        drop(detached);
    }

    /// Waits for the parts of work that are under way: none of them reaches what was unmapped before
    /// when this returns. What hardware does by invalidating its TLB.
    pub(crate) fn invalidate(&self, cx: &mut Cx<'_, Signalling>) {
        self.engines.lock(cx, |engines, cx| {
            for engine in engines.iter() {
                engine.part(cx, || ());
            }
        });
    }

    /// Counts what a commit did. Says how many mappings came and went.
    pub(crate) fn account(&self, done: &Done<'_, Gpu>) -> (u32, u32) {
        let (mut came, mut went) = (0, 0);
        for op in done.ops() {
            match op {
                Op::Unmap { .. } => went += 1,
                Op::Remap { prev, next, .. } => {
                    went += 1;
                    came += u32::from(prev.is_some()) + u32::from(next.is_some());
                }
                Op::Cut { prev, next, .. } => {
                    went += 1;
                    came += 1 + u32::from(prev.is_some()) + u32::from(next.is_some());
                }
                Op::Map { .. } => came += 1,
            }
        }
        let change = i64::from(came) - i64::from(went);
        self.mappings.count.add(change, Relaxed);
        self.mappings.account.add(Figure::Mappings, change);
        (came, went)
    }
}

/// A range of whole pages.
pub(crate) fn span(address: u64, length: u64) -> Result<Span> {
    let page = kernel::page::PAGE_SIZE as u64;
    if address % page != 0 || length % page != 0 {
        return Err(EINVAL);
    }
    range(address, length)
}

/// A range.
pub(crate) fn range(address: u64, length: u64) -> Result<Span> {
    Span::new(address, length).map_err(|_| EINVAL)
}
