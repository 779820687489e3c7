// SPDX-License-Identifier: GPL-2.0

//! What stands in a space: mappings, and what a driver says of them.

use crate::{
    gfp::{
        Allocate,
        Gfp, //
    },
    plan::va::{
        OffsetOverflow,
        Piece,
        Span, //
    }, //
};
use core::ptr;
use kernel::{
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        Arc, //
    },
};

/// A handle to what can be mapped: a buffer, most often.
///
/// It is cloned for each part of a mapping that is split, with the lock of the space held: `clone`
/// neither allocates nor sleeps. The last one of a mapping is dropped by a worker, and may sleep.
pub trait Backing: Clone + Send + Sync + 'static {
    /// Tells one object from another: two handles have the same if they are of the same.
    ///
    /// As long as a handle of it is there, no other object may have it: an address will do.
    fn id(&self) -> usize;
}

impl<T: Send + Sync + 'static> Backing for Arc<T> {
    fn id(&self) -> usize {
        ptr::from_ref::<T>(self).addr()
    }
}

impl<T: AlwaysRefCounted + Send + Sync + 'static> Backing for ARef<T> {
    fn id(&self) -> usize {
        ptr::from_ref::<T>(self).addr()
    }
}

/// Objects that are known by a number.
impl Backing for u64 {
    fn id(&self) -> usize {
        // No bit is lost: see [`Space`](super::Space).
        *self as usize
    }
}

/// What a driver says of its spaces.
///
/// For one that keeps nothing of its own with a mapping all three types but the first are `()`:
///
/// ```
/// use kernel::sync::Arc;
/// use strata::gfp::{Allocate, Gfp};
/// use strata::prelude::*;
/// use strata::va::{Driver, Mapping, Span};
///
/// struct Buffer;
/// struct Gpu;
///
/// impl Driver for Gpu {
///     type Object = Arc<Buffer>;
///     type Data = ();
///     type Spare = ();
///
///     fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result {
///         Ok(())
///     }
///
///     fn split(_old: &Mapping<Self>, _piece: Span, _spare: ()) {}
/// }
/// ```
pub trait Driver: Sized + Send + Sync + 'static {
    /// A handle to what is mapped.
    type Object: Backing;

    /// What is kept with each mapping. Dropped by a worker, when the mapping is gone and no reader
    /// sees it any more, or when it was prepared and is not to be mapped.
    type Data: Send + Sync + 'static;

    /// What [`split`](Self::split) needs, taken beforehand. If it was not needed it is dropped by a
    /// worker. Where there is no memory to prepare a request it is dropped there.
    type Spare: Send + Sync + 'static;

    /// Takes what one piece needs.
    ///
    /// # Context
    ///
    /// That of who prepares a request.
    ///
    /// # Errors
    ///
    /// The request is not prepared then, for that error.
    fn spare<C: Allocate>(gfp: &mut Gfp<'_, C>) -> Result<Self::Spare>;

    /// The data for a piece of a mapping that a request splits.
    ///
    /// # Context
    ///
    /// Called with the lock of the space held, and wherever the request is committed: it neither
    /// sleeps nor allocates, nor does it look at a space.
    fn split(old: &Mapping<Self>, piece: Span, spare: Self::Spare) -> Self::Data;
}

/// Something of an object, mapped at a span of addresses. As long as it is there it never changes:
/// what becomes of it are other ones.
///
/// # Invariants
///
/// `offset` and the length of `span` add up without overflow.
pub struct Mapping<D: Driver> {
    span: Span,
    offset: u64,
    object: Option<D::Object>,
    data: D::Data,
}

impl<D: Driver> Mapping<D> {
    /// One that stands for `piece`, which is of `object`.
    pub(super) fn new(piece: Piece<usize>, object: Option<D::Object>, data: D::Data) -> Self {
        // INVARIANT: Those of a piece do.
        Self {
            span: piece.span(),
            offset: piece.offset(),
            object,
            data,
        }
    }

    /// Where it is mapped.
    #[inline]
    pub fn span(&self) -> Span {
        self.span
    }

    /// From where in the object on.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What is mapped. `None` if it is sparse.
    #[inline]
    pub fn object(&self) -> Option<&D::Object> {
        self.object.as_ref()
    }

    /// What the driver keeps with it.
    #[inline]
    pub fn data(&self) -> &D::Data {
        &self.data
    }

    /// Itself, as what requests are computed from: the object is known by its [`id`](Backing::id).
    #[inline]
    pub fn piece(&self) -> Piece<usize> {
        let object = self.object.as_ref().map(Backing::id);
        match Piece::new(self.span, object, self.offset) {
            Ok(piece) => piece,
            Err(OffsetOverflow) => unreachable!("the type invariant"),
        }
    }

    /// A part of it, as a mapping of its own.
    pub(super) fn part(&self, span: Span, spare: D::Spare) -> Self {
        let data = D::split(self, span, spare);
        let piece = self.piece().within(&span);
        match piece {
            Some(piece) => Self::new(piece, self.object.clone(), data),
            None => unreachable!("a part is within"),
        }
    }
}
