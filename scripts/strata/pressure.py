# SPDX-License-Identifier: GPL-2.0
"""A machine whose memory is full of the pool's buffers: who else needs memory gets it, or is killed where it cannot.

What happens in the VM is tools/testing/selftests/strata/full.c; here is who may
be killed, and what the kernel may say about it. The machine is small, so that it
is full soon, and each case has it as it was after boot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from . import console, modules, paths, say, selftests, vm
from .kernels import Kernel
from .outcome import Outcome


@dataclass(frozen=True)
class Case:
    """What fills the memory."""

    name: str
    killed: bool = False
    swap: bool = False
    # A checking kernel takes minutes, and would see nothing that it does not see in the others.
    fast_kernels_only: bool = False


CASES = (
    Case("held"),
    Case("written", fast_kernels_only=True),
    Case("small", fast_kernels_only=True),
    Case("swapped", swap=True),
    # The control: without it nobody would know that the load is too much.
    Case("pinned", killed=True),
)

# All of it is written to before anything is measured: a disk in memory takes none later.
_DISK = ("brd", f"rd_nr=1 rd_size={128 << 10}")
_PREPARE = "dd if=/dev/zero of=/dev/ram0 bs=1M 2> /dev/null; mkswap /dev/ram0 > /dev/null"
# With the disk, and with what the checkers take.
_MEMORY, _MEMORY_CHECKED = "384M", "448M"
_TIMEOUT = 300


def run(kernel: Kernel) -> list[Outcome]:
    """Fills a VM of this kernel in each way, one after the other."""
    folder = modules.build(kernel, extra=modules.tests(kernel))
    program = selftests.build(kernel) / selftests.COLLECTION / "full"
    checked = "DEBUG_KMEMLEAK" in kernel.config
    cases = [case for case in CASES if not (checked and case.fast_kernels_only)]
    log = paths.OUT / "log" / f"pressure-{kernel.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    with say.step(f"Filling the memory of {kernel.name}", total=len(cases)) as step, \
            vm.Snapshot(kernel, modules=[_DISK], insmod=modules.loadable(folder), files={"strata/full": program},
                        memory=_MEMORY_CHECKED if checked else _MEMORY, kmemleak=checked,
                        prepare=_PREPARE) as snapshot:
        return [_run(kernel, snapshot, case, checked, log, step) for case in cases]


def _run(kernel: Kernel, snapshot: vm.Snapshot, case: Case, checked: bool, log: Path, step: say.Step) -> Outcome:
    command = f"{'swapon /dev/ram0 && ' if case.swap else ''}full {case.name}"
    with snapshot.session() as session:
        # Leaks are looked for where the kernel purges, which is what these cases are about.
        result = session.run(command, _TIMEOUT, kmemleak=checked and case == CASES[0])
    step.advance(1)
    with log.open("a") as out:
        out.write(f"=== {case.name}\n{result.transcript}\n")
    why = wrong(case, result)
    return Outcome(f"pressure/{kernel.name}/{case.name}", not why, why, log)


def wrong(case: Case, result: vm.Result) -> str:
    """What was not as it should be; nothing if all was."""
    expect = ["oom"] if case.killed else []
    # Who is being killed may run out of memory once more on the way.
    expect += [report.kind for report in result.reports if case.killed and _last_words(report)]
    if case.swap:
        result = replace(result, reports=[report for report in result.reports if not _swap_table(report)])
    return "" if result.ok(expect) else result.explain(expect)


def _last_words(report: console.Report) -> bool:
    return report.kind == "alloc-failure" and report.title.startswith("full: page allocation failure: order:0,")


def _swap_table(report: console.Report) -> bool:
    """The kernel found no page for the table of a cluster of swap, and reclaims something else instead."""
    return report.kind == "alloc-failure" and "swap_cluster_alloc_table" in report.text
