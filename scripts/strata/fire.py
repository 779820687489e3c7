# SPDX-License-Identifier: GPL-2.0
"""Trees, VA spaces, reserves and shared buffers while there is no memory: tests/fire, with a million values natively, and under
the checkers of debug.

Debugfs' failslab makes allocations of the test's own task fail, in the sections
that it says, so that the rest of the machine goes on. Slab caches keep objects
at hand, which no injection takes away: `slab_debug` for the cache of nodes
keeps it from that, so that a store which asks for one node fails. What is
stored follows from a seed, which is another one each time, unless
$STRATA_FIRE_SEED says which.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import modules, say, selftests, uml, vm
from .kernels import Kernel
from .outcome import Outcome

SEED = "STRATA_FIRE_SEED"

MODES = ("plain", "gaps", "rcu")

# Each node is asked for one by one, and given back as it is.
_STRICT = "slab_debug=F,maple_node"
# Of nodes, what the guest's own processes may have more at one time than at another.
_SPARE_NODES = 300

_PRELUDE = """
debug=/sys/kernel/debug
fail=$debug/failslab
nodes=/sys/kernel/slab/maple_node
quantity=1000000000
# What may not reclaim fails, where the test asks for it: `fails 100 Y`. What
# fails by number fails always, whether it may or not: `fails 0 N`.
fails() { echo $1 > $fail/probability; echo $2 > $fail/ignore-gfp-wait; }
# For the log: a failure is nothing to report.
echo 0 > $fail/verbose
echo 1 > $fail/interval
echo Y > $fail/task-filter
echo $quantity > $fail/times
run() { echo "$*" > $debug/strata-fire/run || exit; }
count() { echo 1 > $nodes/shrink; echo "@@nodes $(cat $nodes/objects)"; }
count
fails 100 Y
"""

_POSTLUDE = """
count
sed 's/^/@@count /' $debug/strata-fire/run
rmmod strata_fire strata
"""


@dataclass(frozen=True)
class Commits:
    """So many commits on a tree of so many values, or what is done of them in so many seconds."""

    entries: int
    count: int
    seconds: int


@dataclass(frozen=True)
class Bound:
    """A tree of so many values, into which so many stores are measured."""

    entries: int
    count: int


@dataclass(frozen=True)
class Plan:
    """What is done in one machine: with trees in each mode, and with VA spaces."""

    name: str
    commits: tuple[Commits, ...]
    # Commits that there must be at least, in all modes.
    least: int
    # The same for requests to VA spaces.
    spaces: tuple[Commits, ...]
    requests: int
    # The values of the tree that gets too few nodes, how often, and operations whose allocations fail one by one.
    short: tuple[int, int]
    sweep: int
    # Reserves whose elements are taken.
    reserves: int
    # Where nodes that were freed are free, so that they can be counted.
    bound: tuple[Bound, ...] = ()
    strict: bool = True
    # Whether the kernel's checkers, which allocate in any context, are not there.
    alone: bool = True
    timeout: int = 1200

    def script(self, seed: int) -> str:
        lines = [f"run commits {mode} {part.entries} {part.count} {part.seconds} {seed}"
                 for mode in MODES for part in self.commits]
        lines += [f"run commits va {part.entries} {part.count} {part.seconds} {seed}" for part in self.spaces]
        # The test's own attempts to allocate are all that failed so far: no commit made one.
        lines.append('echo "@@fired $((quantity - $(cat $fail/times)))"')
        lines.append("sed -n 's/^refused /@@refused /p' $debug/strata-fire/run")
        lines += [f"run short {mode} {self.short[0]} {self.short[1]} {seed}" for mode in MODES]
        if self.bound:
            lines.append("run held reservations")
        lines += [f"run bound {mode} {part.entries} {part.count} {seed}" for mode in MODES for part in self.bound]
        lines.append(f"fails 100 N\nrun short reserves {self.reserves}\nfails 0 N")
        lines += [f"run sweep {mode} {self.sweep} {seed}" for mode in MODES]
        return "\n".join([_PRELUDE, *lines, _POSTLUDE])


_SIZES = ((1, 3_000), (10, 7_000), (1_000, 20_000), (30_000, 20_000), (1_000_000, 20_000))
_NATIVE = tuple(Commits(entries, count, 300) for entries, count in _SIZES)
_SPACES = tuple(Commits(entries, count, 300)
                for entries, count in ((1, 10_000), (1_000, 20_000), (30_000, 20_000), (1_000_000, 10_000)))
_BOUND = (Bound(40, 100), Bound(2_000, 100), Bound(30_000, 40), Bound(1_000_000, 60))

NATIVE = (Plan("strict", _NATIVE, 200_000, _SPACES, 60_000, (3_000, 600), 1_500, 400, bound=_BOUND),
          Plan("caches", _NATIVE, 200_000, _SPACES, 60_000, (3_000, 600), 500, 400, strict=False))

CHECKED = Plan("checked", (Commits(1, 200, 10), Commits(100, 1_000, 12), Commits(3_000, 1_000, 15)), 900,
               (Commits(1, 200, 10), Commits(100, 500, 15), Commits(2_000, 500, 20)), 600,
               (1_500, 60), 60, 40, alone=False)


def seed_of(text: str | None) -> int:
    """The seed that somebody chose, or one that nobody did."""
    if not text:
        return secrets.randbits(32)
    try:
        seed = int(text, 0)
    except ValueError:
        seed = -1
    if not 0 <= seed < 1 << 32:
        raise say.Refusal(f"A seed is a number of 32 bits, such as 0x1234, and not `{text}`.")
    return seed


def counts(output: str) -> dict[str, list[int]]:
    """What the script printed: `@@count NAME N` and `@@NAME N`."""
    found: dict[str, list[int]] = {}
    for name, number in re.findall(r"^@@(?:count )?(\w+) (-?\d+)$", output, re.M):
        found.setdefault(name, []).append(int(number))
    return found


def verdicts(plan: Plan, output: str) -> dict[str, str]:
    """The name of each thing that is proven, with what is wrong with it, or nothing."""
    found = counts(output)

    def number(name: str) -> int:
        return found.get(name, [-1])[0]

    def at_least(name: str, least: int) -> str:
        return "" if number(name) >= least else f"{number(name)} {name}, and {least} are asked for"

    nodes = found.get("nodes", [])
    grown = nodes[1] - nodes[0] if len(nodes) == 2 else None
    leaks = "the nodes were not counted" if grown is None else f"{grown} nodes more than before"
    tried = number("fired") - number("refused")
    allocates = f"{tried} allocations were tried by commits" if number("fired") > 0 else "nothing was made to fail"
    wrong = {
        "commits": at_least("commits", plan.least) or at_least("displaced", plan.least // 4),
        "requests": at_least("requests", plan.requests) or at_least("operations", plan.requests)
        or at_least("cuts", plan.requests // 40) or at_least("together", plan.requests // 8),
        "injection": at_least("refused", plan.least // 2),
        "sweep": at_least("failed", 3 * plan.sweep),
        "reserves": at_least("kept", 2 * plan.reserves) or at_least("returned", plan.reserves),
        "nodes": "" if grown is not None and grown <= _SPARE_NODES else leaks,
    }
    if plan.strict and plan.alone:
        wrong["no allocation"] = "" if number("fired") > 0 and tried == 0 else allocates
    if plan.bound:
        measured = len(MODES) * sum(part.count for part in plan.bound)
        wrong["bound"] = (at_least("measured", measured) or at_least("tight", measured // 10)
                          or at_least("deep", measured // 20))
    if plan.strict:
        wrong["too few nodes"] = at_least("starved", plan.short[1] // 2)
    return wrong


def _outcomes(prefix: str, plan: Plan, seed: int, result: vm.Result, log: Path) -> list[Outcome]:
    name = f"{prefix}/{plan.name}"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"The seed is {seed:#x}.\n{result.transcript}")
    again = f"\nAgain: with {SEED}={seed:#x}"
    if result.dead or result.status:
        return [Outcome(name, False, result.explain() + again, log)]
    return [*(Outcome(f"{name}/{what}", not wrong, wrong + again if wrong else "", log)
              for what, wrong in verdicts(plan, result.output).items()),
            selftests.kernel_log(f"{name}/kernel log", result.unexpected(), log)]


def _seed(kernel: Kernel) -> int:
    seed = seed_of(os.environ.get(SEED))
    say.note(f"The seed of commits under fire on {kernel.name} is {seed:#x}")
    return seed


def native(kernel: Kernel, plans: Sequence[Plan] = NATIVE) -> list[Outcome]:
    """Large trees and spaces, in user-mode Linux."""
    out = modules.build(kernel, extra=modules.tests(kernel))
    seed = _seed(kernel)
    found: list[Outcome] = []
    for plan in plans:
        result = uml.run(kernel, plan.script(seed), insmod=[out / "strata.ko", out / "strata_fire.ko"],
                         append=_append(plan), timeout=plan.timeout)
        found += _outcomes("fire-uml", plan, seed, result, modules.LOGS / f"fire-uml-{plan.name}.log")
    return found


def checked(kernel: Kernel, plan: Plan = CHECKED) -> list[Outcome]:
    """Small ones, with all checkers."""
    out = modules.build(kernel, extra=modules.tests(kernel))
    seed = _seed(kernel)
    result = vm.run(kernel, plan.script(seed), insmod=[out / "strata.ko", out / "strata_fire.ko"],
                    append=_append(plan), timeout=plan.timeout, kmemleak=True)
    return _outcomes(f"fire-{kernel.name}", plan, seed, result, modules.LOGS / f"fire-{kernel.name}.log")


def _append(plan: Plan) -> str:
    # The library's own tests are for another run.
    return f"kunit.filter_glob=none {_STRICT if plan.strict else ''}".rstrip()
