// SPDX-License-Identifier: GPL-2.0

//! C items that `kernel::bindings` lacks, and C helpers for inlines and macros.
//!
//! Not public: no `bindings::` type may stand in a signature of this crate.

#[allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_imports
)]
mod generated {
    use kernel::bindings::*;
    use kernel::ffi;
    use pin_init::{
        MaybeZeroable,
        Zeroable, //
    };

    include!(concat!(env!("STRATA_GENERATED"), "/bindings.rs"));

    pub use self::helpers::*;

    /// `strata_helper_*` of `rust/helpers`, by the name of what they stand for.
    pub mod helpers {
        use super::{
            strata_file,
            strata_link,
            strata_lrus,
            strata_object,
            strata_rcu,
            strata_retired,
            strata_total, //
            strata_va_sequence,
        };
        use kernel::bindings::*;
        use kernel::ffi;

        include!(concat!(env!("STRATA_GENERATED"), "/helpers.rs"));
    }
}

pub(crate) use generated::*;
pub(crate) use kernel::bindings::*;
