// SPDX-License-Identifier: GPL-2.0

//! What is behind a buffer that is exported on Strata, whoever exports it.

use super::{
    ops::OPS,
    raw::RawDirection,
    revoke::Done,
    storage::{
        Table,
        Window, //
    },
    DmaBuf,
    Storage, //
};
use crate::{
    bindings,
    cx::{
        Cx,
        MmapHeld,
        Process, //
    },
    resv::Resv, //
};
use core::{
    any::TypeId,
    cell::UnsafeCell,
    ffi::c_void,
    mem,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What an exporter decides.
pub(super) struct Hooks {
    /// # Safety
    ///
    /// The first must be of what the hooks are for, the last be valid.
    pub(super) attach: unsafe fn(
        NonNull<Common>,
        &mut Cx<'_, MmapHeld>,
        *mut bindings::dma_buf_attachment,
    ) -> Result,
    /// # Safety
    ///
    /// It must be of what the hooks are for, and be nobody else's.
    pub(super) release: unsafe fn(NonNull<Common>, &mut Cx<'_, Process>),
}

/// What is behind each buffer, whoever exports it.
pub(super) struct Common {
    pub(super) hooks: &'static Hooks,
    exporter: TypeId,
    /// Guarded by the reservation.
    state: UnsafeCell<State>,
    _resv: Option<Keep>,
}

/// A reservation that is shared, kept.
struct Keep {
    resv: *const c_void,
    /// # Safety
    ///
    /// It takes `resv`, once.
    drop: unsafe fn(*const c_void),
}

impl Keep {
    fn new<D: 'static>(resv: Arc<Resv<D>>) -> Self {
        /// # Safety
        ///
        /// `resv` must come from `Arc::into_raw()`, and be the caller's to give.
        unsafe fn drop_arc<D>(resv: *const c_void) {
            // SAFETY: The caller promises it.
            drop(unsafe { Arc::<Resv<D>>::from_raw(resv.cast()) });
        }

        Self {
            resv: Arc::into_raw(resv).cast(),
            drop: drop_arc::<D>,
        }
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        // SAFETY: It was made with just this function, and is dropped once.
        unsafe { (self.drop)(self.resv) };
    }
}

/// What the reservation of a buffer guards.
pub(super) struct State {
    // Before the storage, for the order in which they are read; each keeps its own.
    /// Those of attachments: of each what it has mapped, and one at most that it had.
    tables: KVec<KBox<Table>>,
    /// How many of them are mapped.
    mapped: usize,
    /// Kept when nobody uses it, until the buffer moves.
    pub(super) window: Option<Window>,
    pub(super) vmapped: bool,
    pub(super) pins: usize,
    /// None if it was taken back.
    pub(super) storage: Option<Arc<Storage>>,
    pub(super) revoked: bool,
    /// Who waits until nobody uses it any more.
    pub(super) waiting: Option<Arc<Done>>,
}

impl State {
    /// Where the contents are.
    ///
    /// # Errors
    ///
    /// `ENODEV` if they were taken back.
    pub(super) fn storage(&self) -> Result<Arc<Storage>> {
        self.check()?;
        self.storage.clone().ok_or(ENODEV)
    }

    /// # Errors
    ///
    /// As [`storage`](Self::storage).
    pub(super) fn check(&self) -> Result {
        if self.revoked || self.storage.is_none() {
            return Err(ENODEV);
        }
        Ok(())
    }

    /// Whether a device, or the kernel, has anything of it.
    pub(super) fn is_used(&self) -> bool {
        self.must_stay() || self.mapped != 0
    }

    /// Somebody has let go of it.
    pub(super) fn used_less(&mut self) {
        match &self.waiting {
            Some(done) if !self.is_used() => done.complete(),
            _ => {}
        }
    }

    pub(super) fn must_stay(&self) -> bool {
        self.vmapped || self.pins != 0
    }

    /// Puts another storage in the place of the one that there is. What was made of that one goes, but
    /// for what is mapped.
    pub(super) fn replace(&mut self, storage: Option<Arc<Storage>>) -> Option<Window> {
        self.storage = storage;
        self.tables.retain(|table| table.is_mapped());
        self.window.take()
    }

    /// Maps the buffer for the device of `attachment`. Sleeps, and allocates with `GFP_KERNEL`.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check); `ENOMEM`; what mapping it returned.
    ///
    /// # Safety
    ///
    /// `attachment` must be valid.
    pub(super) unsafe fn map(
        &mut self,
        attachment: *mut bindings::dma_buf_attachment,
        direction: RawDirection,
    ) -> Result<*mut bindings::sg_table> {
        self.check()?;
        let place = match self.unused(attachment) {
            Some(place) => place,
            // SAFETY: The caller promises it.
            None => unsafe { self.add_table(attachment) }?,
        };
        let table = self.tables.get_mut(place).ok_or(EINVAL)?;
        table.map(direction)?;
        self.mapped += 1;
        Ok(table.as_ptr())
    }

    /// A table for `attachment`, and where it is.
    ///
    /// # Safety
    ///
    /// `attachment` must be valid.
    #[cold]
    unsafe fn add_table(&mut self, attachment: *mut bindings::dma_buf_attachment) -> Result<usize> {
        let storage = self.storage()?;
        // SAFETY: The caller promises it.
        let table = unsafe { Table::new(storage, attachment) }?;
        self.tables.push(table, GFP_KERNEL)?;
        Ok(self.tables.len() - 1)
    }

    /// Maps the buffer into the kernel, or finds that it is. Sleeps, and allocates with `GFP_KERNEL`.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check); `ENOMEM`.
    pub(super) fn vmap(&mut self) -> Result<NonNull<c_void>> {
        self.check()?;
        let address = match &self.window {
            Some(window) => window.address(),
            None => self.add_window()?,
        };
        self.vmapped = true;
        Ok(address)
    }

    #[cold]
    fn add_window(&mut self) -> Result<NonNull<c_void>> {
        let window = Window::new(self.storage()?)?;
        Ok(self.window.insert(window).address())
    }

    /// Unmaps what [`map`](Self::map) gave. Says whether it did.
    pub(super) fn unmap(&mut self, raw: *mut bindings::sg_table) -> bool {
        let is_it = |table: &KBox<Table>| ptr::eq(table.as_ptr(), raw);
        let Some(place) = self.tables.iter().position(is_it) else {
            return false;
        };
        let Some(table) = self.tables.get_mut(place) else {
            return false;
        };
        if !table.unmap() {
            return false;
        }
        self.mapped -= 1;
        let is_current = self.storage.as_ref().is_some_and(|own| table.is_of(own));
        let attachment = table.attachment();
        if !is_current || self.revoked || self.unused(attachment) != Some(place) {
            self.remove(place);
        }
        self.used_less();
        true
    }

    /// Where the table is that `attachment` had mapped, if there is one.
    fn unused(&self, attachment: *mut bindings::dma_buf_attachment) -> Option<usize> {
        let is_it = |table: &KBox<Table>| table.attachment() == attachment && !table.is_mapped();
        self.tables.iter().position(is_it)
    }

    /// Lets go of the table that `attachment` had mapped.
    pub(super) fn detach(&mut self, attachment: *mut bindings::dma_buf_attachment) {
        if let Some(place) = self.unused(attachment) {
            self.remove(place);
        }
    }

    fn remove(&mut self, place: usize) {
        let last = self.tables.len() - 1;
        self.tables.swap(place, last);
        drop(self.tables.pop());
    }

    /// How many mappings devices have.
    pub(super) fn mapped(&self) -> usize {
        self.mapped
    }

    pub(super) fn sync(&self, for_cpu: bool) {
        for table in &self.tables {
            table.sync(for_cpu);
        }
        if let Some(window) = &self.window {
            window.sync(for_cpu);
        }
    }
}

impl Common {
    pub(super) fn new<E: 'static, D: 'static>(
        hooks: &'static Hooks,
        storage: Arc<Storage>,
        resv: Option<Arc<Resv<D>>>,
    ) -> Self {
        let state = State {
            tables: KVec::new(),
            mapped: 0,
            window: None,
            vmapped: false,
            pins: 0,
            storage: Some(storage),
            revoked: false,
            waiting: None,
        };
        Self {
            hooks,
            exporter: TypeId::of::<E>(),
            state: UnsafeCell::new(state),
            _resv: resv.map(Keep::new),
        }
    }

    /// What is behind a buffer, if it is one of ours.
    pub(super) fn of(buf: &DmaBuf) -> Option<&Self> {
        // SAFETY: It does not change.
        let ops = unsafe { (*buf.as_ptr()).ops };
        if !ptr::eq(ops, &raw const OPS) {
            return None;
        }
        // SAFETY: Whoever uses our operations has put that there, until the buffer is released.
        Some(unsafe { Self::behind(buf.as_ptr()).as_ref() })
    }

    /// What is behind a buffer of ours.
    ///
    /// # Safety
    ///
    /// `buf` must have our operations, and not be released yet.
    pub(super) unsafe fn behind(buf: *mut bindings::dma_buf) -> NonNull<Self> {
        // SAFETY: The caller promises that it is there.
        unsafe { NonNull::new_unchecked((*buf).priv_.cast()) }
    }

    pub(super) fn is_of(&self, exporter: TypeId) -> bool {
        self.exporter == exporter
    }

    /// Shows what the reservation guards.
    ///
    /// # Safety
    ///
    /// The running task must hold it. `f` must not get here again: it calls nobody but us.
    pub(super) unsafe fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        // SAFETY: The caller promises that nobody else looks at it.
        f(unsafe { &mut *self.state.get() })
    }

    /// What it was stored in last.
    pub(super) fn into_storage(self) -> Option<Arc<Storage>> {
        let state = self.state.into_inner();
        if state.mapped != 0 {
            pr_warn!("a dma-buf was released while a device had it mapped\n");
            // The device goes on with it.
            mem::forget(state.tables);
        }
        state.storage
    }
}
