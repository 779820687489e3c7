# SPDX-License-Identifier: GPL-2.0
"""The table of rules, tests/rules.toml: actions by contexts; and the programs that its cells stand for.

A cell of an action that has an interface becomes a function that does it in
that context. Those that are refused make one program per action, whose every
function must fail as the action says; all that compile make another, which
must.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import paths, say

FILE = paths.TOP / "tests" / "rules.toml"

# Whether a cell of this verdict compiles; None where there is nothing to compile.
COMPILES = {"allowed": True, "blind": True, "refused": False, "strict": False, "moot": None}

_SLEEPS = "E0277: this operation may sleep, but the context is `Atomic`"


class Malformed(say.Refusal):
    """The table contradicts itself, or has holes."""


@dataclass(frozen=True)
class Context:
    """A column."""

    id: str
    what: str
    where: str
    token: str
    enter: str = "{code}"
    level: str = ""
    scope: bool = False
    corpus: str = ""

    @property
    def sleeps(self) -> bool:
        """Whether it may; contexts that may not share the level of one that may."""
        return not self.level


@dataclass(frozen=True)
class Action:
    """A row."""

    id: str
    what: str
    code: str = ""
    needs: str = ""
    error: tuple[str, ...] = ()
    also: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    sleeps: bool = False
    exact: bool = False
    annotated: bool = False
    includes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One action in one context."""

    action: Action
    context: Context
    verdict: str
    reason: str
    proof: str = ""
    unseen: str = ""

    @property
    def name(self) -> str:
        return f"{self.context.id}.{self.action.id}"

    @property
    def compiles(self) -> bool | None:
        return COMPILES[self.verdict] if self.action.code else None


@dataclass
class Table:
    contexts: dict[str, Context]
    actions: dict[str, Action]
    why: dict[str, str]
    unseen: dict[str, str]
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    ui: dict[str, str | list[str]] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)

    def row(self, action: str) -> Iterator[Cell]:
        return (self.cells[action, context] for context in self.contexts)

    def column(self, context: str) -> Iterator[Cell]:
        return (self.cells[action, context] for action in self.actions)


def load(file: Path = FILE) -> Table:
    """Read the table; Malformed if it has holes."""
    return parse(file.read_text())


def parse(text: str) -> Table:
    raw = tomllib.loads(text)
    contexts = {id: Context(id, **{"corpus": id, **about}) for id, about in raw["contexts"].items()}
    table = Table(contexts, {}, raw["why"], raw["unseen"], ui=raw.get("ui", {}), extra=raw.get("extra", {}))
    groups = raw.get("groups", {})
    for row in raw["action"]:
        _add(table, groups, row)
    _check_reasons(table)
    return table


def _add(table: Table, groups: dict[str, str], row: dict) -> None:
    verdicts = {verdict: row.pop(verdict) for verdict in COMPILES if verdict in row}
    proofs = _by_context(table, groups, row, row.pop("proof", {}))
    unseen = _by_context(table, groups, row, row.pop("unseen", {}))
    also = {error: tuple(_expand(table, groups, row, contexts)) for error, contexts in row.pop("also", {}).items()}
    action = Action(**{**row, "error": _listed(row.get("error", ())), "also": also,
                       "includes": tuple(row.get("includes", ()))})
    if bool(action.code) == bool(action.needs):
        raise Malformed(f"{action.id}: either there is `code` for it, or it says what that `needs`")
    table.actions[action.id] = action
    for verdict, reasons in verdicts.items():
        for reason, contexts in reasons.items():
            for context in _expand(table, groups, row, contexts):
                if (action.id, context) in table.cells:
                    raise Malformed(f"{context}.{action.id} has two verdicts")
                table.cells[action.id, context] = Cell(action, table.contexts[context], verdict, reason,
                                                       proofs.get(context, ""), unseen.get(context, ""))
    if holes := [context for context in table.contexts if (action.id, context) not in table.cells]:
        raise Malformed(f"{action.id} says nothing about {', '.join(holes)}")


def _listed(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _by_context(table: Table, groups: dict[str, str], row: dict, values: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for value, contexts in values.items():
        for context in _expand(table, groups, row, contexts):
            if found.setdefault(context, value) != value:
                raise Malformed(f"{row['id']}: {context} has both `{found[context]}` and `{value}`")
    return found


def _expand(table: Table, groups: dict[str, str], row: dict, contexts: str) -> Iterable[str]:
    """The contexts of a list that may hold `@group`."""
    for word in contexts.split():
        for context in groups.get(word[1:], "").split() if word.startswith("@") else [word]:
            if context not in table.contexts:
                raise Malformed(f"{row['id']} speaks of `{context}`, which is no context")
            yield context


def _check_reasons(table: Table) -> None:
    reasons = {cell.reason for cell in table.cells.values()}
    unseen = {cell.unseen for cell in table.cells.values() if cell.unseen}
    for used, known, what in ((reasons, table.why, "why"), (unseen, table.unseen, "unseen")):
        if differ := used ^ set(known):
            raise Malformed(f"[{what}] and what the rows use of it differ: {', '.join(sorted(differ))}")


# --- programs ---------------------------------------------------------------

_HEAD = """\
// SPDX-License-Identifier: GPL-2.0

//! {what}
//!
//! Written by scripts/strata/matrix.py from tests/rules.toml.

#![allow(unused)]

use kernel::{{
    c_str,
    device::{{
        Bound,
        Device, //
    }},
    dma::DataDirection,
    mm::MmWithUser,
    prelude::*,
    sync::{{
        aref::ARef,
        rcu,
        Arc,
        Completion,
        UniqueArc, //
    }},
}};
use strata::{{
    cx::*,
    dev::{{
        debugfs,
        user::UserRange,
        work, //
    }},
    dma_buf::{{
        Attachment,
        DmaBuf,
        Dynamic,
        Exported,
        Exporter,
        Importer,
        Pinned,
        Read,
        Static,
        Storage, //
    }},
    fence::{{
        Callback,
        Fence,
        Hang,
        Signaller,
        Waiter,
        Wake,
        Watchdog, //
    }},
    limit::Budget,
    lru::{{
        self,
        Cache,
        Verdict, //
    }},
    maple::{{
        self,
        Exclusive,
        MapleTree,
        Number,
        Range,
        Rcu,
        RcuBox,
        Retired,
        Spin, //
    }},
    prelude::*,
    reserve::Reserve,
    resv::{{
        self,
        Held,
        Resv, //
    }},
    shmem::Shmem,
    shrinker::{{
        self,
        ScanControl,
        Shrinker,
        WaitToken, //
    }},
    sync::*,
    va::{{
        self,
        Space,
        Span, //
    }},
}};

strata::ranks! {{
    after ResvHeld:
    /// A lock that is held over allocations.
    Client,
}}

strata::lru_lists! {{
    /// Where buffers stand that nobody uses.
    enum List {{
        Idle,
    }}
}}

/// An object of a cache.
struct Buffer;

impl lru::Item for Buffer {{
    type Rank = ReclaimLock;
    type List = List;
    type State = u32;
}}

/// What is given away.
struct Frame;

impl Exporter for Frame {{
    type Owner = strata::Strata;

    const NAME: &'static CStr = c"frame";
}}

/// What shows frames of others.
struct Screen;

impl Importer for Screen {{
    type Owner = strata::Strata;

    fn invalidate(&self, _cx: &mut Cx<'_, ReclaimLock>) {{}}
}}

/// What is mapped in a VA space.
struct Gpu;

impl va::Driver for Gpu {{
    type Object = u64;
    type Data = ();
    type Spare = ();

    fn spare<C: gfp::Allocate>(_gfp: &mut gfp::Gfp<'_, C>) -> Result {{
        Ok(())
    }}

    fn split(_old: &va::Mapping<Self>, _piece: Span, _spare: ()) {{}}
}}

struct It<'a, I: work::Item, P: Shrinker, C: Callback, H: Hang> {{
    mm: &'a MmWithUser,
    user: UserRange,
    client: &'a Mutex<u32, Client>,
    reclaim: &'a ReclaimMutex<u32>,
    notifier: &'a NotifierMutex<u32>,
    signal: &'a SignalMutex<u32>,
    reclaim_spin: &'a ReclaimSpinLock<u32>,
    notifier_spin: &'a NotifierSpinLock<u32>,
    signal_spin: &'a SignalSpinLock<u32>,
    irq_spin: &'a IrqSpinLock<u32>,
    resv: &'a Resv,
    held: &'a Held<'a>,
    device: &'a Device<Bound>,
    foreign: ARef<DmaBuf>,
    attachment: Attachment<Static>,
    shown: &'a mut Attachment<Static>,
    moving: &'a mut Attachment<Dynamic<Screen>>,
    pinned: &'a Pinned<'a, Screen>,
    buffer: &'a Exported<Frame>,
    storage: UniqueArc<Storage>,
    fence: ARef<Fence>,
    signaller: Signaller,
    waiter: Waiter<C>,
    watchdog: Watchdog<H>,
    completion: &'a Completion,
    reserve: &'a Reserve<u32>,
    item: work::Prepared<I>,
    pool: Arc<P>,
    prepared: shrinker::Prepared,
    registration: shrinker::Registration<P>,
    budget: Arc<Budget>,
    cache: Arc<Cache<Buffer>>,
    object: &'a lru::Object<Buffer>,
    control: &'a mut ScanControl<'a>,
    wait: &'a mut WaitToken<'a>,
    memory: Shmem,
    fs: EnterFs<'a>,
    io: StartIo<'a>,
    tree: Pin<&'a mut MapleTree<Number, Exclusive>>,
    jobs: &'a MapleTree<Number>,
    routes: &'a MapleTree<RcuBox<u32>, Spin, Rcu>,
    retired: Retired<'a, u32>,
    nodes: maple::Reservation,
    number: Number,
    space: &'a Space<Gpu>,
    request: va::Prepared<Gpu>,
    span: Span,
}}
"""


def programs(table: Table) -> Iterator[tuple[str, str]]:
    """Name and source of each program."""
    legal = [cell for cell in table.cells.values() if cell.compiles]
    yield "cells_that_compile", _program("What the table of rules allows.", legal, [])
    for action in table.actions.values():
        cells = [cell for cell in table.row(action.id) if cell.compiles is False]
        if cells:
            name = f"cells_{action.id.replace('-', '_')}"
            what = f"Where the table of rules refuses to {action.what}."
            yield name, _program(what, cells, [_errors(table, cell) for cell in cells])


def _program(what: str, cells: list[Cell], errors: list[list[str]]) -> str:
    functions = [_function(cell, errors[at] if errors else []) for at, cell in enumerate(cells)]
    return "\n".join([_HEAD.format(what=what), *functions])


def _function(cell: Cell, errors: list[str]) -> str:
    name = f"{cell.context.id}_{cell.action.id}".replace("-", "_")
    code = cell.context.enter.replace("{code}", cell.action.code)
    promises = "".join(f"    //~{'|' if at else '^'} ERROR {error}\n" for at, error in enumerate(errors))
    return (f"fn {name}<I: work::Item, P: Shrinker, C: Callback, H: Hang>"
            f"(cx: &mut {cell.context.token}, it: It<'_, I, P, C, H>) {{\n"
            f"    {code}\n{promises}}}\n")


def _errors(table: Table, cell: Cell) -> list[str]:
    """What rustc says of a cell that is refused: that its level is too late, that it may not sleep, or both."""
    action, context = cell.action, cell.context
    if action.exact:
        return list(action.error)
    errors = []
    level = table.contexts[context.level or context.id]
    if COMPILES[table.cells[action.id, level.id].verdict] is False or (not context.sleeps and not action.sleeps):
        more = [error for error, contexts in action.also.items() if level.id in contexts]
        errors += [error.format(level=_level(context)) for error in (*action.error, *more)]
    if action.sleeps and not context.sleeps:
        errors.append(_SLEEPS)
    return errors


def _level(context: Context) -> str:
    """The level's type, from the context's token."""
    return re.match(r"Cx<'_, (\w+)", context.token)[1]
