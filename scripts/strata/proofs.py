# SPDX-License-Identifier: GPL-2.0
"""What shows at run time that a cell of the table of rules is right.

That a cell compiles, or does not, is proven by the programs of `matrix`. What
the kernel says of it is a case of the corpus: its own, or by the order one of
another cell (a context that holds less may do what one may that holds more).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from . import corpus, matrix
from .corpus import Case
from .matrix import Cell, Context, Table

# Verdicts whose cells the kernel has nothing against.
_LEGAL = ("allowed", "strict")


@dataclass(frozen=True)
class Proof:
    """What shows at run time that a cell is right: a case, or the words why there is none."""

    case: Case | None
    words: str = ""


class Proofs:
    """The cases, as the cells look for them."""

    def __init__(self, table: Table, cases: Iterable[Case]) -> None:
        self.table = table
        self.cases = {case.name: case for case in cases}
        self.used: set[str] = set()
        self.sleeping = [context for context in table.contexts.values() if context.sleeps and not context.scope]
        self.atomic = [context for context in table.contexts.values() if not context.sleeps]

    def find(self, cell: Cell) -> Proof:
        """The proof of a cell; Malformed if there is none, or one that says the opposite."""
        own = self._own(cell)
        for case in own:
            self.used.add(case.name)
        direct = [case for case in own if case.name == _name(cell.context.corpus, cell.action.id)]
        if direct and not agrees(cell, direct[0]):
            raise matrix.Malformed(f"{cell.name} is {cell.verdict}, and the corpus says: {_says(direct[0])}")
        if (direct or cell.verdict == "moot") and (cell.proof or cell.unseen):
            raise matrix.Malformed(f"{cell.name} needs neither `proof` nor `unseen`")
        if cell.verdict == "moot":
            return Proof(None)
        if cell.proof:
            return Proof(self._named(cell))
        told = direct + [case for case in own if agrees(cell, case)]
        if told:
            return Proof(told[0])
        if cell.unseen:
            return Proof(None, self.table.unseen[cell.unseen])
        case = next((case for case in self._implied(cell) if agrees(cell, case)), None)
        if case is None:
            raise matrix.Malformed(f"{cell.name} has no proof at run time, and no word why")
        return Proof(case)

    def _own(self, cell: Cell) -> list[Case]:
        """The cell's case, and the stories about it."""
        return [case for case in self.cases.values()
                if (case.context, case.action) == (cell.context.corpus, cell.action.id)]

    def _named(self, cell: Cell) -> Case:
        name = _name(cell.proof)
        if name not in self.cases:
            raise matrix.Malformed(f"{cell.name}: there is no case `{cell.proof}`")
        self.used.add(name)
        if not agrees(cell, self.cases[name]):
            raise matrix.Malformed(f"{cell.name} is {cell.verdict}, and `{cell.proof}` says: {_says(self.cases[name])}")
        return self.cases[name]

    def _implied(self, cell: Cell) -> Iterator[Case]:
        """Cases that the cell follows from, the nearest first."""
        for action in (cell.action.id, *self._implying(cell)):
            for context in (cell.context, *self._neighbours(cell)):
                if case := self.cases.get(_name(context.corpus, action)):
                    yield case

    def _neighbours(self, cell: Cell) -> list[Context]:
        """Contexts that hold more, for what is legal; that hold less, for what is not."""
        legal = cell.verdict in _LEGAL
        if cell.context in self.sleeping:
            at = self.sleeping.index(cell.context)
            return self.sleeping[at + 1:] if legal else self.sleeping[:at][::-1]
        if legal or cell.context.scope:
            return []
        return [self.table.contexts[cell.context.level], *self.atomic[:self.atomic.index(cell.context)]]

    def _implying(self, cell: Cell) -> list[str]:
        """Actions that include this one, for what is legal; that it includes, for what is not."""
        found: list[str] = []
        queue = [cell.action.id]
        while queue:
            action = queue.pop(0)
            near = self._including(action) if cell.verdict in _LEGAL else self._included(action)
            fresh = [other for other in near if other not in (cell.action.id, *found)]
            found += fresh
            queue += fresh
        return found

    def _including(self, action: str) -> list[str]:
        return [other.id for other in self.table.actions.values() if action in other.includes]

    def _included(self, action: str) -> Sequence[str]:
        return self.table.actions[action].includes if action in self.table.actions else ()


def _name(*parts: str) -> str:
    """A case's name in the corpus."""
    return "_".join(parts).replace("-", "_").replace(".", "_")


def _says(case: Case) -> str:
    return case.why or ", ".join(expected.kind for expected in case.expect)


def agrees(cell: Cell, case: Case) -> bool:
    """Whether the kernel's word on a case is that of the cell's verdict."""
    return (case.why == corpus.LEGAL) == (cell.verdict in _LEGAL)
