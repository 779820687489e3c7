// SPDX-License-Identifier: GPL-2.0

//! Values that are put where there is room, in the modes that know where that is.

use super::{
    Boxed,
    Cycle,
    FindsGaps,
    Gaps,
    Keeps,
    Locked,
    Nodes,
    Plain,
    Range,
    Rcu,
    RcuBox,
    Room,
    StoreError,
    Token, //
};

/// Which of the places that have room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Lowest,
    Highest,
    /// The lowest behind the last one, of all who ask in this way.
    Next,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) way: Way,
    pub(super) room: Room,
    pub(super) within: Range,
}

/// A mode, with what its trees know of room.
pub(super) trait Rooms<V: Boxed>: Keeps<V> {
    /// Whether they know of any.
    const KNOWS: bool;

    /// Puts a value where there is some.
    fn alloc<N: Nodes>(
        tree: &mut Locked<'_, '_, V, Self>,
        nodes: N,
        ask: &Ask,
        cycle: &mut Cycle,
        value: V,
    ) -> Result<Range, StoreError<V>>;
}

impl<V: Boxed> Rooms<V> for Plain {
    const KNOWS: bool = false;

    fn alloc<N: Nodes>(
        _tree: &mut Locked<'_, '_, V, Self>,
        _nodes: N,
        _ask: &Ask,
        _cycle: &mut Cycle,
        _value: V,
    ) -> Result<Range, StoreError<V>> {
        unreachable!("it knows of none")
    }
}

impl<V: Boxed> Rooms<V> for Gaps {
    const KNOWS: bool = true;

    fn alloc<N: Nodes>(
        tree: &mut Locked<'_, '_, V, Self>,
        nodes: N,
        ask: &Ask,
        cycle: &mut Cycle,
        value: V,
    ) -> Result<Range, StoreError<V>> {
        put(tree, nodes, ask, cycle, value)
    }
}

impl Rooms<RcuBox<Token>> for Rcu {
    const KNOWS: bool = true;

    fn alloc<N: Nodes>(
        tree: &mut Locked<'_, '_, RcuBox<Token>, Self>,
        nodes: N,
        ask: &Ask,
        cycle: &mut Cycle,
        value: RcuBox<Token>,
    ) -> Result<Range, StoreError<RcuBox<Token>>> {
        put(tree, nodes, ask, cycle, value)
    }
}

fn put<V: Boxed, M: Keeps<V> + FindsGaps, N: Nodes>(
    tree: &mut Locked<'_, '_, V, M>,
    nodes: N,
    ask: &Ask,
    cycle: &mut Cycle,
    value: V,
) -> Result<Range, StoreError<V>> {
    let Ask { way, room, within } = *ask;
    match way {
        Way::Lowest => tree.alloc(nodes, room, within, value),
        Way::Highest => tree.alloc_rev(nodes, room, within, value),
        Way::Next => tree
            .alloc_cyclic(nodes, room, within, cycle, value)
            .map(|found| found.range),
    }
}
