// SPDX-License-Identifier: GPL-2.0

//! The tests of spaces.
//!
//! | file | suite |
//! |---|---|
//! | `table.rs` | `strata_va`: the cases of `drm_gpuvm`, each by name |
//! | `calls.rs` | `strata_va_calls`: each call, and what it refuses |
//! | `fuzz.rs` | `strata_va_fuzz`: random requests, against the array of `model.rs` |
//! | `readers.rs` | `strata_va_readers`: what others see while one commits |

mod calls;
mod fuzz;
mod gpu;
mod model;
mod random;
mod readers;
mod table;
