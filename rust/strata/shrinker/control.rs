// SPDX-License-Identifier: GPL-2.0

//! What one call of a shrinker is asked for, and what it says of what it did.

use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        EnterFs,
        FenceWait,
        MaySleep,
        StartIo, //
    },
};
use core::{
    marker::PhantomData,
    num::NonZeroUsize, //
};
use kernel::types::NotThreadSafe;

/// What could be freed.
///
/// The three mean different things to reclaim, which C tells apart by magic numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// There is no object at all: reclaim of a cgroup need not ask again before one is added. C:
    /// `SHRINK_EMPTY`.
    Empty,
    /// There may be something, but nothing to scan for now. C: 0.
    Unknown,
    /// So many pages.
    Pages(NonZeroUsize),
}

impl Count {
    /// The pages; none for [`Empty`](Self::Empty) and [`Unknown`](Self::Unknown).
    pub fn pages(self) -> usize {
        match self {
            Self::Empty | Self::Unknown => 0,
            Self::Pages(pages) => pages.get(),
        }
    }
}

impl From<usize> for Count {
    /// [`Unknown`](Self::Unknown) for 0: only who knows that there is no object may say
    /// [`Empty`](Self::Empty).
    fn from(pages: usize) -> Self {
        NonZeroUsize::new(pages).map_or(Self::Unknown, Self::Pages)
    }
}

/// What a scan did.
///
/// In C a scan that says `SHRINK_EMPTY` or an errno has freed 2^64 pages, and one that scanned
/// nothing and does not say `SHRINK_STOP` is called again for ever. Here it cannot say the one, and
/// the other is read as [`Stop`](Self::Stop).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Scan {
    /// So many pages were freed, or can now be freed by others.
    Freed(usize),
    /// There is no progress to be made for who asks.
    Stop,
}

/// Where a scan is in its attempts, each more desperate than the one before.
///
/// Reclaim runs them in this order, and goes on to the next one only while less was freed than it
/// asked for.
pub enum Round<'a> {
    /// Throw away what was given up.
    Purge(EnterFs<'a>),
    /// Let go of what nobody uses, without waiting for anything.
    Idle,
    /// Wait for what is in use, for a bounded time. Only where somebody waits for the memory.
    Active(WaitToken<'a>),
    /// Write what was let go to swap. What this frees is not counted: it was when it was let go.
    WriteBack(StartIo<'a>),
}

/// Permission to wait, for a bounded time in all.
pub struct WaitToken<'a> {
    jiffies: u32,
    tally: &'a mut Waits,
    _task: NotThreadSafe,
}

/// What waiting came to.
#[derive(Default)]
pub(super) struct Waits {
    pub(super) waited: usize,
    pub(super) timeouts: usize,
}

/// How long one scan may wait, in all.
const PATIENCE: u32 = 10;

impl<'a> WaitToken<'a> {
    pub(super) fn new(tally: &'a mut Waits) -> Self {
        Self {
            jiffies: PATIENCE,
            tally,
            _task: NotThreadSafe,
        }
    }

    /// Tries `ready` again and again until it says yes, or the token's time is over, or the task is
    /// being killed.
    ///
    /// # Context
    ///
    /// Levels that may wait for a dma-fence, and may sleep. C: `schedule_timeout_killable()`.
    pub fn until<L, S>(&mut self, _cx: &mut Cx<'_, L, S>, mut ready: impl FnMut() -> bool) -> bool
    where
        L: Before<FenceWait>,
        S: MaySleep,
    {
        kernel::task::might_sleep();
        self.tally.waited += 1;
        loop {
            if ready() {
                return true;
            }
            if self.jiffies == 0 {
                break;
            }
            self.jiffies -= 1;
            // SAFETY: The token says that the task may sleep.
            if unsafe { bindings::wait_one_jiffy() } {
                break;
            }
        }
        self.tally.timeouts += 1;
        false
    }
}

/// Which objects are asked for.
#[derive(Clone, Copy)]
pub(crate) enum Scope {
    /// All there are.
    All,
    /// Those of a node and of a memory cgroup; of none where it is null.
    Part {
        node: i32,
        group: *mut bindings::mem_cgroup,
    },
}

/// What a count is asked for.
pub struct CountControl<'a> {
    scope: Scope,
    _lent: PhantomData<&'a ()>,
}

impl CountControl<'_> {
    #[inline(always)]
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            _lent: PhantomData,
        }
    }

    #[inline(always)]
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The NUMA node whose memory is wanted; `None` for that of all.
    pub fn node(&self) -> Option<i32> {
        match self.scope {
            Scope::All => None,
            Scope::Part { node, .. } => Some(node),
        }
    }
}

/// How a trigger may make life hard for a scan.
#[derive(Clone, Copy, Default)]
pub(crate) struct Hardships {
    /// Every so-manieth object is taken for locked; 0 for none.
    pub(crate) fail_every: u32,
    /// Objects come in random order.
    pub(crate) shuffle: bool,
}

/// What a scan is asked for, and where it says what it did.
pub struct ScanControl<'a> {
    scope: Scope,
    wanted: usize,
    scanned: usize,
    passed_over: usize,
    come_to: u32,
    hardships: Hardships,
    _lent: PhantomData<&'a ()>,
}

impl ScanControl<'_> {
    #[inline(always)]
    pub(crate) fn new(scope: Scope, wanted: usize, hardships: Hardships) -> Self {
        Self {
            scope,
            wanted,
            scanned: 0,
            passed_over: 0,
            come_to: 0,
            hardships,
            _lent: PhantomData,
        }
    }

    /// How many pages are still to be scanned.
    #[inline(always)]
    pub fn left(&self) -> usize {
        self.wanted.saturating_sub(self.scanned)
    }

    /// Says that so many pages were looked at, whether or not they were freed. What is freed was
    /// scanned before; a [walk](crate::lru::Cache::walk) says so itself.
    #[inline(always)]
    pub fn scanned(&mut self, pages: usize) {
        self.scanned = self.scanned.saturating_add(pages);
    }

    /// The NUMA node whose memory is wanted; `None` for that of all.
    pub fn node(&self) -> Option<i32> {
        match self.scope {
            Scope::All => None,
            Scope::Part { node, .. } => Some(node),
        }
    }

    #[inline(always)]
    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }

    /// A walk came to an object that stands for so many pages. Memory has fewer than would overflow.
    #[inline(always)]
    pub(crate) fn came_to(&mut self, pages: usize) {
        self.scanned = self.scanned.wrapping_add(pages.max(1));
    }

    /// An object that stands for so many pages could not be locked.
    #[inline]
    pub(crate) fn passed_over(&mut self, pages: usize) {
        self.passed_over += 1;
        self.came_to(pages);
    }

    /// Whether a walk is to take the object that it comes to for locked.
    #[inline(always)]
    pub(crate) fn fails(&mut self) -> bool {
        if self.hardships.fail_every == 0 {
            return false;
        }
        self.come_to = self.come_to.wrapping_add(1);
        self.come_to.checked_rem(self.hardships.fail_every) == Some(0)
    }

    /// Whether a walk is to come to the next object first.
    #[inline(always)]
    pub(crate) fn shuffles(&self) -> bool {
        // SAFETY: It may be called anywhere.
        self.hardships.shuffle && unsafe { bindings::get_random_u32() } & 1 != 0
    }

    #[inline(always)]
    pub(crate) fn pages_scanned(&self) -> usize {
        self.scanned
    }

    #[inline(always)]
    pub(crate) fn objects_passed_over(&self) -> usize {
        self.passed_over
    }

    /// Asks for so many pages in the next round.
    #[inline(always)]
    pub(super) fn ask(&mut self, pages: usize) {
        self.wanted = self.scanned.saturating_add(pages);
    }
}
