# SPDX-License-Identifier: GPL-2.0
"""`make bench`: workloads on Strata and who they are compared with, in one VM.

The VM counts: its one processor is emulated, and its clock advances by a
nanosecond for each instruction. So what is measured is the same on any host,
and a bound is a test. What caches do is seen on the kernel `native`, where time
is measured: of each pair the sides run in turns, and the median of their ratios
is told, which proves nothing.

A workload (workloads.py) is a script that prints, several times for each side,

    @@bench MEASURE SIDE UNITS TAKEN [SEEN]

where sides that do the same have seen the same.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import kernels, modules, paths, say, selftests, uml, vm
from .kernels import Kernel
from .outcome import Outcome
from .workloads import WORKLOADS, Measure, Workload

RESULTS = paths.OUT / "bench"

# Instructions of the loop that `clock` runs, at least, and what may be counted beside it.
CLOCK, CLOCK_ERROR = 1_000_000, 16

_SAMPLE = re.compile(r"^@@bench (\S+) (\S+) (\d+) (\d+)(?: (\d+))?$", re.M)
_CLOCK = re.compile(r"^@@clock (\d+) (\d+)$", re.M)

_PRELUDE = """
debug=/sys/kernel/debug
told=/tmp/samples
samples=$told
sample() { echo "@@bench $*" >> $samples; }
: > $told
trap 'cat $told' EXIT
# The first reading pays for what is done once.
cat $debug/strata-bench/clock > /dev/null
echo "@@clock $(cat $debug/strata-bench/clock)"
"""


@dataclass
class Side:
    """What one side of a measure took, each time, and what it saw."""

    runs: list[tuple[int, int]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    @property
    def each(self) -> list[float]:
        return [taken / units for units, taken in self.runs]

    @property
    def spread(self) -> float:
        return max(self.each) / min(self.each) - 1


@dataclass
class Row:
    """A measure and what came of it. `wrong` says why it does not pass."""

    workload: Workload
    measure: Measure
    ours: Side
    other: Side
    wrong: str = ""

    @property
    def measured(self) -> bool:
        return bool(self.ours.runs and self.other.runs)

    @property
    def shown(self) -> tuple[float, float]:
        """What is told of each side: time is noisy upwards and downwards, a count only upwards."""
        told = statistics.median if self.workload.timed else min
        return told(self.ours.each), told(self.other.each)

    @property
    def ratio(self) -> float:
        if self.workload.timed:
            # Who ran side by side had the same neighbours.
            return statistics.median(ours / other for ours, other in zip(self.ours.each, self.other.each))
        return self.shown[0] / self.shown[1]

    @property
    def spread(self) -> float:
        return max(self.ours.spread, self.other.spread)


def compare(workload: Workload, output: str) -> list[Row]:
    """A row for each measure, from what the workload's script printed."""
    sides: dict[tuple[str, str], Side] = {}
    for measure, name, units, taken, seen in _SAMPLE.findall(output):
        side = sides.setdefault((measure, name), Side())
        side.runs.append((int(units), int(taken)))
        side.seen.add(seen)
    return [_row(workload, measure, sides.get((measure.name, "ours"), Side()),
                 sides.get((measure.name, measure.against), Side())) for measure in workload.measures]


def _row(workload: Workload, measure: Measure, ours: Side, other: Side) -> Row:
    row = Row(workload, measure, ours, other)
    units = {count for side in (ours, other) for count, _ in side.runs}
    if not row.measured:
        row.wrong = "it was not measured"
    elif len(units) != 1 or 0 in units:
        row.wrong = f"the sides did not do the same work: {', '.join(map(str, sorted(units)))} units"
    elif len(ours.seen | other.seen) != 1:
        row.wrong = f"the sides did not see the same: {', '.join(sorted(ours.seen | other.seen))}"
    elif workload.timed or measure.bound is None:
        pass  # It is told, and nothing is decided by it.
    elif row.spread > measure.spread:
        row.wrong = f"the same work took {row.spread:.2%} more at another time: something else ran, or time did"
    elif row.ratio > measure.bound:
        row.wrong = f"{row.ratio:.3f} of what {measure.against} took, and {measure.bound:.2f} are allowed"
    return row


def clock(output: str) -> str:
    """Why the VM's clock cannot be believed, or nothing."""
    found = _CLOCK.search(output)
    if not found:
        return "the VM did not say how its clock counts"
    ran, counted = int(found[1]), int(found[2])
    if ran < CLOCK or abs(counted - ran) > CLOCK_ERROR:
        return f"the VM's clock counted {counted} for {ran} instructions: it does not count them one by one"
    return ""


def table(rows: Iterable[Row]) -> list[str]:
    """The report, a line for each measure."""
    head = ("measure", "for each", "ours", "against", "", "ratio", "bound", "spread")
    left = (0, 1, 3)
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return ["  ".join(f"{cell:<{width}}" if column in left else f"{cell:>{width}}"
                      for column, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines]


def _cells(row: Row) -> tuple[str, ...]:
    bound = "" if row.measure.bound is None else f"{row.measure.bound:.2f}"
    name = f"{row.workload.name}/{row.measure.name}"
    if not row.measured:
        return (name, row.measure.unit, "", row.measure.against, "", "", bound, "")
    ours, other = (f"{value:.1f}" for value in row.shown)
    return (name, row.measure.unit, ours, row.measure.against, other, f"{row.ratio:.3f}", bound, f"{row.spread:.2%}")


def record(kernel: Kernel, workload: Workload, rows: Sequence[Row]) -> Path:
    """Writes the figures for programs to read; the file."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{workload.name}.json"
    figures = [{**asdict(row.measure), "ours": row.ours.runs, "other": row.other.runs,
                "ratio": row.ratio if row.measured else None, "wrong": row.wrong} for row in rows]
    path.write_text(json.dumps({"workload": workload.name, "kernel": kernel.release, "timed": workload.timed,
                                "measures": figures}, indent=1) + "\n")
    return path


def run(chosen: Sequence[Workload] = WORKLOADS) -> tuple[list[Row], list[Outcome]]:
    """Runs workloads, each in a VM of its own: the figures, and what was proven."""
    rows, outcomes = [], []
    for timed in (False, True):
        same = [workload for workload in chosen if workload.timed == timed]
        if same:
            kernel = kernels.get("native" if timed else "stock")
            folder = modules.build(kernel, extra=modules.tests(kernel))
        for workload in same:
            found, proven = _run(kernel, folder, workload)
            rows += found
            outcomes += proven
    return rows, outcomes


def _run(kernel: Kernel, folder: Path, workload: Workload) -> tuple[list[Row], list[Outcome]]:
    log = modules.LOGS / f"bench-{workload.name}.log"
    timed = "timed=1\n" if workload.timed else "timed=\n"
    command = f"{_PRELUDE}{timed}{workload.script}\nrmmod {' '.join(reversed(workload.modules))}"
    insmod = [folder / f"{name}.ko" for name in workload.modules]
    with say.step(f"Measuring {workload.name} in a VM", log=log):
        if workload.timed:
            result = uml.run(kernel, command, insmod=insmod, memory=workload.memory, timeout=workload.timeout)
        else:
            result = vm.run(kernel, command, insmod=insmod, memory=workload.memory, timeout=workload.timeout,
                            icount=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(result.transcript)
    rows = compare(workload, result.output)
    record(kernel, workload, rows)
    return rows, _outcomes(workload, result, rows, log)


def _outcomes(workload: Workload, result: vm.Result, rows: Sequence[Row], log: Path) -> list[Outcome]:
    name = f"bench/{workload.name}"
    if result.dead or result.status:
        return [Outcome(name, False, result.explain(), log)]
    counted = [] if workload.timed else [Outcome(f"{name}/clock", not clock(result.output), clock(result.output), log)]
    return [
        *counted,
        *(Outcome(f"{name}/{row.measure.name}/{row.measure.against}", not row.wrong, row.wrong, log) for row in rows),
        selftests.kernel_log(f"{name}/kernel log", result.unexpected(), log),
    ]


def check() -> list[Outcome]:
    """The workloads that prove something, for make check."""
    return run([workload for workload in WORKLOADS if workload.proof])[1]


def main(arguments: Sequence[str]) -> int:
    """bench: runs workloads and who they are compared with, and prints what each took."""
    parser = argparse.ArgumentParser(prog="scripts/run bench", description=main.__doc__)
    parser.add_argument("workload", nargs="*", help="which (default: all): "
                        + "; ".join(f"{workload.name}, {workload.what}" for workload in WORKLOADS))
    names = parser.parse_args(arguments).workload
    if unknown := set(names) - {workload.name for workload in WORKLOADS}:
        raise say.Refusal(f"There is no workload {', '.join(sorted(unknown))}; there are "
                          f"{', '.join(workload.name for workload in WORKLOADS)}.")
    rows, outcomes = run([workload for workload in WORKLOADS if not names or workload.name in names])
    for timed, title in ((False, "Instructions on Debian's own kernel, in a VM that counts them"),
                         (True, "Ticks of this machine's clock, on a kernel that runs as a program")):
        if some := [row for row in rows if row.workload.timed == timed]:
            say.line(f"{title}\n")
            for line in table(some):
                say.line(line)
            say.line()
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in failed:
        say.line(f"{outcome.line()} ({outcome.log})")
    say.line(f"{'FAIL' if failed else 'PASS'}: figures are in {RESULTS}")
    return 1 if failed else 0
