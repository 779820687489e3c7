# SPDX-License-Identifier: GPL-2.0
"""What a program of tests/ui promises of its compilation, and whether rustc kept it.

In a program, on the line that is wrong (the notation is that of rustc's own
test suite):

    cx.alloc(1);  //~ ERROR E0277: may not allocate with class `Kernel`
                  //~| NOTE allocate before this context is entered

`//~^` means the line above, one more for each further `^`; `//~|` the line of
the comment before; `//~?` no line of the program: what rustc finds only when it
makes code of it, for which it names the library's line. The code is left out
for errors that have none. NOTE and HELP are promises about the error before
them: what it says beside its message, labels of the source included. A program
without an ERROR is a legal one: it compiles, and without a warning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

_COMMENT = re.compile(r"//~(\^*|\||\?) (ERROR|NOTE|HELP) ?(.*)")
_CODE = re.compile(r"(E\d{4})(?:: *|$)(.*)")
# rustc writes a type with its path or without, depending on what else the
# kernel's crates call by that name.
_PATH = re.compile(r"\b(?:[a-z_]\w*::)+(?=[A-Za-z_{<])")


# The line of an error that is at none of the program's.
NOWHERE = 0


class Malformed(Exception):
    """A promise that cannot be read."""


@dataclass
class Error:
    """An error that a program promises."""

    line: int
    code: str | None
    text: str
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"line {self.line}: {_code(self.code)}: ...{self.text}..."


@dataclass(frozen=True)
class Diagnostic:
    """What rustc said: an error, or a warning."""

    level: str
    line: int
    code: str | None
    message: str
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"line {self.line}: {_code(self.code)}: {self.message}"


def _code(code: str | None) -> str:
    return f"error[{code}]" if code else "error"


def promises(source: str) -> list[Error]:
    """The errors that a program's comments promise."""
    errors: list[Error] = []
    last: int | None = None
    for number, line in enumerate(source.splitlines(), 1):
        match = _COMMENT.search(line)
        if not match:
            if "//~" in line:
                raise Malformed(f"line {number}: `{line[line.index('//~'):]}` is not a promise")
            continue
        where, kind, text = match.groups()
        text = text.strip()
        if where == "|" and last is None:
            raise Malformed(f"line {number}: there is no comment before it")
        last = {"|": last, "?": NOWHERE}.get(where, number - len(where))
        if not text:
            raise Malformed(f"line {number}: it does not say what the compiler says")
        if kind == "ERROR":
            code = _CODE.match(text)
            errors.append(Error(last, code[1], code[2]) if code else Error(last, None, text))
        elif errors and errors[-1].line == last:
            errors[-1].notes.append(text)
        else:
            raise Malformed(f"line {number}: there is no ERROR on line {last} for it")
    return errors


def diagnostics(output: str, file: Path) -> list[Diagnostic]:
    """What rustc said of `file`, from its JSON; a line that is no JSON is an error of its own."""
    found = []
    for line in output.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            found.append(Diagnostic("error", 0, None, line))
            continue
        if said.get("level") not in ("error", "warning") or _is_summary(said):
            continue
        code = (said.get("code") or {}).get("code")
        found.append(Diagnostic(said["level"], _line(said["spans"], file), code, said["message"], tuple(_notes(said))))
    return _once(found)


def _once(found: list[Diagnostic]) -> list[Diagnostic]:
    """rustc may say one thing of one line twice, as of a bound of a function and of the type it returns."""
    merged: dict[tuple, Diagnostic] = {}
    for said in found:
        key = (said.level, said.line, said.code, _plain(said.message))
        before = merged.get(key)
        merged[key] = replace(before, notes=before.notes + said.notes) if before else said
    return list(merged.values())


def _is_summary(said: dict) -> bool:
    return not said["spans"] and bool(re.match(r"aborting due to|\d+ warnings? emitted", said["message"]))


def _line(spans: list[dict], file: Path) -> int:
    """Where the program is wrong: for an error within a macro, where that is called."""
    for span in spans:
        if span["is_primary"]:
            while span and Path(span["file_name"]).name != file.name:
                span = (span.get("expansion") or {}).get("span")
            return span["line_start"] if span else NOWHERE
    return NOWHERE


def _notes(said: dict) -> Iterable[str]:
    for span in said["spans"]:
        if span.get("label"):
            yield span["label"]
    for child in said.get("children", ()):
        yield child["message"]
        yield from _notes({**child, "children": ()})


def compare(expected: list[Error], said: list[Diagnostic]) -> list[str]:
    """What is wrong, as sentences; empty if the promises were kept and nothing else was said."""
    wrong = []
    left = [diagnostic for diagnostic in said if diagnostic.level == "error"]
    for error in expected:
        kept = next((diagnostic for diagnostic in left if _fits(error, diagnostic)), None)
        if kept is None:
            near = [f"; there it says: {_plain(d.message)}" for d in left if d.line == error.line]
            wrong.append(f"promised, and not reported: {error}{''.join(near[:1])}")
            continue
        left.remove(kept)
        wrong += [f"line {error.line}: the error lacks the note `{note}`" for note in error.notes
                  if not any(_plain(note) in _plain(said) for said in kept.notes)]
    wrong += [f"reported, and not promised: {diagnostic}" for diagnostic in left]
    if not expected:
        wrong += [f"a legal program gets a warning: line {d.line}: {d.message}" for d in said if d.level == "warning"]
    return wrong


def _fits(error: Error, diagnostic: Diagnostic) -> bool:
    return (error.line == diagnostic.line and error.code == diagnostic.code
            and _plain(error.text) in _plain(diagnostic.message))


def _plain(text: str) -> str:
    return _PATH.sub("", text)
