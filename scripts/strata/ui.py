# SPDX-License-Identifier: GPL-2.0
"""Programs that must not compile, each for the reason it promises, and their legal twins that must.

tests/ui holds the stories; `matrix` adds one program per action of the table
of rules, with one function per context. All are compiled as Kbuild compiles a
sample that uses the library.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import cache, expect, kernels, matrix, modules, paths, say
from .kernels import Kernel
from .outcome import Outcome, tally
from .sysroot import Sysroot

SHOWN = 8  # sentences about one program
PROGRAMS = paths.TOP / "tests" / "ui"

# As many at a time as there are processors. Each program leaves its diagnostics
# and rustc's status beside where its metadata went. Code is made only of those
# that promise an error which shows no earlier. Warnings about what nobody calls
# mean nothing here.
_COMPILE = r"""
compile() {
	name=$(basename "$1" .rs) emit=metadata
	grep -q '//~?' "$1" && emit=obj
	rustc "@$2/rustc.args" --error-format=json -Adead_code -Amissing_docs \
		"$1" --crate-name "ui_$name" --emit=$emit="$2/$name.out" 2> "$2/$name.json"
	echo $? > "$2/$name.status"
}
out=$1 width=$(nproc) count=0; shift
for program; do
	compile "$program" "$out" &
	count=$((count + 1))
	[ $((count % width)) = 0 ] && wait
done
wait
"""


@dataclass(frozen=True)
class Program:
    """A program to compile: its name, and where it stands."""

    name: str
    path: Path

    @property
    def source(self) -> str:
        return self.path.read_text()


def run(kernel: Kernel) -> list[Outcome]:
    """Compile them all."""
    built = modules.build(kernel, extra=modules.tests(kernel))
    out = built / "ui"
    with cache.lock("ui", what=f"out/{kernel.name}/ui", at=built / ".ui.lock"):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        programs = [*stories(), *cells(out)]
        with say.step(f"Compiling {len(programs)} programs of tests/ui and the table of rules"):
            compile_all(kernel, built, out, programs)
        return [verdict(program, out) for program in programs]


def stories() -> list[Program]:
    """Those of tests/ui."""
    return [Program(path.stem, path) for path in sorted(PROGRAMS.glob("*.rs"))]


def cells(out: Path) -> list[Program]:
    """Those that the table of rules stands for, written to `out`."""
    programs = []
    for name, source in matrix.programs(matrix.load()):
        path = out / f"{name}.rs"
        path.write_text(source)
        programs.append(Program(name, path))
    return programs


def arguments(built: Path, kernel: Kernel) -> list[str]:
    """rustc's arguments as Kbuild gives them. rustc does not nest argument files, so theirs are expanded."""
    found: list[str] = []
    for argument in (built / "rust" / "generated" / "rustc.args").read_text().splitlines():
        if argument.startswith("@"):
            found += (kernel.build / argument[1:]).read_text().splitlines()
        else:
            found.append(argument)
    return found


def compile_all(kernel: Kernel, built: Path, out: Path, programs: Iterable[Program]) -> None:
    """One entry into the sysroot for all of them."""
    (out / "rustc.args").write_text("".join(f"{argument}\n" for argument in arguments(built, kernel)))
    Sysroot.get().run(["sh", "-c", _COMPILE, "compile", out, *(program.path for program in programs)],
                      cwd=out, log=modules.LOGS / "ui.log", env=environment(kernel), title="Compiling tests/ui")


def environment(kernel: Kernel) -> dict[str, str]:
    """What the kernel's macros and its use of unstable features want to find."""
    return {"RUSTC_BOOTSTRAP": "1", "OBJTREE": str(kernel.build), "RUST_MODFILE": "ui"}


def verdict(program: Program, out: Path) -> Outcome:
    """Whether rustc said what the program promises."""
    said = out / f"{program.name}.json"
    name = f"ui {program.name}"
    try:
        expected = expect.promises(program.source)
        found = expect.diagnostics(said.read_text(), program.path)
        status = int((out / f"{program.name}.status").read_text())
    except expect.Malformed as error:
        return Outcome(name, False, f"{program.path}: {error}")
    except (OSError, ValueError) as error:
        return Outcome(name, False, f"rustc left no verdict: {error}", modules.LOGS / "ui.log")
    wrong = expect.compare(expected, found)
    if expected and status == 0:
        wrong.insert(0, "it compiles, and must not")
    if not expected and status and not wrong:
        wrong.append(f"rustc ended with status {status}")
    return Outcome(name, not wrong, "\n".join([str(program.path), *wrong[:SHOWN]]) if wrong else "", said)


def main(arguments: Sequence[str]) -> int:
    """ui: compile the programs that must not compile, and their legal twins."""
    parser = argparse.ArgumentParser(prog="scripts/run ui", description=main.__doc__)
    parser.add_argument("--kernel", default="stock", choices=kernels.NAMES, help="whose configuration (stock)")
    outcomes = run(kernels.get(parser.parse_args(arguments).kernel))
    for outcome in outcomes:
        say.line(outcome.line())
    say.line(tally(outcomes))
    return int(not all(outcome.passed for outcome in outcomes))
