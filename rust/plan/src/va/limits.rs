// SPDX-License-Identifier: GPL-2.0

//! Where in an address space user space may map.

use super::Span;
use core::fmt;

/// Two spans are no [`Limits`]: the kernel's is not in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelOutside;

impl fmt::Display for KernelOutside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the kernel's range is not inside of the address space")
    }
}

/// Why a span may not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Some of it is not in the address space.
    NotInSpace,
    /// Some of it is the kernel's.
    KernelRange,
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outside::NotInSpace => "the range is not inside of the address space",
            Outside::KernelRange => "the range meets the kernel's",
        })
    }
}

/// An address space, and the part of it that is the kernel's.
///
/// # Invariants
///
/// `space` covers `kernel`, if there is one.
///
/// # Examples
///
/// ```
/// use strata_plan::va::{KernelOutside, Limits, Outside, Span};
///
/// let span = |addr, length| Span::new(addr, length).unwrap();
/// let limits = Limits::new(span(0x1000, 0xf000), Some(span(0x4000, 0x1000))).unwrap();
/// assert_eq!(limits.check(&span(0x1000, 0x3000)), Ok(()));
/// assert_eq!(limits.check(&span(0x1000, 0x3001)), Err(Outside::KernelRange));
/// assert_eq!(limits.check(&span(0xf000, 0x1001)), Err(Outside::NotInSpace));
/// assert_eq!(limits.usable(), [Span::between(0x1000, 0x4000), Span::between(0x5000, 0x10000)]);
/// assert_eq!(Limits::new(span(0, 8), Some(span(7, 2))), Err(KernelOutside));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    space: Span,
    kernel: Option<Span>,
}

impl Limits {
    /// The limits that these are.
    pub const fn new(space: Span, kernel: Option<Span>) -> Result<Self, KernelOutside> {
        match kernel {
            Some(kernel) if !space.covers(&kernel) => Err(KernelOutside),
            // INVARIANT: just checked.
            Some(_) | None => Ok(Self { space, kernel }),
        }
    }

    /// The whole address space.
    pub const fn space(&self) -> Span {
        self.space
    }

    /// The kernel's part of it.
    pub const fn kernel(&self) -> Option<Span> {
        self.kernel
    }

    /// Whether user space may map this.
    pub const fn check(&self, span: &Span) -> Result<(), Outside> {
        if !self.space.covers(span) {
            return Err(Outside::NotInSpace);
        }
        match self.kernel {
            Some(kernel) if kernel.intersects(span) => Err(Outside::KernelRange),
            Some(_) | None => Ok(()),
        }
    }

    /// What user space may map, ascending: the parts below and above the kernel's, or all.
    pub const fn usable(&self) -> [Option<Span>; 2] {
        match self.kernel {
            Some(kernel) => [
                self.space.before(kernel.addr()),
                self.space.after(kernel.end()),
            ],
            None => [Some(self.space), None],
        }
    }
}

/// An address space without a part that is the kernel's.
impl From<Span> for Limits {
    fn from(space: Span) -> Self {
        // INVARIANT: there is no kernel's part.
        Self {
            space,
            kernel: None,
        }
    }
}
