// SPDX-License-Identifier: GPL-2.0

//! What a file has of one kind, by its ids.

use kernel::{
    prelude::*,
    rbtree::RBTree, //
};

/// What a file has of one kind, by id.
pub(crate) struct Table<T> {
    pub(crate) items: RBTree<u32, T>,
    last_id: u32,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Self {
        Self {
            items: RBTree::new(),
            last_id: 0,
        }
    }

    /// An id that was never given out.
    pub(crate) fn next_id(&mut self) -> Result<u32> {
        self.last_id = self.last_id.checked_add(1).ok_or(ENOSPC)?;
        Ok(self.last_id)
    }

    pub(crate) fn get(&self, id: u32) -> Result<&T> {
        self.items.get(&id).ok_or(ENOENT)
    }

    /// All of them, by their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.values()
    }
}
