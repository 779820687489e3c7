// SPDX-License-Identifier: GPL-2.0

//! One change of a tree, that is tried several times: with what it was given, and what came back.

use super::{
    ledger::Boxed,
    rooms::{
        Ask,
        Rooms, //
    },
    Locked,
    Nodes,
    Range, //
};
use strata::maple::{
    Cause,
    Cursor,
    Cycle,
    Slot,
    Spares,
    StoreError, //
};

/// What changes a tree.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Insert,
    Store,
    Erase,
    EraseRange,
    CursorInsert,
    CursorRemove,
    /// Takes a place; what is done with it is another one.
    Reserve,
    Release,
    Alloc(Ask),
}

/// One change, and what it needs.
pub(super) struct Work<'s, V: Boxed> {
    pub(super) kind: Kind,
    pub(super) range: Range,
    pub(super) value: Option<V>,
    pub(super) slot: Option<Slot>,
    /// Where a value went for which there was room.
    pub(super) at: Option<Range>,
    pub(super) cycle: &'s mut Cycle,
    pub(super) spares: &'s mut Spares<V>,
}

impl<V: Boxed> Work<'_, V> {
    /// Does it, if there are nodes. If there are none all that it needs is there again.
    pub(super) fn run<M: Rooms<V>>(
        &mut self,
        tree: &mut Locked<'_, '_, V, M>,
        nodes: impl Nodes,
    ) -> Result<(), Cause> {
        let range = self.range;
        match (self.kind, self.value.take()) {
            (Kind::Insert, Some(value)) => {
                let done = tree.insert(nodes, range, value);
                self.back(done)
            }
            (Kind::Alloc(ask), Some(value)) => {
                let done = M::alloc(tree, nodes, &ask, self.cycle, value);
                self.at = self.back(done).map(Some)?;
                Ok(())
            }
            (Kind::CursorInsert, Some(value)) => {
                let mut cursor = tree.cursor(Range::ALL);
                cursor.seek(range.first());
                let before = place(&cursor);
                let done = cursor.insert(nodes, range, value);
                let stays = done.is_ok() || place(&cursor) == before;
                let done = self.back(done);
                went_well(stays)?;
                done
            }
            (Kind::CursorRemove, _) => {
                let mut cursor = tree.cursor(Range::ALL);
                cursor.seek(range.first());
                let before = place(&cursor);
                let done = cursor.remove(nodes).map(|out| out.is_some());
                let stays = done.is_ok() || place(&cursor) == before;
                went_well(stays && done? && cursor.gap().is_some())
            }
            (Kind::Reserve, _) => {
                self.slot = Some(tree.reserve_slot(nodes, range)?);
                Ok(())
            }
            (Kind::Release, _) => {
                let slot = self.slot.take().ok_or(Cause::NotThere)?;
                let done = tree.release(slot, nodes);
                done.map_err(|error| {
                    self.slot = Some(error.slot);
                    error.cause
                })
            }
            (Kind::Erase, _) => {
                let out = tree.erase(nodes, range.first())?;
                went_well(out.is_some())
            }
            (Kind::Store | Kind::EraseRange, value) => tree
                .store(nodes, range, value, self.spares, |_, _| ())
                .map_err(|error| {
                    self.value = error.value;
                    error.cause
                }),
            (Kind::Insert | Kind::Alloc(_) | Kind::CursorInsert, None) => Err(Cause::NotThere),
        }
    }

    /// Takes a value back that did not go in.
    fn back<T>(&mut self, done: Result<T, StoreError<V>>) -> Result<T, Cause> {
        done.map_err(|error| {
            self.value = Some(error.value);
            error.cause
        })
    }
}

/// A cause that no failure of an allocation has.
fn went_well(well: bool) -> Result<(), Cause> {
    well.then_some(()).ok_or(Cause::NotThere)
}

/// Where a cursor stands: the value, and the gap.
fn place<V: Boxed, M: Rooms<V>>(
    cursor: &Cursor<'_, '_, V, M>,
) -> (Option<(Range, usize)>, Option<Range>) {
    let value = cursor.current();
    let value = value.map(|(range, value)| (range, V::token(&value).tag));
    (value, cursor.gap())
}
