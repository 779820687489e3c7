# SPDX-License-Identifier: GPL-2.0
"""Documentation/rules.rst, written from the table of rules: for driver authors, one section per context."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from . import corpus, paths
from .corpus import Case
from .matrix import Cell, Context, Table
from .proofs import Proof

UNSEEN = "Not seen by the types: "  # how the programs begin that compile and should not
FILE = paths.TOP / "Documentation" / "rules.rst"

_HEAD = """\
.. SPDX-License-Identifier: GPL-2.0

.. Written by ``scripts/run rules --write`` from tests/rules.toml: edit that.

======================
What may be done where
======================

The kernel's memory management has one order in which things may nest, and tells
lockdep of it at every boot (``dma_resv_lockdep()``)::

	mmap_lock > dma_resv (ww) > fs_reclaim > i_mmap > mmu_notifier invalidate
		> dma_fence (wait)

Who holds one of these may wait only for later ones. All rules on this page
follow from that, and from whether the task may sleep. `The cells at a glance`_
has them in one table; `Contexts`_ has a section for each place that a driver's
code runs in, with the reason for each rule and what catches who breaks it; and
`What nothing catches`_ is what remains for you to know.

Every cell is checked by ``make check``: what the compiler says, by compiling a
function that does just that in that context; what the kernel says at run time,
by a case of the corpus in ``tests/lockdep``, run on a kernel with every checker.
Where the same follows from a case of a neighbouring cell, that case is named.
"""

_GLANCE = """\
Columns:

{columns}

Cells:

=======  ==============================================================================
yes      allowed
no       refused by the kernel's rules, and by the compiler where there is an interface
(no)     refused by the compiler or to be, though the kernel would allow it
**!**    wrong, and it compiles: see the section of the context
n/a      no question
=======  ==============================================================================
"""

_MARKS = {"allowed": "yes", "refused": "no", "strict": "(no)", "blind": "**!**", "moot": "n/a"}

# What a kind of report looks like in the kernel log.
_KINDS = {
    "circular": "possible circular locking dependency",
    "recursive": "possible recursive locking",
    "inconsistent": "inconsistent lock state",
    "wait-context": "invalid wait context",
    "sleeping": "sleeping function called from invalid context",
    "rcu": "suspicious RCU usage",
    "warn": "a warning",
}


def render(table: Table, proofs: Mapping[Cell, Proof], cases: Sequence[Case], programs: Mapping[str, str]) -> str:
    """The page. `programs` are those of tests/ui, each with what it says of itself."""
    parts = [_HEAD, *_glance(table), _title("Contexts", "=")]
    for context in table.contexts.values():
        parts += _context(table, context, proofs)
    parts += _blind(cases, programs)
    return "\n".join(_rst(part).rstrip() + "\n" for part in parts)


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def _rst(text: str) -> str:
    """Code is written with one backtick elsewhere, and with two in this format."""
    return re.sub(r"(?<![`\w])`([^`\n]+)`(?![`_])", r"``\1``", text)


def _fill(text: str, bullet: str = "") -> str:
    """A paragraph, or a point of a list."""
    return textwrap.fill(bullet + _rst(text), 80, subsequent_indent=" " * len(bullet), break_long_words=False,
                         break_on_hyphens=False) + "\n"


def _upper(text: str) -> str:
    """As a sentence begins, unless it begins with a name of C."""
    first = text.split(maxsplit=1)[0]
    return text if "_" in first or "(" in first else text[0].upper() + text[1:]


def _table(widths: str, rows: Iterable[Sequence[str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in rows:
        for at, text in enumerate(row):
            lines.append(f"   {'*' if at == 0 else ' '} - {text}".rstrip())
    return "\n".join(lines) + "\n"


def _grid(rows: list[Sequence[str]]) -> str:
    """A table that can be read in its source, too."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule]) + "\n"


# --- at a glance ------------------------------------------------------------

def _glance(table: Table) -> Iterator[str]:
    yield _title("The cells at a glance", "=")
    contexts = list(table.contexts.values())
    yield _GLANCE.format(columns="\n".join(f"{at}. {context.what}" for at, context in enumerate(contexts, 1)))
    rows = [[_rst(action.what), *(_MARKS[cell.verdict] for cell in table.row(action.id))]
            for action in table.actions.values()]
    yield _grid([["..", *(str(at) for at in range(1, len(contexts) + 1))], *rows])


# --- a context --------------------------------------------------------------

def _context(table: Table, context: Context, proofs: Mapping[Cell, Proof]) -> Iterator[str]:
    cells = {verdict: [cell for cell in table.column(context.id) if cell.verdict == verdict] for verdict in _MARKS}
    yield _title(context.what, "-")
    yield _fill(f"{_upper(context.where)}. Its token: `{context.token}`.")
    if cells["allowed"]:
        yield _fill(f"**You may** {'; '.join(cell.action.what for cell in cells['allowed'])}.")
    if cells["refused"]:
        yield "**You may not:**\n"
        yield _table("34 26 16 24", _refused(table, cells["refused"], proofs))
    if cells["strict"]:
        yield "**Refused, though the kernel would allow it:**\n"
        yield _listed(table, cells["strict"])
    if cells["blind"]:
        yield "**The compiler does not stop you, and you must not:**\n"
        yield _listed(table, cells["blind"], lambda cell: f" At run time: {_runtime(cell, proofs[cell])}.")
    if cells["moot"]:
        yield "**No question here:**\n"
        yield _listed(table, cells["moot"])


def _refused(table: Table, cells: list[Cell], proofs: Mapping[Cell, Proof]) -> Iterator[Sequence[str]]:
    """Cells by their reason, which stands at the first of them."""
    yield ("Why", "What", "Compiler", "At run time")
    for reason in dict.fromkeys(cell.reason for cell in cells):
        why = table.why[reason]
        for cell in cells:
            if cell.reason == reason:
                yield (why, cell.action.what, _compiler(cell), _runtime(cell, proofs[cell]))
                why = ""


def _listed(table: Table, cells: list[Cell], more=lambda cell: "") -> str:
    lines = []
    for reason in dict.fromkeys(cell.reason for cell in cells):
        group = [cell for cell in cells if cell.reason == reason]
        text = "; ".join(cell.action.what for cell in group)
        lines.append(_fill(f"{text}. {table.why[reason]}{more(group[0])}", "- "))
    return "".join(lines)


def _compiler(cell: Cell) -> str:
    return "refuses" if cell.action.code else f"no interface: {cell.action.needs}"


def _runtime(cell: Cell, proof: Proof) -> str:
    if proof.case is None:
        return f"nothing: {proof.words}"
    if proof.case.expect:
        return f"{_KINDS[proof.case.expect[0].kind]} (`{_shown(proof.case)}`)"
    why = f"{proof.case.why.removeprefix(corpus.BLIND)} (`{_shown(proof.case)}`)"
    if cell.action.annotated:
        return f"this crate's own call reports it; the kernel's does not: {why}"
    return f"nothing: {why}"


def _shown(case: Case) -> str:
    """A case, as it is called in cases.toml."""
    if case.name == f"{case.context}_{case.action}".replace("-", "_"):
        return f"{case.context}.{case.action}"
    return case.name.replace("_", "-")


# --- blind spots ------------------------------------------------------------

def _blind(cases: Sequence[Case], programs: Mapping[str, str]) -> Iterator[str]:
    yield _title("What nothing catches", "=")
    yield _fill("Each of these is a test, asserted to be what it is today: when a compiler or a kernel starts to see "
                "one, we learn it.")
    yield _title("What the compiler does not see", "-")
    yield "".join(_fill(f"{_upper(sentence.removeprefix(UNSEEN))} (`tests/ui/{name}.rs`)", "- ")
                  for name, sentence in sorted(programs.items()) if name.startswith("blind_"))
    yield _title("What the kernel does not see", "-")
    yield _fill("On a kernel with lockdep, and run once. Where Strata has an interface for it, the compiler does: see "
                "the sections above.")
    blind = [case for case in cases if case.why.startswith(corpus.BLIND)]
    for why in dict.fromkeys(case.why for case in blind):
        yield _fill(f"{_upper(why.removeprefix(corpus.BLIND))}:", "- ")
        yield "".join(_fill(f"{case.what} (`{_shown(case)}`)", "  - ") for case in blind if case.why == why)
