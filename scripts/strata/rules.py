# SPDX-License-Identifier: GPL-2.0
"""The table of rules, checked: each cell has a proof at run time, and no proof goes unused.

That a cell compiles, or does not, is proven by the programs of `matrix`. What
the kernel says of it is a case of the corpus: its own, or by the order one of
another cell (a context that holds less may do what one may that holds more).
"""

from __future__ import annotations

import argparse
import fnmatch
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from . import corpus, expect, matrix, rulespage, say, ui
from .corpus import Case
from .matrix import Action, Cell, Context, Table
from .outcome import Outcome, tally

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


# --- checks -----------------------------------------------------------------

def check() -> list[Outcome]:
    """Every cell, every program and every case, and the page."""
    try:
        table = matrix.load()
        proofs = Proofs(table, corpus.load())
    except (matrix.Malformed, corpus.BadCases) as error:
        return [Outcome("rules", False, str(error), matrix.FILE)]
    outcomes = [_row(proofs, action) for action in table.actions.values()]
    outcomes += [_outcome("programs of tests/ui", programs(table)), _outcome("cases of the corpus", unused(proofs))]
    if all(outcome.passed for outcome in outcomes):
        fresh = page(table, proofs) == _read_page()
        outcomes.append(Outcome("rules page", fresh, f"{rulespage.FILE} is out of date: scripts/run rules --write"))
    return outcomes


def _outcome(name: str, wrong: list[str]) -> Outcome:
    return Outcome(f"rules {name}", not wrong, "\n".join(wrong), matrix.FILE)


def _row(proofs: Proofs, action: Action) -> Outcome:
    wrong = []
    for cell in proofs.table.row(action.id):
        try:
            proofs.find(cell)
        except matrix.Malformed as error:
            wrong.append(str(error))
    return _outcome(action.id, wrong)


def programs(table: Table) -> list[str]:
    """What is wrong between the programs of tests/ui and what the table says that they are about."""
    stories = {program.name: program for program in ui.stories()}
    wrong = [f"tests/ui has no {name}.rs" for name in table.ui.keys() - stories.keys()]
    wrong += [f"tests/ui/{name}.rs is not in [ui]" for name in stories.keys() - table.ui.keys()]
    for name in sorted(stories.keys() & table.ui.keys()):
        fails = bool(expect.promises(stories[name].source))
        wrong += [f"{name}: {complaint}" for complaint in _about(table, name, fails)]
    return sorted(wrong)


def _about(table: Table, name: str, fails: bool) -> Iterator[str]:
    """A program is about cells of its verdict, or about the tokens themselves, which takes a sentence."""
    about = table.ui[name]
    if fails == name.startswith(("ok_", "blind_")):
        yield "ok_ and blind_ name programs that compile, and no others"
    for cell in [] if isinstance(about, str) else about:
        context, _, action = cell.partition(".")
        if (action, context) not in table.cells:
            yield f"there is no cell {cell}"
        elif table.cells[action, context].compiles is not (not fails):
            yield f"{cell} is {table.cells[action, context].verdict}"


def unused(proofs: Proofs) -> list[str]:
    """Cases that neither a cell nor [extra] knows, and patterns of [extra] that fit none."""
    extra = proofs.table.extra
    left = [name for name in proofs.cases if name not in proofs.used]
    lost = [name for name in left if not any(fnmatch.fnmatchcase(name, pattern) for pattern in extra)]
    idle = [pattern for pattern in extra if not fnmatch.filter(left, pattern)]
    return ([f"the case {name} is about no cell, and not in [extra]" for name in lost]
            + [f"[extra] {pattern} fits no case that is left" for pattern in idle])


# --- the page ---------------------------------------------------------------

def page(table: Table, proofs: Proofs) -> str:
    """Documentation/rules.rst."""
    found = {cell: proofs.find(cell) for cell in table.cells.values()}
    told = {program.name: _sentence(program.source) for program in ui.stories()}
    return rulespage.render(table, found, list(proofs.cases.values()), told)


def _sentence(source: str) -> str:
    """What a program's first comment says."""
    return " ".join(line.removeprefix("//!").strip() for line in source.splitlines() if line.startswith("//!"))


def _read_page() -> str:
    return rulespage.FILE.read_text() if rulespage.FILE.exists() else ""


def main(arguments: Sequence[str]) -> int:
    """rules: check tests/rules.toml, or write Documentation/rules.rst from it."""
    parser = argparse.ArgumentParser(prog="scripts/run rules", description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="write the page")
    if parser.parse_args(arguments).write:
        table = matrix.load()
        rulespage.FILE.write_text(page(table, Proofs(table, corpus.load())))
    outcomes = check()
    for outcome in outcomes:
        say.line(outcome.line())
    say.line(tally(outcomes))
    return int(not all(outcome.passed for outcome in outcomes))
