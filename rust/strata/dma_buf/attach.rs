// SPDX-License-Identifier: GPL-2.0

//! Who uses the buffer of another driver: a device that is attached to it, and what it sees.
//!
//! An attachment is static or dynamic, for good. To a static one the buffer does not move while it is
//! mapped; a dynamic one is told when it does, and maps it anew each time that it needs it, unless it
//! has it [pinned](Attachment::pin).
//!
//! C: `dma_buf_dynamic_attach()` in `drivers/dma-buf/dma-buf.c`.

use super::{
    device_ptr,
    raw::{
        self,
        RawAttachment,
        RawDirection,
        RawTable, //
    },
    DmaBuf, //
};
use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        MayAlloc,
        MaySleep,
        MayWait,
        MmapHeld,
        ReclaimLock,
        ResvHeld, //
    },
    dev::Owner,
    gfp,
    resv::Held, //
};
use core::{
    ffi::c_void,
    marker::PhantomData,
    mem::{
        self,
        ManuallyDrop, //
    },
    ptr, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::{
        DataDirection,
        DmaAddress, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    types::NotThreadSafe, //
};

mod private {
    /// Keeps [`super::Mode`] to the two that there are.
    pub trait Sealed {}
}

/// How a device is attached: [`Static`] or [`Dynamic`].
pub trait Mode: private::Sealed {
    /// What is kept for it.
    type Keeps;

    /// Whether the exporter leaves it to the importer to wait for moves.
    const WAITS: bool;
}

/// The buffer stays where it is while the device has it mapped.
pub enum Static {}

/// The buffer may move while it is mapped; `I` is told.
pub struct Dynamic<I>(PhantomData<I>);

impl private::Sealed for Static {}
impl Mode for Static {
    type Keeps = ();
    // The core does it.
    const WAITS: bool = false;
}

impl<I: Importer> private::Sealed for Dynamic<I> {}
impl<I: Importer> Mode for Dynamic<I> {
    type Keeps = Told<I>;
    const WAITS: bool = true;
}

/// Who is told, and the module that it is of: the exporter calls its code.
pub struct Told<I: Importer> {
    _importer: Arc<I>,
    _module: Code<I>,
}

/// The module of an importer, held.
struct Code<I: Importer>(PhantomData<fn() -> I>);

impl<I: Importer> Code<I> {
    fn hold() -> Self {
        // SAFETY: Its code is calling us.
        unsafe { raw::hold(<I::Owner as Owner>::MODULE) };
        Self(PhantomData)
    }
}

impl<I: Importer> Drop for Code<I> {
    fn drop(&mut self) {
        // SAFETY: It was held when this was made.
        unsafe { raw::let_go(<I::Owner as Owner>::MODULE) };
    }
}

/// What is told that a buffer moves.
pub trait Importer: Send + Sync + 'static {
    /// Whose code this is. The module stays for as long as a device is attached, so that an attachment
    /// that the module itself keeps (not one of its files, or of its devices) keeps it for ever.
    type Owner: Owner;

    /// Whether the device can do with memory that is no system memory.
    const PEER_TO_PEER: bool = false;

    /// The buffer moves, or is taken away: all that was made of its mapping is void.
    ///
    /// What the device does already may go on until its fences, which stand in the reservation, are
    /// signalled: the exporter waits for them. What is pinned is to be let go within bounded time.
    ///
    /// # Context
    ///
    /// The reservation is held by whoever moves the buffer: another driver, which may be in reclaim
    /// and hold what its shrinker takes. So what reclaims is not allocated here, no reservation is
    /// locked, and the locks that are taken are ones that nobody holds over an allocation.
    fn invalidate(&self, cx: &mut Cx<'_, ReclaimLock>);
}

/// What an importer says to C.
struct Ops<I>(PhantomData<I>);

impl<I: Importer> Ops<I> {
    const TABLE: bindings::dma_buf_attach_ops = bindings::dma_buf_attach_ops {
        allow_peer2peer: I::PEER_TO_PEER,
        invalidate_mappings: Some(Self::invalidate),
    };

    const fn get() -> &'static bindings::dma_buf_attach_ops {
        &Self::TABLE
    }

    /// # Safety
    ///
    /// `attachment` must be attached with this table and an `I`, and its reservation be held.
    unsafe extern "C" fn invalidate(attachment: *mut bindings::dma_buf_attachment) {
        // SAFETY: That is what it was attached with, and it is kept until it is detached, under the
        // lock that is held now.
        let importer = unsafe { &*(*attachment).importer_priv.cast::<I>() };
        // SAFETY: The exporter holds the reservation (`dma_resv_assert_held()` in the core), and at most
        // what a shrinker takes.
        importer.invalidate(&mut unsafe { Cx::assume() });
    }
}

/// A mapping, as C has it: what it takes to unmap it.
pub(super) struct RawMapping {
    pub(super) table: RawTable,
    pub(super) direction: RawDirection,
}

/// A device, attached to a buffer.
///
/// It may be kept for longer than the device is bound to its driver; to map the buffer, the device has
/// to be.
///
/// # Context
///
/// Dropped, or [closed](Attachment::close), where the reservation may be locked.
///
/// # Invariants
///
/// `raw` is attached to `buf`, with `device`. `mapping` is what it has mapped, if anything; `pinned`
/// says whether it is pinned, but for what [`ForCpu`](super::ForCpu) does.
pub struct Attachment<M: Mode> {
    pub(super) raw: RawAttachment,
    pub(super) mapping: Option<RawMapping>,
    pub(super) pinned: bool,
    pub(super) buf: ARef<DmaBuf>,
    // What lists the attachments of a buffer looks at it, for as long as there is one.
    device: ARef<Device>,
    // Dropped after it was detached: it is called until then.
    keeps: ManuallyDrop<M::Keeps>,
}

// SAFETY: An attachment is of no task.
unsafe impl<M: Mode> Send for Attachment<M> where M::Keeps: Send {}
// SAFETY: All that changes it takes `&mut`, or the reservation.
unsafe impl<M: Mode> Sync for Attachment<M> where M::Keeps: Sync {}

impl Attachment<Static> {
    /// Attaches `device`.
    ///
    /// # Context
    ///
    /// Levels before [`MmapHeld`], which the exporter is called with, where `GFP_KERNEL` is allowed.
    /// C: `dma_buf_attach()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; what the exporter says, `EBUSY` where the device cannot reach the buffer.
    pub fn new<L, S>(_cx: &mut Cx<'_, L, S>, buf: ARef<DmaBuf>, device: &Device) -> Result<Self>
    where
        L: Before<MmapHeld> + MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        let device: ARef<Device> = device.into();
        // SAFETY: We have a reference to the device for as long as it is attached.
        let raw = unsafe { raw::attach(&buf, device_ptr(&device), ptr::null(), ptr::null_mut()) }?;
        // INVARIANT: Attached; neither mapped nor pinned.
        Ok(Self {
            raw,
            mapping: None,
            pinned: false,
            buf,
            device,
            keeps: ManuallyDrop::new(()),
        })
    }
}

impl<I: Importer> Attachment<Dynamic<I>> {
    /// Attaches `device`. `importer` is told when the buffer moves.
    ///
    /// # Context
    ///
    /// As [`new`](Attachment::new). C: `dma_buf_dynamic_attach()`.
    ///
    /// # Errors
    ///
    /// As [`new`](Attachment::new); `EAGAIN` while the importer's module is being loaded: if that
    /// fails, its code goes.
    pub fn dynamic<L, S>(
        _cx: &mut Cx<'_, L, S>,
        buf: ARef<DmaBuf>,
        device: &Device,
        importer: Arc<I>,
    ) -> Result<Self>
    where
        L: Before<MmapHeld> + MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        // SAFETY: Its code is calling us.
        unsafe { raw::has_begun(<I::Owner as Owner>::MODULE) }?;
        let device: ARef<Device> = device.into();
        let told = Arc::as_ptr(&importer).cast::<c_void>().cast_mut();
        let keeps = Told {
            _importer: importer,
            _module: Code::hold(),
        };
        // SAFETY: As in `new`; the importer and its module are kept until it is detached.
        let raw = unsafe { raw::attach(&buf, device_ptr(&device), Ops::<I>::get(), told) }?;
        // INVARIANT: Attached; neither mapped nor pinned.
        Ok(Self {
            raw,
            mapping: None,
            pinned: false,
            buf,
            device,
            keeps: ManuallyDrop::new(keeps),
        })
    }
}

impl<M: Mode> Attachment<M> {
    /// The buffer.
    pub fn buffer(&self) -> &DmaBuf {
        &self.buf
    }

    /// Whether `device` is the one that is attached.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is another one.
    pub(super) fn check(&self, device: &Device<Bound>) -> Result {
        if ptr::eq(device_ptr(device), device_ptr(&self.device)) {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }

    /// Maps the buffer for the device, for as long as the reservation is held. `device` is the one that
    /// is attached, and bound.
    ///
    /// What the device does with it has to be done by then: longer than that, only what is
    /// [pinned](super::MappedPinned) stays.
    ///
    /// # Context
    ///
    /// Under the buffer's reservation, where `GFP_KERNEL` is allowed and fences may be waited for: it
    /// waits for those of moves ([`Usage::Kernel`](crate::resv::Usage::Kernel)). C:
    /// `dma_buf_map_attachment()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `held` is not that of the buffer, or `device` another one, or for no direction, or
    /// for a device that cannot take a page in one piece; `EBUSY` if a mapping was forgotten; `ENOMEM`; `ERESTARTSYS`; what the exporter says.
    pub fn map<'m, L, S>(
        &'m mut self,
        _cx: &mut Cx<'_, L, S>,
        held: &'m Held<'_>,
        device: &'m Device<Bound>,
        direction: DataDirection,
    ) -> Result<Mapped<'m>>
    where
        L: MayAlloc<gfp::Kernel> + MayWait,
        S: MaySleep,
    {
        self.buf.check(held)?;
        self.check(device)?;
        let direction = raw_direction(direction)?;
        self.is_unmapped()?;
        // SAFETY: By the type invariants it is attached; the reservation is held.
        let table = unsafe { raw::map(self.raw, direction) }?;
        self.mapping = Some(RawMapping { table, direction });
        let mapped = Mapped {
            attachment: self.raw,
            table,
            mapping: &mut self.mapping,
            _task: NotThreadSafe,
        };
        if M::WAITS {
            raw::wait_for_moves(&self.buf)?;
        }
        Ok(mapped)
    }

    /// Whether it can be mapped.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it is, since somebody forgot it. It stays so: the device may have been unbound
    /// meanwhile, and then nobody can say where it is mapped.
    pub(super) fn is_unmapped(&self) -> Result {
        match self.mapping {
            Some(_) => Err(EBUSY),
            None => Ok(()),
        }
    }

    /// Detaches the device.
    ///
    /// As dropping it, with the token that this takes.
    ///
    /// # Context
    ///
    /// Levels before [`ResvHeld`]. C: `dma_buf_detach()`.
    pub fn close<L, S>(self, _cx: &mut Cx<'_, L, S>)
    where
        L: Before<ResvHeld>,
        S: MaySleep,
    {
        drop(self);
    }
}

impl<M: Mode> Drop for Attachment<M> {
    fn drop(&mut self) {
        if self.mapping.is_some() {
            // The device may go on with it: nothing of it goes.
            raw::warn_forgotten(&self.buf);
            mem::forget((self.buf.clone(), self.device.clone()));
            return;
        }
        if self.pinned {
            // SAFETY: By the type invariants it is.
            unsafe { raw::unpin_unlocked(self.raw) };
        }
        // SAFETY: By the type invariants it is attached, and it is neither mapped nor pinned.
        unsafe { raw::detach(&self.buf, self.raw) };
        // SAFETY: It is dropped once, here, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.keeps) };
    }
}

/// As C has it.
///
/// # Errors
///
/// `EINVAL` for none.
pub(super) fn raw_direction(direction: DataDirection) -> Result<RawDirection> {
    match direction {
        DataDirection::Bidirectional => Ok(bindings::dma_data_direction_DMA_BIDIRECTIONAL),
        DataDirection::ToDevice => Ok(bindings::dma_data_direction_DMA_TO_DEVICE),
        DataDirection::FromDevice => Ok(bindings::dma_data_direction_DMA_FROM_DEVICE),
        DataDirection::None => Err(EINVAL),
    }
}

/// A buffer as a device sees it, while its reservation is held. Unmapped when dropped.
///
/// # Invariants
///
/// `table` is what `attachment` has mapped, and `mapping` says. The reservation is held.
pub struct Mapped<'m> {
    attachment: RawAttachment,
    table: RawTable,
    mapping: &'m mut Option<RawMapping>,
    _task: NotThreadSafe,
}

impl Mapped<'_> {
    /// Where the device finds the buffer, in its order.
    pub fn ranges(&self) -> Ranges<'_> {
        // SAFETY: By the type invariants it is mapped, for longer than the borrow.
        unsafe { Ranges::of(self.table) }
    }
}

impl Drop for Mapped<'_> {
    fn drop(&mut self) {
        if let Some(mapping) = self.mapping.take() {
            // SAFETY: By the type invariants it is mapped, and the reservation held.
            unsafe { raw::unmap(self.attachment, mapping.table, mapping.direction) };
        }
    }
}

/// A part of a buffer that a device finds in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where, for the device.
    pub address: DmaAddress,
    /// How many bytes.
    pub length: usize,
}

/// The [`Range`]s of a mapping.
///
/// Of the pages behind them an importer sees nothing.
pub struct Ranges<'m> {
    next: *mut bindings::scatterlist,
    left: u32,
    _mapped: PhantomData<&'m ()>,
}

impl Ranges<'_> {
    /// # Safety
    ///
    /// `table` must be mapped for as long as the value lives.
    pub(super) unsafe fn of(table: RawTable) -> Self {
        // SAFETY: The caller promises it.
        let next = unsafe { (*table.as_ptr()).sgl };
        // SAFETY: As above.
        let left = unsafe { bindings::table_ranges(table.as_ptr()) };
        Self {
            next,
            left,
            _mapped: PhantomData,
        }
    }
}

impl Iterator for Ranges<'_> {
    type Item = Range;

    fn next(&mut self) -> Option<Range> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: There is one more, whose table is still mapped.
        let range = unsafe { &*self.next };
        #[cfg(CONFIG_NEED_SG_DMA_LENGTH)]
        let length = range.dma_length;
        #[cfg(not(CONFIG_NEED_SG_DMA_LENGTH))]
        let length = range.length;
        let found = Range {
            address: range.dma_address,
            length: length as usize,
        };
        if self.left != 0 {
            // SAFETY: As above, and it is not the last.
            self.next = unsafe { bindings::sg_next(self.next) };
        }
        Some(found)
    }
}
