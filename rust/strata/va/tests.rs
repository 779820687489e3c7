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

mod calls;
mod fuzz;
mod gpu;
mod interrupts;
mod model;
mod random;
mod readers;
mod short;
mod table;
