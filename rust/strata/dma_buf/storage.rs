// SPDX-License-Identifier: GPL-2.0

//! Where the contents of a buffer are that we export: pages, and what is made of them.
//!
//! Whoever has something made of the pages shares them. So a device that still looks at where a
//! buffer was sees old contents, never the memory of somebody else.
//!
//! C: [`include/linux/scatterlist.h`](srctree/include/linux/scatterlist.h),
//! [`include/linux/dma-mapping.h`](srctree/include/linux/dma-mapping.h).

use super::{
    device_ptr,
    raw::RawDirection, //
};
use crate::{
    bindings,
    cx::{
        Cx,
        MayAlloc,
        MaySleep, //
    },
    gfp,
    page::Pages,
    shmem::Held, //
};
use core::{
    ffi::c_void,
    ptr::NonNull, //
};
use kernel::{
    alloc::KVVec,
    device::Device,
    error::to_result,
    page::PAGE_SHIFT,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        UniqueArc, //
    },
    types::Opaque, //
};

pub(super) type PagePointer = *mut bindings::page;

/// Pages that stay for as long as anybody has this: the contents of a buffer.
///
/// It is made unique, and a buffer moves only to one that is: what another buffer moved away from may
/// still be read by devices, until it is unique again. Who exports one that it shares, or holds the
/// pages once more, sees to it that nobody else's contents come there.
///
/// # Invariants
///
/// There are some, and no more than `u32::MAX`, or bytes than the kernel counts.
pub struct Storage {
    kind: Kind,
    written: Atomic<bool>,
}

enum Kind {
    Shmem(Held),
    Pages {
        pointers: KVVec<PagePointer>,
        // They are what `pointers` points to.
        _pages: Pages,
    },
    Own(Own),
}

/// Pages of nobody else.
///
/// # Invariants
///
/// To each there is one reference, which is ours.
struct Own(KVVec<PagePointer>);

impl Drop for Own {
    fn drop(&mut self) {
        // SAFETY: By the type invariant they are ours, and not used afterwards.
        unsafe { bindings::pages_free(self.0.as_mut_ptr(), self.0.len()) };
    }
}

// SAFETY: References to pages are of no task.
unsafe impl Send for Storage {}
// SAFETY: It only ever gives out where the pages are.
unsafe impl Sync for Storage {}

impl Storage {
    /// Pages of user space's kind, which are in memory for as long as they are held.
    ///
    /// They count as dirty when they are let go if anybody may have written to them since they were
    /// held: a device, the kernel, or user space. What was never touched is not written to swap.
    ///
    /// # Context
    ///
    /// Where `GFP_KERNEL` is allowed.
    ///
    /// # Errors
    ///
    /// `EINVAL` for none or more than any device takes; `ENOMEM`. The pages are let go then.
    pub fn of_shmem<L, S>(cx: &mut Cx<'_, L, S>, held: Held) -> Result<UniqueArc<Self>>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        Self::check(held.count())?;
        // INVARIANT: Just checked.
        let touched = held.is_touched();
        Self::with(cx, Kind::Shmem(held), touched)
    }

    /// So many new pages, of zeros, which stay in memory: next to each other where there are such, so
    /// that devices find them in few pieces. Charged to the memory cgroup of the task.
    ///
    /// # Context
    ///
    /// Where `GFP_KERNEL` is allowed, and the task may sleep. C: `alloc_pages()`, `split_page()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` for none or more than any device takes; `ENOMEM`; `EINTR` when the task was killed
    /// meanwhile. All that was allocated is freed then.
    pub fn new<L, S>(cx: &mut Cx<'_, L, S>, count: usize) -> Result<UniqueArc<Self>>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        Self::check(count)?;
        let mut own = Own(gfp::kernel(cx).large_vec(count)?);
        while own.0.len() < count {
            cx.give_way()?;
            let left = count - own.0.len();
            let room = own.0.spare_capacity_mut().as_mut_ptr().cast();
            // SAFETY: There is room for so many.
            let got = unsafe { bindings::pages_alloc(room, left) };
            if got == 0 {
                return Err(ENOMEM);
            }
            // SAFETY: So many were just written, and are ours.
            unsafe { own.0.inc_len(got) };
        }
        // INVARIANT: Checked above.
        Self::with(cx, Kind::Own(own), false)
    }

    /// Pages that were allocated before, for who has them mapped elsewhere too.
    ///
    /// # Context
    ///
    /// Where `GFP_KERNEL` is allowed.
    ///
    /// # Errors
    ///
    /// As [`of_shmem`](Self::of_shmem).
    pub fn of_pages<L, S>(cx: &mut Cx<'_, L, S>, pages: Pages) -> Result<UniqueArc<Self>>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        Self::check(pages.count())?;
        let mut pointers = gfp::kernel(cx).large_vec(pages.count())?;
        for page in pages.iter() {
            // The room was allocated above.
            pointers
                .push_within_capacity(page.as_ptr())
                .map_err(|_| ENOMEM)?;
        }
        let kind = Kind::Pages {
            pointers,
            _pages: pages,
        };
        // INVARIANT: Checked above.
        Self::with(cx, kind, false)
    }

    fn with<L, S>(cx: &mut Cx<'_, L, S>, kind: Kind, written: bool) -> Result<UniqueArc<Self>>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        let storage = Self {
            kind,
            written: Atomic::new(written),
        };
        Ok(gfp::kernel(cx).with(|flags| UniqueArc::new(storage, flags))?)
    }

    fn check(count: usize) -> Result {
        match u32::try_from(count) {
            Ok(1..) if count <= isize::MAX as usize >> PAGE_SHIFT => Ok(()),
            _ => Err(EINVAL),
        }
    }

    pub(super) fn pages(&self) -> &[PagePointer] {
        match &self.kind {
            Kind::Shmem(held) => held.pointers(),
            Kind::Pages { pointers, .. } => pointers,
            Kind::Own(own) => &own.0,
        }
    }

    /// Whether anybody may have written to it since it was made.
    ///
    /// # Context
    ///
    /// Any. Whoever has it mapped for writing may do so at any moment.
    pub fn is_written(&self) -> bool {
        self.written.load(Relaxed)
    }

    /// Somebody may write to it from now on.
    pub(super) fn set_written(&self) {
        self.written.store(true, Relaxed);
    }

    /// The pages of user space's kind, if it is of those: for jobs of who exports the buffer, that work
    /// on it word by word. They may write, so it counts as written from then on.
    ///
    /// # Context
    ///
    /// Any.
    pub fn shmem(&self) -> Option<&Held> {
        match &self.kind {
            Kind::Shmem(held) => {
                self.set_written();
                Some(held)
            }
            Kind::Pages { .. } | Kind::Own(_) => None,
        }
    }

    /// How many bytes there are.
    pub fn size(&self) -> usize {
        self.pages().len() << PAGE_SHIFT
    }

    /// Copies all that is in `from`, which is of the same size. Sleeps.
    pub(super) fn copy(&self, from: &Self) {
        self.set_written();
        let (to, from) = (self.pages(), from.pages());
        let count = to.len().min(from.len());
        // SAFETY: There are so many pages in each, which are referenced; C does not write to the
        // arrays.
        unsafe { bindings::pages_copy(to.as_ptr().cast_mut(), from.as_ptr().cast_mut(), count) };
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        let written = self.is_written();
        match &mut self.kind {
            Kind::Shmem(held) if !written => held.set_unwritten(),
            Kind::Shmem(_) | Kind::Pages { .. } | Kind::Own(_) => {}
        }
    }
}

/// The pages of a storage as a list for one device, and where that sees them while they are mapped.
///
/// It is kept while they are not, since a list of many pages takes longer to make than to map.
///
/// # Invariants
///
/// `table` is of the pages of `storage`. If `direction` says one, it is mapped for `device` so.
pub(super) struct Table {
    table: Opaque<bindings::sg_table>,
    attachment: *mut bindings::dma_buf_attachment,
    device: ARef<Device>,
    direction: Option<RawDirection>,
    // Dropped last: a device reaches it until it is unmapped.
    storage: Arc<Storage>,
}

impl Table {
    /// A list for the device of `attachment`, which is not mapped yet. Sleeps, and allocates with
    /// `GFP_KERNEL`.
    ///
    /// # Safety
    ///
    /// `attachment` must be valid, and its reservation held.
    pub(super) unsafe fn new(
        storage: Arc<Storage>,
        attachment: *mut bindings::dma_buf_attachment,
    ) -> Result<KBox<Self>> {
        // SAFETY: The caller promises it; an importer keeps its device until it has detached it.
        let device = unsafe { Device::get_device((*attachment).dev) };
        let room = KBox::<Self>::new_uninit(GFP_KERNEL)?;
        let table = Opaque::new(bindings::sg_table::default());
        let (pages, device_raw) = (storage.pages(), device_ptr(&device));
        // SAFETY: The table is ours to fill, C does not write to the array, and the pages stay for as
        // long as we have the storage.
        to_result(unsafe {
            bindings::table_alloc(
                table.get(),
                pages.as_ptr().cast_mut(),
                pages.len(),
                device_raw,
            )
        })?;
        // For `detach`: there is something to let go of.
        // SAFETY: The caller promises that it is valid; what it has there is ours.
        unsafe { (*attachment).priv_ = attachment.cast() };
        // INVARIANT: Just made, and not mapped.
        Ok(room.write(Self {
            table,
            attachment,
            device,
            direction: None,
            storage,
        }))
    }

    /// What it is for.
    pub(super) fn attachment(&self) -> *mut bindings::dma_buf_attachment {
        self.attachment
    }

    pub(super) fn is_mapped(&self) -> bool {
        self.direction.is_some()
    }

    /// Whether it is of `storage`.
    pub(super) fn is_of(&self, storage: &Arc<Storage>) -> bool {
        Arc::ptr_eq(&self.storage, storage)
    }

    /// Maps it, which it is not. Sleeps.
    pub(super) fn map(&mut self, direction: RawDirection) -> Result {
        if direction != bindings::dma_data_direction_DMA_TO_DEVICE {
            self.storage.set_written();
        }
        let device = device_ptr(&self.device);
        // SAFETY: By the type invariants it is a list of pages, not mapped, and they stay.
        to_result(unsafe { bindings::dma_map_sgtable(device, self.table.get(), direction, 0) })?;
        // INVARIANT: Just mapped.
        self.direction = Some(direction);
        Ok(())
    }

    /// Unmaps it, if it is mapped; says whether it was.
    pub(super) fn unmap(&mut self) -> bool {
        let Some(direction) = self.direction.take() else {
            return false;
        };
        let device = device_ptr(&self.device);
        // SAFETY: By the type invariants it was mapped so.
        unsafe { bindings::dma_unmap_sgtable(device, self.table.get(), direction, 0) };
        true
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::sg_table {
        self.table.get()
    }

    /// Makes what the device wrote visible to the CPU, or what the CPU wrote to the device.
    pub(super) fn sync(&self, for_cpu: bool) {
        let Some(direction) = self.direction else {
            return;
        };
        let (table, device) = (self.table.get(), device_ptr(&self.device));
        // SAFETY: By the type invariants it is mapped so.
        unsafe { bindings::table_sync(table, device, direction, for_cpu) };
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.unmap();
        // SAFETY: By the type invariants it is a list, which is not mapped.
        unsafe { bindings::sg_free_table(self.table.get()) };
    }
}

/// What the kernel sees of a storage: its pages side by side. Unmapped when dropped.
///
/// # Invariants
///
/// `address` is where all pages of `storage` are mapped.
pub(super) struct Window {
    address: NonNull<c_void>,
    // Dropped last: it is reached until it is unmapped.
    storage: Arc<Storage>,
}

impl Window {
    /// Sleeps, and allocates with `GFP_KERNEL`.
    pub(super) fn new(storage: Arc<Storage>) -> Result<Self> {
        let pages = storage.pages();
        // SAFETY: C does not write to the array, and the pages stay for as long as we have the storage.
        let address = unsafe { bindings::pages_vmap(pages.as_ptr().cast_mut(), pages.len()) };
        storage.set_written();
        // INVARIANT: Just mapped.
        Ok(Self {
            address: NonNull::new(address).ok_or(ENOMEM)?,
            storage,
        })
    }

    pub(super) fn address(&self) -> NonNull<c_void> {
        self.address
    }

    /// For caches that go by where the kernel has it mapped.
    pub(super) fn sync(&self, for_cpu: bool) {
        let size = self.storage.size();
        // SAFETY: By the type invariant so much is mapped there.
        unsafe { bindings::window_sync(self.address.as_ptr(), size, for_cpu) };
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is mapped there.
        unsafe { bindings::pages_vunmap(self.address.as_ptr()) };
    }
}
