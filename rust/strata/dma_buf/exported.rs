// SPDX-License-Identifier: GPL-2.0

//! A buffer that was given away, as its exporter has it.
//!
//! C: `dma_buf_export()` in `drivers/dma-buf/dma-buf.c`.

use super::{
    exporter::{
        Attaching,
        Exporter,
        NotExported, //
    },
    ops::OPS,
    raw,
    state::{
        Common,
        Hooks, //
    },
    DmaBuf,
    Storage, //
};
use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        MayAlloc,
        MaySleep,
        MmapHeld,
        Process,
        ResvHeld, //
    },
    dev::Owner,
    gfp,
    resv::{
        Held,
        Resv, //
    },
};
use core::{
    any::TypeId,
    marker::PhantomData,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        Arc, //
    }, //
};

/// A buffer that `E` exports.
///
/// # Examples
///
/// ```
/// use strata::dma_buf::{Exported, Exporter, NotMoved, Read, ReadWrite, Storage};
/// use strata::prelude::*;
///
/// struct Frame;
///
/// impl Exporter for Frame {
///     type Owner = strata::Strata;
///
///     const NAME: &'static CStr = c"frames";
/// }
///
/// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
/// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
/// # let cx = &mut cx;
/// let (here, there) = (Storage::new(cx, 2)?, Storage::new(cx, 2)?);
/// let frame = Exported::new(cx, Frame, here)?;
/// assert_eq!((frame.size(), frame.exporter_name()), (8192, c"frames"));
///
/// let there = frame.access(cx, ReadWrite, |access, cx| {
///     frame.lock(cx, |held, cx| {
///         let map = frame.vmap(cx, held)?;
///         map.contents(access)?.store(4096, 7)?;
///         // Mapped into the kernel, it stays where it is.
///         match frame.move_to(cx, held, there, 100) {
///             Err(NotMoved { to, cause: EBUSY }) => Ok(to),
///             _ => Err(EINVAL),
///         }
///     })
/// })??;
///
/// let from = frame.lock(cx, |held, cx| frame.move_to(cx, held, there, 100))?;
/// assert_eq!(from.size(), 8192);
/// let seen = frame.access(cx, Read, |access, cx| {
///     frame.lock(cx, |held, cx| {
///         let map = frame.vmap(cx, held)?;
///         map.contents(access)?.load(4096)
///     })
/// })?;
/// assert_eq!(seen, Ok(7));
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// As those of [`DmaBuf`]; it was exported by [`Exported::new`] or [`Exported::with_resv`], with an
/// `E`.
#[repr(transparent)]
pub struct Exported<E> {
    buf: DmaBuf,
    _exporter: PhantomData<E>,
}

impl<E> Deref for Exported<E> {
    type Target = DmaBuf;

    fn deref(&self) -> &DmaBuf {
        &self.buf
    }
}

// SAFETY: It is a `DmaBuf`, which counts.
unsafe impl<E> AlwaysRefCounted for Exported<E> {
    fn inc_ref(&self) {
        self.buf.inc_ref();
    }

    unsafe fn dec_ref(buf: NonNull<Self>) {
        // SAFETY: It is transparent, and the caller gives a reference up.
        unsafe { DmaBuf::dec_ref(buf.cast()) };
    }
}

/// What is behind a buffer of ours.
#[repr(C)]
struct Inner<E> {
    // First: it is found by its address.
    common: Common,
    exporter: E,
}

impl<E: Exporter> Inner<E> {
    const HOOKS: Hooks = Hooks {
        attach: Self::attach,
        release: Self::release,
    };

    /// # Safety
    ///
    /// `common` must be of an `Inner<E>`, and `attachment` be valid.
    unsafe fn attach(
        common: NonNull<Common>,
        cx: &mut Cx<'_, MmapHeld>,
        attachment: *mut bindings::dma_buf_attachment,
    ) -> Result {
        // SAFETY: The caller promises it.
        let inner = unsafe { common.cast::<Self>().as_ref() };
        // SAFETY: The caller promises that, too.
        let attaching = unsafe { Attaching::new(attachment) };
        inner.exporter.attach(cx, &attaching)
    }

    /// # Safety
    ///
    /// `common` must be of an `Inner<E>` that is nobody else's.
    unsafe fn release(common: NonNull<Common>, cx: &mut Cx<'_, Process>) {
        // SAFETY: The caller promises it, and it was boxed.
        let inner = unsafe { KBox::from_raw(common.as_ptr().cast::<Self>()) };
        let Self { common, exporter } = KBox::into_inner(inner);
        exporter.release(cx, common.into_storage());
    }
}

/// Who uses a buffer that was given away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// How many devices are attached.
    pub attachments: usize,
    /// How many mappings they have.
    pub mappings: usize,
    /// How often it is pinned: static importers pin what they map.
    pub pins: usize,
    /// Whether the kernel has it mapped.
    pub is_vmapped: bool,
}

impl<E: Exporter> Exported<E> {
    /// Makes a buffer of `storage`, with a reservation of its own. User space may read and write it.
    ///
    /// # Context
    ///
    /// Levels before [`ResvHeld`], where `GFP_KERNEL` is allowed. C: `dma_buf_export()`.
    ///
    /// # Errors
    ///
    /// See [`NotExported::cause`].
    pub fn new<L, S>(
        cx: &mut Cx<'_, L, S>,
        exporter: E,
        storage: impl Into<Arc<Storage>>,
    ) -> Result<ARef<Self>, NotExported<E>>
    where
        L: Before<ResvHeld> + MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        Self::export(cx, exporter, storage.into(), None::<Arc<Resv>>)
    }

    /// As [`new`](Self::new), with a reservation that it shares with others: it is kept for as long as
    /// the buffer is there.
    ///
    /// # Context
    ///
    /// As [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_resv<D, L, S>(
        cx: &mut Cx<'_, L, S>,
        exporter: E,
        storage: impl Into<Arc<Storage>>,
        resv: Arc<Resv<D>>,
    ) -> Result<ARef<Self>, NotExported<E>>
    where
        D: Send + 'static,
        L: Before<ResvHeld> + MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        Self::export(cx, exporter, storage.into(), Some(resv))
    }

    fn export<D, L, S>(
        cx: &mut Cx<'_, L, S>,
        exporter: E,
        storage: Arc<Storage>,
        resv: Option<Arc<Resv<D>>>,
    ) -> Result<ARef<Self>, NotExported<E>>
    where
        D: Send + 'static,
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        let owner = <E::Owner as Owner>::MODULE;
        // SAFETY: Its code is calling us.
        if let Err(cause) = unsafe { raw::has_begun(owner) } {
            return Err(NotExported {
                exporter,
                storage,
                cause,
            });
        }
        let size = storage.size();
        let shared = resv.as_ref().map_or(ptr::null_mut(), |resv| resv.as_ptr());
        let inner = Inner {
            common: Common::new::<E, _>(&Inner::<E>::HOOKS, storage.clone(), resv),
            exporter,
        };
        let inner = match gfp::kernel(cx).boxed(inner) {
            Ok(inner) => KBox::into_raw(inner),
            Err(error) => return Err(Self::refused(error.value, storage, ENOMEM)),
        };
        let info = bindings::dma_buf_export_info {
            exp_name: E::NAME.as_char_ptr(),
            owner: owner.as_ptr(),
            ops: &raw const OPS,
            size,
            flags: bindings::O_RDWR as i32,
            resv: shared,
            priv_: inner.cast(),
        };
        // SAFETY: The box stays until `release`, and has what our operations expect; the name is
        // static, and the reservation kept in the box.
        match unsafe { raw::export(&info) } {
            // SAFETY: `Self` is transparent.
            // INVARIANT: Exported just now, with an `E`.
            Ok(buf) => Ok(unsafe { ARef::from_raw(ARef::into_raw(buf).cast()) }),
            Err(cause) => {
                // SAFETY: Nobody has it.
                let inner = unsafe { KBox::from_raw(inner) };
                Err(Self::refused(KBox::into_inner(inner), storage, cause))
            }
        }
    }

    fn refused(inner: Inner<E>, storage: Arc<Storage>, cause: Error) -> NotExported<E> {
        NotExported {
            exporter: inner.exporter,
            storage,
            cause,
        }
    }

    /// The buffer as what it is, if `E` exports it: user space may give us our own.
    pub fn of(buf: &DmaBuf) -> Option<&Self> {
        let common = Common::of(buf)?;
        // SAFETY: The buffer is valid.
        let owner = unsafe { (*buf.as_ptr()).owner };
        // Crates of other modules may be called as ours, and have a type of that name, too.
        if owner != <E::Owner as Owner>::MODULE.as_ptr() || !common.is_of(TypeId::of::<E>()) {
            return None;
        }
        // SAFETY: It is transparent.
        // INVARIANT: It was just found to be of an `E`.
        Some(unsafe { &*ptr::from_ref(buf).cast() })
    }

    pub(super) fn common(&self) -> &Common {
        // SAFETY: By the type invariants that is what it has there, for as long as it is there.
        unsafe { Common::behind(self.buf.as_ptr()).as_ref() }
    }

    /// The buffer, for those who need not know who exports it.
    pub fn buffer(&self) -> ARef<DmaBuf> {
        ARef::from(&self.buf)
    }

    /// Who exports it.
    pub fn exporter(&self) -> &E {
        let common = NonNull::from(self.common());
        // SAFETY: By the type invariants it is of an `Inner<E>`.
        let inner = unsafe { common.cast::<Inner<E>>().as_ref() };
        &inner.exporter
    }

    /// What it is stored in now.
    ///
    /// # Context
    ///
    /// Under its reservation: else it may be somewhere else a moment later.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `held` is not that of the buffer; `ENODEV` if it was [revoked](Self::revoke).
    pub fn storage(&self, held: &Held<'_>) -> Result<Arc<Storage>> {
        self.check(held)?;
        // SAFETY: It is held.
        unsafe { self.common().with(|state| state.storage()) }
    }

    /// Who uses it now.
    ///
    /// # Context
    ///
    /// As [`storage`](Self::storage).
    ///
    /// # Errors
    ///
    /// `EINVAL` if `held` is not that of the buffer.
    pub fn users(&self, held: &Held<'_>) -> Result<Users> {
        let attachments = self.attachments(held)?;
        // SAFETY: It is held, as was checked.
        Ok(unsafe {
            self.common().with(|state| Users {
                attachments,
                mappings: state.mapped(),
                pins: state.pins,
                is_vmapped: state.vmapped,
            })
        })
    }

    /// Whether it has to stay where it is: somebody has it pinned, or mapped into the kernel.
    ///
    /// # Context
    ///
    /// As [`storage`](Self::storage).
    ///
    /// # Errors
    ///
    /// `EINVAL` if `held` is not that of the buffer.
    pub fn must_stay(&self, held: &Held<'_>) -> Result<bool> {
        self.check(held)?;
        // SAFETY: It is held.
        Ok(unsafe { self.common().with(|state| state.must_stay()) })
    }
}
