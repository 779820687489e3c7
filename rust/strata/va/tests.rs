// SPDX-License-Identifier: GPL-2.0

//! The tests of spaces.
//!
//! | file | suite |
//! |---|---|
//! | `table.rs` | `strata_va`: the cases of `drm_gpuvm`, each by name |
//! | `calls.rs` | `strata_va_calls`: each call, and what it refuses |
//! | `fuzz.rs` | `strata_va_fuzz`: random requests, against the array of `model.rs` |
//! | `interrupts.rs` | `strata_va_interrupts`: what is seen in the middle of a commit |
//! | `readers.rs` | `strata_va_readers`: what others see while one commits |
//! | `short.rs` | `strata_va_short`: commits with less memory than they need |

/// Says what is wrong, and that the test failed.
macro_rules! ensure {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            pr_err!($($what)+);
            return Err(EINVAL);
        }
    };
}

mod calls;
mod fuzz;
mod gpu;
mod interrupts;
mod model;
#[expect(clippy::duplicate_mod, reason = "trees keep their tests to themselves")]
#[path = "../maple/tests/random.rs"]
mod random;
mod readers;
mod short;
mod table;

use crate::bindings;

/// The seed of a run that is to be seen again: what the log of that one names.
const AGAIN: Option<u32> = None;

/// What numbers a test begins with: another one at each run, which the log names.
fn seed() -> u32 {
    // SAFETY: It may be called everywhere.
    let seed = AGAIN.unwrap_or_else(|| unsafe { bindings::get_random_u32() });
    kernel::pr_info!("strata: spaces: seed {seed:#x}\n");
    seed
}
