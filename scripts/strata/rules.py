# SPDX-License-Identifier: GPL-2.0
"""The table of rules, checked: each cell has its proofs, and no program, case or proof goes unused."""

from __future__ import annotations

import argparse
import fnmatch
from collections.abc import Iterator, Sequence

from . import corpus, expect, matrix, rulespage, say, ui
from .matrix import Action, Table
from .outcome import Outcome, tally
from .proofs import Proofs


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
