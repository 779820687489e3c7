# SPDX-License-Identifier: GPL-2.0
"""`make demo`: the modules on Debian's own kernel, every sample's real work, and one report.

A sample's demo is a program that works through its device, prints figures as
`key: value`, and ends with a status.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from . import kernels, modules, paths, say, selftests, vm

# What separates one program's output from the next one's.
_MARK = "@@demo"
_FIGURE = re.compile(r"^([^:\n]+): +(.*)$")


@dataclass(frozen=True)
class Sample:
    """A sample: its module, what it is, and the program that uses it."""

    module: str
    what: str
    program: str


SAMPLES = (
    Sample("strata_pool", "a pool of buffers, /dev/strata-pool", "pool_demo"),
    Sample("strata_vbind", "a GPU without the silicon, /dev/strata-vbind", "vbind_demo"),
)

# Unloading is part of the demo: nothing may hold a module when its users are gone.
_UNLOAD = "rmmod {modules} strata && ! grep -q ^strata /proc/modules"


@dataclass
class _Ran:
    """What one program did."""

    title: str
    status: int
    lines: list[str]


def _command() -> str:
    parts = [f"echo '{_MARK} {sample.module}'; {sample.program}; echo \"{_MARK}-status $?\"" for sample in SAMPLES]
    unload = _UNLOAD.format(modules=" ".join(sample.module for sample in reversed(SAMPLES)))
    parts.append(f"echo '{_MARK} unload'; {unload}; echo \"{_MARK}-status $?\"")
    return "; ".join(parts)


def _sections(output: str) -> list[_Ran]:
    """The output, cut at the marks. A program without a status did not end."""
    found: list[_Ran] = []
    for line in output.splitlines():
        if line.startswith(f"{_MARK}-status ") and found:
            found[-1].status = int(line.split()[1])
        elif line.startswith(f"{_MARK} "):
            found.append(_Ran(line.split()[1], -1, []))
        elif found:
            found[-1].lines.append(line)
    return found


def _figures(ran: _Ran) -> list[str]:
    """Figures in two columns; whatever else was printed as it is."""
    pairs = [_FIGURE.match(line) for line in ran.lines]
    width = max((len(pair[1]) for pair in pairs if pair), default=0)
    return [f"    {pair[1]:{width}}  {pair[2]}" if pair else f"    {line}"
            for pair, line in zip(pairs, ran.lines, strict=True)]


def _report(kernel: kernels.Kernel, result: vm.Result) -> bool:
    """Prints what happened; whether all of it was as it should be."""
    ran = {section.title: section for section in _sections(result.output)}
    passed = True
    say.line(f"\nStrata on Linux {kernel.release}, Debian's own kernel, unmodified, in a VM")
    for sample in SAMPLES:
        section = ran.get(sample.module, _Ran(sample.module, -1, []))
        good = section.status == 0
        passed &= good
        say.line(f"\n  {sample.module}: {sample.what}")
        for line in _figures(section):
            say.line(line)
        say.line(f"    {'passed' if good else 'FAILED' if section.status >= 0 else 'DID NOT END'}")
    unloaded = ran.get("unload", _Ran("unload", -1, [])).status == 0
    say.line(f"\n  modules     {'unloaded, nothing held them' if unloaded else 'NOT UNLOADED'}")
    say.line(f"  kernel log  {'clean' if not result.reports else f'{len(result.reports)} REPORTS'}")
    for report in result.reports:
        say.line(f"    {report.title}")
    if result.dead:
        say.line(f"  the VM      DIED: {result.dead}")
    return passed and unloaded and not result.reports and not result.dead


def main(arguments: Sequence[str]) -> int:
    """demo: boots Debian's own kernel, loads every module, runs every sample's work, and reports."""
    argparse.ArgumentParser(prog="scripts/run demo", description=main.__doc__).parse_args(arguments)
    began = time.monotonic()
    kernel = kernels.get("stock")
    folder = modules.build(kernel)
    files = selftests.files(kernel)
    with say.step("Running the samples in a VM"):
        result = vm.run(kernel, _command(), insmod=modules.loadable(folder), files=files, swap=vm.SWAP)
    log = paths.OUT / "log" / "demo.log"
    log.write_text(result.transcript)
    passed = _report(kernel, result)
    say.line(f"\n{'PASS' if passed else 'FAIL'}: the demo took {say.span(time.monotonic() - began)}. "
             + (f"Try it by hand: make shell. Everything it printed: {log}" if passed else f"Everything it printed: {log}"))
    return 0 if passed else 1
