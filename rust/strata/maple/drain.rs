// SPDX-License-Identifier: GPL-2.0

//! Taking all values out at once.

use super::{
    locked::Locked,
    mode::Mode,
    raw,
    store::Cause,
    value::Value,
    Range, //
};

impl<'t, V: Value, M: Mode<V>> Locked<'_, 't, V, M> {
    /// Takes out all values: they are handed to `out`, upwards, each with all that it stood at.
    ///
    /// Needs no memory. The tree is empty then, and may be used again.
    ///
    /// # Context
    ///
    /// That of the lock. `out` is called with the lock held: what it may not drop there it keeps.
    /// C: `__mt_destroy()`.
    ///
    /// # Errors
    ///
    /// [`Cause::Reserved`] if there are reserved slots, which belong to others. Nothing was taken
    /// out.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata::maple::{Exclusive, MapleTree, Number, Range};
    /// use strata::prelude::*;
    ///
    /// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
    /// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
    /// # let cx = &mut cx;
    /// let tree = MapleTree::<Number, Exclusive>::new();
    /// let mut tree = gfp::kernel(cx).boxed_init(tree)?;
    /// let mut tree = tree.as_mut().exclusive();
    /// for number in 0..40 {
    ///     let value = Number::new(number).ok_or(EINVAL)?;
    ///     tree.insert(&mut gfp::kernel(cx), Range::at(2 * number), value)?;
    /// }
    ///
    /// let mut sum = 0;
    /// tree.drain(|range, number| sum += range.first() - number.get())?;
    /// assert_eq!((sum, tree.is_empty()), (780, true));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn drain(&mut self, mut out: impl FnMut(Range, M::Out<'t>)) -> Result<(), Cause> {
        if self.tree.reserved().get() != 0 {
            return Err(Cause::Reserved);
        }
        let mut displaced = M::displaced();
        for (range, entry) in self.entries(Range::ALL) {
            debug_assert!(!raw::is_zero(entry));
            // SAFETY: It is of a value of the tree, that goes with all nodes.
            unsafe { M::displace(&mut displaced, range, entry, &mut out) };
        }
        // SAFETY: The tree is ours to write.
        unsafe { self.tree.clear() };
        // SAFETY: It is.
        unsafe { M::stored(displaced, &mut out) };
        Ok(())
    }
}
