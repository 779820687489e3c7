# SPDX-License-Identifier: GPL-2.0
"""Our address space and the kernel's own drm_gpuvm, asked the same: they must say the same.

The comparison is a module, tests/gpuvm, which explains itself. Here is how long
it runs in each of its regimes, and what proves that it looked: that each way in
which a request can meet a mapping was seen, and that answers which are made
wrong are found. What is refused is compared too, and does not count. Requests follow from a seed, which is another one each time,
unless $STRATA_GPUVM_SEED or --seed says which.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import kernels, modules, say, selftests, vm
from .kernels import Kernel
from .outcome import Outcome

SEED = "STRATA_GPUVM_SEED"

# How many requests are to be accepted in each regime; the module lists the same names. All together
# they are at least LEAST.
REGIMES = {"small": 50_000, "wide": 25_000, "dense": 25_000, "contiguous": 30_000, "sparse": 30_000,
           "whole": 20_000, "limits": 20_000}
LEAST = 200_000
# What is made wrong, and a regime where there is such a thing.
FAULTS = {"keep": "small", "rest": "dense", "order": "wide", "missing": "contiguous", "taken": "limits",
          "state": "sparse"}
# What the module compares with drm_gpuvm: the steps of the plan, and the address space itself.
COMPARED = {"plan::va", "va"}
# Requests of a run that must fail in its second half, and of one in which leaks are looked for.
SHORT = 400

# Lines of what the module says about a run that are repeated; the log has all.
SHOWN = 12

# Counts of the module: nothing of it may be gone unseen.
COUNTS = 40

_TIMEOUT = 900
_RAN = re.compile(r"^@@ran (\S+) (\S+) (\d+)$", re.M)
_ACCEPTED = re.compile(r"^accepted (\d+)$", re.M)
_COUNT = re.compile(r"^([a-z-]+(?:\.[a-z-]+)+) (\d+)$", re.M)
_DIFFERS = re.compile(r"^(?:\[[^\]\n]*\] ?)*strata_gpuvm: (\S+): seed (\S+): request (\d+) differs, (\S+)", re.M)
_SAID = re.compile(r"^(?:\[[^\]\n]*\] ?)*strata_gpuvm: (\S+): (.*)$", re.M)


@dataclass(frozen=True)
class Ran:
    """What the module was told in its file `run`, and what came of it."""

    regime: str
    what: str
    status: int


@dataclass(frozen=True)
class Difference:
    """The first request of a run whose answers were not the same."""

    regime: str
    seed: int
    request: int
    compared: str


def seed_of(text: str | None) -> int:
    """The seed that somebody chose, or one that nobody did."""
    if not text:
        return secrets.randbits(64)
    try:
        seed = int(text, 0)
    except ValueError:
        seed = -1
    if not 0 <= seed < 1 << 64:
        raise say.Refusal(f"A seed is a number of 64 bits, such as 0x1234, and not `{text}`.")
    return seed


# --- in the guest ----------------------------------------------------------

_PRELUDE = """\
cd /sys/kernel/debug/strata_gpuvm || exit
ask() {
	echo "$1 $3" > run 2> /dev/null
	echo "@@ran $1 $2 $?"
}
"""

# It would take half of the time; for leaks there is the short run.
_NO_KMEMLEAK = """\
[ ! -e ../kmemleak ] || echo off > ../kmemleak
"""


def long_script(seed: int, requests: Mapping[str, int]) -> str:
    """Runs the regimes on two processors, and shows what happened in them."""
    halves: list[list[str]] = [[], []]
    for regime, count in sorted(requests.items(), key=lambda item: -item[1]):
        half = min(halves, key=lambda half: sum(requests[name] for name in half))
        half.append(regime)
    tasks = ["; ".join(f"ask {name} random '{seed:#x} {requests[name]}'" for name in half) for half in halves if half]
    return _PRELUDE + _NO_KMEMLEAK + "".join(f"({task}) &\n" for task in tasks) + "wait\ncat coverage\n"


def short_script(seed: int) -> str:
    """What must be refused, what must be found out, and a little of everything."""
    lines = ["echo @@regimes $(cat regimes)", "echo @@faults $(cat faults)"]
    lines += [f"ask {name} refusals refusals" for name in REGIMES]
    lines += [f"ask {name} random '{seed:#x} {SHORT}'" for name in REGIMES]
    lines += [f"ask {regime} {fault} '{seed:#x} {SHORT} {fault}'" for fault, regime in FAULTS.items()]
    lines += ["cd /", "rmmod strata_gpuvm strata"]
    return _PRELUDE + "\n".join(lines) + "\n"


# --- the verdict -----------------------------------------------------------

def ran(output: str) -> list[Ran]:
    """What the module was told, in order."""
    return [Ran(regime, what, int(status)) for regime, what, status in _RAN.findall(output)]


def differences(text: str) -> list[Difference]:
    """What the module found, from the kernel's log."""
    return [Difference(regime, int(seed, 0), int(request), compared)
            for regime, seed, request, compared in _DIFFERS.findall(text)]


def unseen(output: str) -> list[str]:
    """What never happened, or is not counted at all."""
    counts = {name: int(count) for name, count in _COUNT.findall(output)}
    lacking = [name for name, count in counts.items() if not count]
    if len(counts) != COUNTS:
        lacking.append(f"{len(counts)} counts instead of {COUNTS}")
    return lacking


def too_few(output: str, least: int) -> str:
    """Why too few requests were accepted in all; nothing if they were enough."""
    found = _ACCEPTED.search(output)
    accepted = int(found[1]) if found else 0
    return f"{accepted} requests were accepted, of {least}" if accepted < least else ""


def unlisted(output: str) -> list[str]:
    """Regimes and faults that only the module knows, or only this file."""
    wrong = []
    for kind, ours in (("regimes", REGIMES), ("faults", FAULTS)):
        found = re.search(rf"^@@{kind} (.*)$", output, re.M)
        theirs = set(found[1].split()) if found else set()
        wrong += [f"{name}, of the {kind}" for name in sorted(theirs ^ set(ours))]
    return wrong


def judge_run(done: Ran | None, log: str) -> str:
    """Why a run of random requests, or of those that are refused, did not pass; nothing if it did."""
    if done is None:
        return "it did not run"
    if done.status == 0:
        return ""
    said = [text for regime, text in _SAID.findall(log) if regime == done.regime]
    return "\n".join(said[:SHOWN]) or f"it ended with status {done.status}"


def judge_fault(fault: str, done: Ran | None, log: str) -> str:
    """Why a wrong answer was not found out as it should be; nothing if it was."""
    if done is None:
        return "it did not run"
    found = [each for each in differences(log) if each.regime == FAULTS[fault]]
    if done.status == 0 or {each.compared for each in found} != COMPARED:
        return f"a wrong answer was not found by comparison with {' and '.join(sorted(COMPARED))}"
    if early := [each.request for each in found if each.request < SHORT // 2]:
        return f"a difference was found in request {early[0]}, where nothing was made wrong yet"
    return ""


def _find(runs: Iterable[Ran], regime: str, what: str) -> Ran | None:
    return next((done for done in runs if (done.regime, done.what) == (regime, what)), None)


# --- all of it -------------------------------------------------------------

def run(kernel: Kernel, seed: int | None = None, requests: Mapping[str, int] | None = None) -> list[Outcome]:
    """Compares on this kernel: at length, and then shortly with all that takes more time."""
    seed = seed_of(os.environ.get(SEED)) if seed is None else seed
    chosen = dict(REGIMES if requests is None else requests)
    folder = modules.build(kernel, extra=modules.tests(kernel))
    insmod = [folder / "strata.ko", folder / "strata_gpuvm.ko"]
    checked = "DEBUG_KMEMLEAK" in kernel.config
    say.note(f"The seed of drm_gpuvm's comparison on {kernel.name} is {seed:#x}")

    log = modules.LOGS / f"gpuvm-{kernel.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with say.step(f"Asking drm_gpuvm of {kernel.name}", total=len(chosen), log=log) as step:
        def watch(output: bytes) -> None:
            step.advance(output.count(b"@@ran"))

        long = vm.run(kernel, long_script(seed, chosen), insmod=insmod, timeout=_TIMEOUT, watch=watch)
    log.write_text(long.transcript)
    least = LEAST if requests is None else sum(chosen.values())
    outcomes = _long_outcomes(kernel, seed, chosen, least, long, log)
    if requests is not None:
        return outcomes
    with say.step(f"Asking drm_gpuvm of {kernel.name} what is wrong", log=log):
        short = vm.run(kernel, short_script(seed), insmod=insmod, timeout=_TIMEOUT, kmemleak=checked)
    log.write_text(f"{long.transcript}\n=== short\n{short.transcript}")
    return outcomes + _short_outcomes(kernel, short, log)


def soak(kernel: Kernel) -> list[Outcome]:
    """Compares for ten times as long, and does nothing else."""
    return run(kernel, requests={name: 10 * count for name, count in REGIMES.items()})


def _long_outcomes(kernel: Kernel, seed: int, requests: Mapping[str, int], least: int, result: vm.Result,
                   log: Path) -> list[Outcome]:
    name = f"gpuvm/{kernel.name}"
    runs = ran(result.output)
    outcomes = []
    for regime in requests:
        wrong = judge_run(_find(runs, regime, "random"), result.console)
        again = f"scripts/run gpuvm --kernel {kernel.name} --regime {regime} --seed {seed:#x}"
        outcomes.append(Outcome(f"{name}/{regime}", not wrong, f"{wrong}\nAgain: {again}", log))
    if set(requests) == set(REGIMES):
        wrong = too_few(result.output, least)
        outcomes.append(Outcome(f"{name}/accepted", not wrong, wrong, log))
        lacking = unseen(result.output)
        outcomes.append(Outcome(f"{name}/coverage", not lacking, f"never seen: {', '.join(lacking)}", log))
    return [*outcomes, *_kernel_outcome(f"{name}/kernel log", result, log)]


def _short_outcomes(kernel: Kernel, result: vm.Result, log: Path) -> list[Outcome]:
    name = f"gpuvm/{kernel.name}"
    runs, wrong = ran(result.output), unlisted(result.output)
    outcomes = [Outcome(f"{name}/lists", not wrong, f"not in both lists: {', '.join(wrong)}", log)]
    for what in ("refusals", "random"):
        for regime in REGIMES:
            wrong = judge_run(_find(runs, regime, what), result.console)
            outcomes.append(Outcome(f"{name}/short/{regime}/{what}", not wrong, wrong, log))
    for fault, regime in FAULTS.items():
        wrong = judge_fault(fault, _find(runs, regime, fault), result.console)
        outcomes.append(Outcome(f"{name}/finds/{fault}", not wrong, wrong, log))
    return [*outcomes, *_kernel_outcome(f"{name}/short/kernel log", result, log)]


def _kernel_outcome(name: str, result: vm.Result, log: Path) -> list[Outcome]:
    if result.dead or result.status:
        return [Outcome(name, False, result.explain(), log)]
    return [selftests.kernel_log(name, result.unexpected(), log)]


# --- the verb --------------------------------------------------------------

def main(arguments: Sequence[str]) -> int:
    """gpuvm: our address space against the kernel's own drm_gpuvm, or one regime of it again."""
    parser = argparse.ArgumentParser(prog="scripts/run gpuvm", description=main.__doc__)
    parser.add_argument("--kernel", choices=("stock", "debug", "next"), default="stock",
                        help="which kernel (default: stock, the fastest)")
    parser.add_argument("--seed", help=f"where the requests come from (default: ${SEED}, or a random number)")
    parser.add_argument("--regime", choices=REGIMES, help="only this one, and only the comparison")
    parser.add_argument("--requests", type=int, help="how many to accept in each regime (default: as make check does)")
    options = parser.parse_args(arguments)
    chosen = None
    if options.regime or options.requests:
        names = [options.regime] if options.regime else list(REGIMES)
        chosen = {name: options.requests or REGIMES[name] for name in names}
    seed = seed_of(options.seed or os.environ.get(SEED))
    outcomes = run(kernels.get(options.kernel, boot=True), seed, chosen)
    for outcome in outcomes:
        say.line(outcome.line())
    return 0 if all(outcome.passed for outcome in outcomes) else 1
