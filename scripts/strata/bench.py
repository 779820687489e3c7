# SPDX-License-Identifier: GPL-2.0
"""`make bench`: workloads and their twins in C, in one VM, compared by instructions.

The VM counts: its one processor is emulated, and its clock advances by a
nanosecond for each instruction. So what is measured is the same on any host,
and a bound is a test. A workload is a script that runs in the VM and prints

    @@bench MEASURE SIDE UNITS INSTRUCTIONS

for `ours` and `c`, several times. One that is new takes an entry in WORKLOADS,
its modules in Kbuild, and a folder in bench/.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import kernels, modules, paths, say, selftests, vm
from .kernels import Kernel
from .outcome import Outcome

RESULTS = paths.OUT / "bench"

# What the same work may differ by from one time to the next, of the least.
SPREAD = 0.001
# Instructions of the loop that `clock` runs, at least, and what may be counted beside it.
CLOCK, CLOCK_ERROR = 1_000_000, 16

_TIMEOUT = 300
_SAMPLE = re.compile(r"^@@bench (\S+) (\S+) (\d+) (\d+)$", re.M)
_CLOCK = re.compile(r"^@@clock (\d+) (\d+)$", re.M)


@dataclass(frozen=True)
class Measure:
    """A figure of a workload: instructions for each `unit`, and how many of C's they may be."""

    name: str
    unit: str
    bound: float | None = None


@dataclass(frozen=True)
class Workload:
    """A module on Strata and its twin in C, and the script that has both do the same."""

    name: str
    what: str
    modules: tuple[str, ...]
    script: str
    measures: tuple[Measure, ...]


# `shrink MEASURE PLACE OBJECTS PAGES BATCH`: see bench/meter.c and bench/shrinker.
_SHRINK = """
shrink() {
	side ours strata-bench-shrinker strata_bench_shrinker "$@"
	side c strata-bench-shrinker-c strata_bench_shrinker_c "$@"
}
side() {
	echo "$5 $6 $7" > $debug/$2/fill || exit
	echo "$3 $8" > $debug/strata-bench/scan || exit
	while read -r key number total _; do
		case $key in
		counts) sample count.$4 $1 $number $total ;;
		scans) instructions=$total ;;
		scanned) sample $4 $1 $((number / $7)) $instructions ;;
		esac
	done < $debug/strata-bench/scan
}
"""

WORKLOADS = (
    Workload(
        "shrinker", "a shrinker over list_lru: an object taken from its list, locked, evicted",
        ("strata", "strata_bench", "strata_bench_shrinker", "strata_bench_shrinker_c"),
        _SHRINK + """
cgroup=/sys/fs/cgroup/bench
echo +memory > /sys/fs/cgroup/cgroup.subtree_control && mkdir $cgroup || exit
for round in 1 2 3; do
	shrink evict.1 purgeable 8192 1 1
	shrink evict.128 purgeable 8192 1 128
	shrink evict.4096 purgeable 8192 1 4096
	shrink evict.large purgeable 8192 64 4096
	shrink move.128 idle 8192 1 128
	shrink keep.128 kept 8192 1 128
	(echo 0 > $cgroup/cgroup.procs && shrink cgroup.128 purgeable 8192 1 128) || exit
done
""", (
            Measure("evict.1", "object, 1 a call", 1.05),
            Measure("evict.128", "object, 128 a call", 1.05),
            Measure("evict.4096", "object, 4096 a call", 1.05),
            Measure("evict.large", "object of 64 pages, 64 a call", 1.05),
            Measure("cgroup.128", "object of a cgroup, 128 a call", 1.05),
            Measure("move.128", "object that goes to another list", 1.05),
            Measure("keep.128", "object that stays", 1.05),
            Measure("count.evict.128", "count", 1.0),
        )),
)

_PRELUDE = """
debug=/sys/kernel/debug
samples=/tmp/samples
sample() { echo "@@bench $*" >> $samples; }
# The first reading pays for what is done once.
cat $debug/strata-bench/clock > /dev/null
echo "@@clock $(cat $debug/strata-bench/clock)"
"""


@dataclass
class Side:
    """What one side of a measure took, each time."""

    runs: list[tuple[int, int]] = field(default_factory=list)

    @property
    def least(self) -> float:
        return min(instructions / units for units, instructions in self.runs)

    @property
    def most(self) -> float:
        return max(instructions / units for units, instructions in self.runs)

    @property
    def spread(self) -> float:
        return self.most / self.least - 1


@dataclass
class Row:
    """A measure and what came of it. `wrong` says why it does not pass."""

    workload: str
    measure: Measure
    ours: Side
    c: Side
    wrong: str = ""

    @property
    def ratio(self) -> float:
        return self.ours.least / self.c.least

    @property
    def spread(self) -> float:
        return max(self.ours.spread, self.c.spread)


def compare(workload: Workload, output: str) -> list[Row]:
    """A row for each measure, from what the workload's script printed."""
    sides: dict[tuple[str, str], Side] = {}
    for measure, side, units, instructions in _SAMPLE.findall(output):
        sides.setdefault((measure, side), Side()).runs.append((int(units), int(instructions)))
    return [_row(workload.name, measure, sides.get((measure.name, "ours"), Side()),
                 sides.get((measure.name, "c"), Side())) for measure in workload.measures]


def _row(workload: str, measure: Measure, ours: Side, c: Side) -> Row:
    row = Row(workload, measure, ours, c)
    units = {count for side in (ours, c) for count, _ in side.runs}
    if not ours.runs or not c.runs:
        row.wrong = "it was not measured"
    elif len(units) != 1 or 0 in units:
        row.wrong = f"the sides did not do the same work: {', '.join(map(str, sorted(units)))} units"
    elif row.spread > SPREAD:
        row.wrong = f"the same work took {row.spread:.2%} more at another time: something else ran, or time did"
    elif measure.bound is not None and row.ratio > measure.bound:
        row.wrong = f"{row.ratio:.3f} of C's instructions, and {measure.bound:.2f} are allowed"
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
    head = ("measure", "instructions for each", "ours", "C", "ratio", "bound", "spread")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return ["  ".join(f"{cell:<{width}}" if column < 2 else f"{cell:>{width}}"
                      for column, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines]


def _cells(row: Row) -> tuple[str, ...]:
    bound = "" if row.measure.bound is None else f"{row.measure.bound:.2f}"
    name = f"{row.workload}/{row.measure.name}"
    if not row.ours.runs or not row.c.runs:
        return (name, row.measure.unit, "", "", "", bound, "")
    return (name, row.measure.unit, f"{row.ours.least:.1f}", f"{row.c.least:.1f}", f"{row.ratio:.3f}", bound,
            f"{row.spread:.2%}")


def record(kernel: Kernel, workload: Workload, rows: Sequence[Row]) -> Path:
    """Writes the figures for programs to read; the file."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{workload.name}.json"
    figures = [{**asdict(row.measure), "ours": row.ours.runs, "c": row.c.runs,
                "ratio": row.ratio if row.ours.runs and row.c.runs else None, "wrong": row.wrong} for row in rows]
    path.write_text(json.dumps({"workload": workload.name, "kernel": kernel.release, "measures": figures}, indent=1)
                    + "\n")
    return path


def run(kernel: Kernel, chosen: Sequence[Workload] = WORKLOADS) -> tuple[list[Row], list[Outcome]]:
    """Runs workloads, each in a VM of its own: the figures, and what was proven."""
    folder = modules.build(kernel, extra=modules.tests(kernel))
    rows, outcomes = [], []
    for workload in chosen:
        log = modules.LOGS / f"bench-{workload.name}.log"
        command = f"{_PRELUDE}{workload.script}\ncat $samples && rmmod {' '.join(reversed(workload.modules))}"
        with say.step(f"Measuring {workload.name} in a VM", log=log):
            result = vm.run(kernel, command, icount=True, timeout=_TIMEOUT,
                            insmod=[folder / f"{name}.ko" for name in workload.modules])
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(result.transcript)
        found = compare(workload, result.output)
        record(kernel, workload, found)
        rows += found
        outcomes += _outcomes(workload, result, found, log)
    return rows, outcomes


def _outcomes(workload: Workload, result: vm.Result, rows: Sequence[Row], log: Path) -> list[Outcome]:
    name = f"bench/{workload.name}"
    if result.dead or result.status:
        return [Outcome(name, False, result.explain(), log)]
    return [
        Outcome(f"{name}/clock", not clock(result.output), clock(result.output), log),
        *(Outcome(f"{name}/{row.measure.name}", not row.wrong, row.wrong, log) for row in rows),
        selftests.kernel_log(f"{name}/kernel log", result.unexpected(), log),
    ]


def check(kernel: Kernel) -> list[Outcome]:
    """All workloads, for make check."""
    return run(kernel)[1]


def main(arguments: Sequence[str]) -> int:
    """bench: runs workloads and their twins in C, and prints how many instructions each took."""
    parser = argparse.ArgumentParser(prog="scripts/run bench", description=main.__doc__)
    parser.add_argument("workload", nargs="*", help="which (default: all): "
                        + "; ".join(f"{workload.name}, {workload.what}" for workload in WORKLOADS))
    names = parser.parse_args(arguments).workload
    if unknown := set(names) - {workload.name for workload in WORKLOADS}:
        raise say.Refusal(f"There is no workload {', '.join(sorted(unknown))}; there are "
                          f"{', '.join(workload.name for workload in WORKLOADS)}.")
    kernel = kernels.get("stock")
    rows, outcomes = run(kernel, [workload for workload in WORKLOADS if not names or workload.name in names])
    say.line(f"Instructions on Linux {kernel.release}, Debian's own kernel, in a VM that counts them\n")
    for line in table(rows):
        say.line(line)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    say.line()
    for outcome in failed:
        say.line(f"{outcome.line()} ({outcome.log})")
    say.line(f"{'FAIL' if failed else 'PASS'}: figures are in {RESULTS}")
    return 1 if failed else 0
