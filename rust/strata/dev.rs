// SPDX-License-Identifier: GPL-2.0

//! Entry points: where the kernel calls a driver, and where tokens come from.
//!
//! Each checks with lockdep, at run time, that the context is what its token claims, and each gives
//! the C side the driver's module as owner: 7.2's `kernel::miscdevice` and `kernel::debugfs` do not,
//! so that `rmmod` with an open file is a use after free there. Here the module is busy for as long
//! as a file is open or a work item is queued.
//!
//! | entry | token | owner |
//! |---|---|---|
//! | [`Module::init`] | [`Process`](crate::cx::Process) | - |
//! | [`misc::Device`]: open, release, ioctl | `Process` | open files hold the module |
//! | [`misc::Device::mmap`] | [`MmapHeld`](crate::cx::MmapHeld) | mappings hold the file |
//! | [`debugfs::File`]: show, write | `Process` | open files hold the module |
//! | [`work::Item::run`] | `Process` | queued items hold the module |

pub mod debugfs;
pub mod faux;
pub mod misc;
mod module;
pub mod user;
pub mod work;

pub use self::module::{
    enter,
    Module,
    Owner, //
};
