// SPDX-License-Identifier: GPL-2.0

//! The algorithms of Strata that need no kernel: pure, without allocation, without `unsafe`.
//!
//! One source is both an object of `strata.ko` and an ordinary Cargo package, which is how it is
//! tested: on the host, against naive models, with proptest.

#![cfg_attr(not(any(test, MODULE)), no_std)]
#![forbid(unsafe_code)]

pub mod budget;
pub mod cma;
pub mod drop_mask;
mod fit;
pub mod maple;
mod number;
pub mod va;
pub mod window;
