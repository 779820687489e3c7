// SPDX-License-Identifier: GPL-2.0

//! Strata: the memory-management floor that Rust drivers stand on.
//!
//! The kernel has one order in which memory management may nest, primed into lockdep at every boot
//! (`dma_resv_lockdep()` in `drivers/dma-buf/dma-resv.c`):
//!
//! ```text
//! mmap_lock > dma_resv > fs_reclaim > i_mmap > mmu_notifier invalidate > dma_fence (wait)
//! ```
//!
//! This crate says it once, as types ([`cx`]), and writes everything else against it: a call that
//! would invert the order does not compile. On a kernel with lockdep the same contexts are also
//! annotated, so that code which bypasses the types is reported at its first run.
//!
//! A floor imports only from the floors before it:
//!
//! | floor | rooms |
//! |---|---|
//! | 1 | [`cx`]: the order and its tokens; `lockdep`: annotations |
//! | 2 | [`scope`]: ways into a narrower context |
//! | 3 | [`gfp`]: allocation under a token; [`sync`]: ranked locks |
//! | 4 | [`page`]: memory in pages, for user space to map; [`shmem`]: the same, swappable; [`reserve`]: values for which there is memory always; [`maple`]: values at ranges |
//! | 5 | [`dev`]: entry points that hand out tokens and own their module |
//! | 6 | [`shrinker`]: giving memory back; [`lru`]: what can be given back |
//! | 7 | [`fence`]: what is done in finite time; [`resv`]: the lock of a buffer, and its fences; [`limit`]: page budgets; [`va`]: the address space of a GPU |
//! | 8 | [`dma_buf`]: buffers that drivers share |

// `rustdoc --test` does not heed the crate attributes that Kbuild passes to rustc.
#![cfg_attr(
    doctest,
    no_std,
    feature(arbitrary_self_types, asm_goto, generic_arg_infer, used_with_arg)
)]

use kernel::prelude::*;

mod bindings;
pub mod cx;
pub mod dev;
pub mod dma_buf;
pub mod fence;
pub mod gfp;
#[cfg(CONFIG_KUNIT = "y")]
mod kunit;
pub mod limit;
mod lockdep;
pub mod lru;
pub mod maple;
pub mod page;
pub mod prelude;
pub mod reserve;
pub mod resv;
pub mod scope;
pub mod shmem;
pub mod shrinker;
pub mod sync;
pub mod va;

pub use strata_plan as plan;

#[doc(hidden)]
pub use kernel as __kernel;
#[doc(hidden)]
pub use pin_init as __pin_init;

module! {
    type: Strata,
    name: "strata",
    authors: ["The Strata developers"],
    description: "Memory-management floor for Rust drivers",
    license: "GPL",
    imports_ns: ["DMA_BUF"],
}

/// What `strata.ko` holds for all its users while it is loaded.
pub struct Strata {
    /// Removes the files that drivers forgot.
    _files: dev::debugfs::Files,
    /// Drained when the module goes, so that no trampoline of ours still runs after it.
    _works: dev::work::Works,
    /// As those, for work that fences wait for.
    _jobs: [dev::work::Works; 2],
    /// What left a tree and is not destroyed yet.
    _retired: maple::Queue,
    /// What nodes are reserved with.
    _template: maple::Template,
}

// SAFETY: It is the module of this crate, which the type is part of.
unsafe impl dev::Owner for Strata {
    const MODULE: &'static ThisModule = this_module!(Strata);
}

impl kernel::Module for Strata {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            // SAFETY: A module is loaded once.
            _files: unsafe { dev::debugfs::Files::start() }?,
            _works: dev::work::start()?,
            _jobs: fence::start_jobs()?,
            // SAFETY: A module is loaded once.
            _retired: unsafe { maple::Queue::start() }?,
            // SAFETY: As above.
            _template: unsafe { maple::Template::create() }?,
        })
    }
}
