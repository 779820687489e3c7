# SPDX-License-Identifier: GPL-2.0
"""`make check`: every test there is, and one line at the end that counts them.

Builds go first, one after the other, since each uses all processors. Then what
runs in VMs and what runs on the host share two lanes.
"""

from __future__ import annotations

import argparse
import os
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from . import bench, corpus, fire, gpuvm, kernels, kunit, modules, objects, peers, pressure, quality, rules, say, selftests, ui
from .outcome import Outcome, tally

LANES = 2

# Where a reader of a failure finds more: files and folders of the tree.
REQUIRED = "scripts/config/required.txt"
BUILDING = "Documentation/building.rst"
STYLE = "README.md (Contributing)"
CORPORA = "tests/lockdep/cases.toml, tests/misuse/cases.toml, Documentation/testing.rst"
SELFTESTS = "tools/testing/selftests/strata"
PRESSURE = "tools/testing/selftests/strata/full.c, scripts/strata/pressure.py"
PLAN = "rust/plan"
BENCH = "bench, Documentation/testing.rst"
PEERS = "tests/peers, Documentation/testing.rst"
FIRE = "tests/fire, Documentation/testing.rst"
GPUVM = "tests/gpuvm, Documentation/testing.rst"


@dataclass(frozen=True)
class Part:
    """A piece of the check: what it is called, what it does, and where a reader finds more."""

    name: str
    run: Callable[[], list[Outcome]]
    more: str = ""


def _guarded(part: Part) -> tuple[Part, list[Outcome], float]:
    """Runs a part. That it could not be run is a failure of it, not of the others."""
    began = time.monotonic()
    try:
        found = part.run()
        if not found:
            found = [Outcome(part.name, False, "it ran no test")]
    except say.Refusal as refusal:
        found = [Outcome(part.name, False, str(refusal), getattr(refusal, "log", None))]
    except Exception:  # noqa: BLE001 - the others are to run, and this is to be seen
        found = [Outcome(part.name, False, traceback.format_exc())]
    return part, found, time.monotonic() - began


def _show(part: Part, found: list[Outcome], elapsed: float) -> None:
    say.line(f"{part.name}: {tally(found)} ({say.span(elapsed)})")
    for outcome in found:
        if outcome.skipped or not outcome.passed:
            say.line(f"  {outcome.line()}")
            if not outcome.passed:
                more = [str(outcome.log)] if outcome.log else []
                more += [part.more] if part.more else []
                if more:
                    say.line(f"       read: {', '.join(more)}")


def _run(parts: list[Part], lanes: int) -> list[Outcome]:
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(lanes) as pool:
        for part, found, elapsed in pool.map(_guarded, parts):
            _show(part, found, elapsed)
            outcomes += found
    return outcomes


def _finish(outcomes: list[Outcome], began: float) -> int:
    failed = [outcome for outcome in outcomes if not outcome.passed and not outcome.skipped]
    if failed:
        say.line("\nFailed:")
        for outcome in failed:
            say.line(f"  {outcome.name}" + (f"  ({outcome.log})" if outcome.log else ""))
    say.line(f"\nAll of it took {say.span(time.monotonic() - began)}.")
    say.line(tally(outcomes))
    return 1 if failed else 0


def _all(began: float, only: str | None, builds: list[Part], runs: list[Part]) -> int:
    """Runs the parts, or those that are asked for: builds one by one, then the rest side by side."""
    def chosen(parts: list[Part]) -> list[Part]:
        return [part for part in parts if only is None or only in part.name]

    return _finish(_run(chosen(builds), 1) + _run(chosen(runs), LANES), began)


def _parser(verb: str, text: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"scripts/run {verb}", description=text)
    parser.add_argument("--only", metavar="TEXT", help="only the parts whose name contains TEXT (for developers)")
    return parser


def main(arguments: Sequence[str]) -> int:
    """check: every test there is. Ends with `N passed, N failed`."""
    only = _parser("check", main.__doc__).parse_args(arguments).only
    began = time.monotonic()
    stock, debug, following = kernels.get("stock"), kernels.get("debug"), kernels.get("next")
    say.line(f"Checking on {stock.describe()}\n            {debug.describe()}\n            {following.describe()}\n")

    builds = [
        Part("config", lambda: config(debug), REQUIRED),
        Part("build", lambda: build(stock, debug), BUILDING),
        Part("build-next", lambda: build_next(following), BUILDING),
        Part("style", lambda: [*quality.formatting(), *quality.checkpatch(),
                               *quality.lints(stock), *quality.lints(debug)], STYLE),
        Part("doc", lambda: quality.documentation(stock), "rust/strata"),
    ]
    runs = [
        Part("corpus", lambda: corpus.run(debug), CORPORA),
        Part("kselftest-debug", lambda: selftests.run(debug), SELFTESTS),
        Part("kselftest-stock", lambda: selftests.run(stock), SELFTESTS),
        Part("pressure-debug", lambda: pressure.run(debug), PRESSURE),
        Part("pressure-stock", lambda: pressure.run(stock), PRESSURE),
        Part("peers-debug", lambda: peers.run(debug), PEERS),
        Part("peers-stock", lambda: peers.run(stock), PEERS),
        Part("kunit", lambda: kunit.run(debug), "rust/strata"),
        Part("kunit-uml", lambda: kunit.run(kernels.get("uml", boot=True)), "rust/strata"),
        Part("fire-debug", lambda: fire.checked(debug), FIRE),
        Part("fire-uml", lambda: fire.native(kernels.get("uml", boot=True)), FIRE),
        Part("gpuvm-debug", lambda: gpuvm.run(debug), GPUVM),
        Part("bench", lambda: bench.check(), BENCH),
        Part("ui", lambda: ui.run(stock), "tests/ui, Documentation/rules.rst"),
        Part("host", quality.host_tests, PLAN),
        Part("scripts", quality.script_tests, "scripts/tests"),
        Part("rules", rules.check, "tests/rules.toml"),
        Part("zero-cost", lambda: objects.check(stock, modules.out(stock)), "tests/zero_cost.rs"),
    ]
    return _all(began, only, builds, runs)


def config(kernel: kernels.Kernel) -> list[Outcome]:
    """The checking kernel has its checkers: without them violations pass in silence."""
    lacking = kernels.missing(kernel.config_text)
    return [Outcome(f"config/{kernel.name}", not lacking, f"lacks {', '.join(lacking)}" if lacking else "")]


def build(*targets: kernels.Kernel) -> list[Outcome]:
    """The modules for the kernels that tests run on, with all that the tests load."""
    for kernel in targets:
        modules.build(kernel, extra=modules.tests(kernel))
        modules.corpus(kernel)
    return [Outcome(f"build/{kernel.name}", True) for kernel in targets]


def build_next(kernel: kernels.Kernel) -> list[Outcome]:
    """Our modules against the kernel after this one: what breaks next is found early."""
    modules.build(kernel, extra=modules.tests(kernel))
    return [Outcome("build/next", True)]


def main_next(arguments: Sequence[str]) -> int:
    """check-next: boots the next kernel, and runs kselftests, peers, pressure, KUnit, corpus, fire and gpuvm there."""
    only = _parser("check-next", main_next.__doc__).parse_args(arguments).only
    began = time.monotonic()
    following = kernels.get("next", boot=True)
    say.line(f"Checking on {following.describe()}\n")
    return _all(began, only, [
        Part("config", lambda: config(following), REQUIRED),
        Part("build", lambda: build(following), BUILDING),
    ], [
        Part("corpus", lambda: corpus.run(following), CORPORA),
        Part("kselftest", lambda: selftests.run(following), SELFTESTS),
        Part("peers", lambda: peers.run(following), PEERS),
        Part("pressure", lambda: pressure.run(following), PRESSURE),
        Part("kunit", lambda: kunit.run(following), "rust/strata"),
        Part("fire", lambda: fire.checked(following), FIRE),
        Part("gpuvm", lambda: gpuvm.run(following), GPUVM),
    ])


def main_soak(arguments: Sequence[str]) -> int:
    """soak: what takes longer than check may: the selftests, gpuvm and the pure crate, at length."""
    only = _parser("soak", main_soak.__doc__).parse_args(arguments).only
    began = time.monotonic()
    stock, debug = kernels.get("stock"), kernels.get("debug")
    os.environ["PROPTEST_CASES"] = "200000"
    return _all(began, only, [Part("build", lambda: build(stock, debug), BUILDING)], [
        Part("kselftest-stock", lambda: selftests.run(stock, soak=True), SELFTESTS),
        Part("kselftest-debug", lambda: selftests.run(debug, soak=True), SELFTESTS),
        Part("gpuvm-stock", lambda: gpuvm.soak(stock), GPUVM),
        Part("host", quality.host_tests, PLAN),
    ])
