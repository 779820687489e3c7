# SPDX-License-Identifier: GPL-2.0
"""The violation corpus: code that breaks the kernel's rules, and what the kernel must say about each case.

There are two: raw C, in tests/lockdep, and Rust that goes behind the back of
our types, in tests/misuse. The cases are functions of a module; what is
expected of them stands in cases.toml beside it, whose format the first lines
of tests/lockdep/cases.toml explain.
Each case runs in a VM of its own, restored from one snapshot, because lockdep
reports once per boot. Allowed actions are the exception: many of them share a
VM, since silence of all together says more than silence of each, and only when
one speaks up are they taken apart.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import tomllib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import kernels, modules, paths, say, vm
from .console import Report
from .outcome import Outcome, tally

SOURCE = paths.TOP / "tests" / "lockdep"
CASES = SOURCE / "cases.toml"
DEBUGFS = Path("/sys/kernel/debug")

# After one of these lockdep has turned itself off.
LOCKDEP_KINDS = {"circular", "recursive", "inconsistent", "irq-inversion", "wait-context", "unbalanced",
                 "held-freed", "held-at-exit", "nested-not-taken", "unregistered-key"}
# These name two locks, and a case must say which.
TWO_LOCKS = {"circular", "recursive"}

LEGAL, BLIND = "legal", "blind spot: "
BATCH = 12  # allowed actions that share a VM
SIDE_BY_SIDE = min(4, os.cpu_count() or 2)  # each VM has one processor
TIMEOUT = 60.0


class BadCases(say.Refusal):
    """cases.toml says something that cannot be meant."""


@dataclass(frozen=True)
class Corpus:
    """A module with cases, and what is expected of them."""

    name: str
    cases: Path
    folder: Path
    modules: Callable[[kernels.Kernel], list[Path]]


def _raw_modules(kernel: kernels.Kernel) -> list[Path]:
    return [modules.corpus(kernel) / "strata_corpus.ko"]


def _misuse_modules(kernel: kernels.Kernel) -> list[Path]:
    folder = modules.build(kernel, extra=modules.tests(kernel))
    return [folder / "strata.ko", folder / "strata_misuse.ko"]


CORPORA = (
    Corpus("corpus", CASES, DEBUGFS / "strata_corpus", _raw_modules),
    Corpus("misuse", paths.TOP / "tests" / "misuse" / "cases.toml", DEBUGFS / "strata_misuse", _misuse_modules),
)


@dataclass(frozen=True)
class Expected:
    """One report that the kernel must print; what is None or empty may be anything."""

    kind: str
    want: str | None = None
    held: str | None = None
    chain: tuple[str, ...] = ()
    title: str = ""

    def __str__(self) -> str:
        return _describe(self.kind, self.want, self.held, self.chain, self.title and f"/{self.title}/")

    def matches(self, report: Report) -> bool:
        return (report.kind == self.kind
                and self.want in (None, report.want)
                and self.held in (None, report.held)
                and self.chain in ((), tuple(report.chain))
                and re.search(self.title, report.title) is not None)


@dataclass(frozen=True)
class Case:
    """One case: what is run in the guest, and what must come of it.

    `context` and `action` place it in the table of rules; `rows` are the rules
    that it is about. `why` is empty where a report is expected, else "legal",
    or "blind spot: " and the reason for which the kernel does not see it.
    """

    name: str
    context: str
    action: str
    what: str
    run: tuple[str, ...]
    rows: tuple[int, ...] = ()
    expect: tuple[Expected, ...] = ()
    then: tuple[str, ...] = ()
    why: str = ""
    after: tuple[str, ...] = ()
    ends: str = ""
    debug_locks: int = 1

    @property
    def silent(self) -> bool:
        return not self.expect


@dataclass(frozen=True)
class Seen:
    """What came of a case. A value of debug_locks is None where it could not be read."""

    before: int | None
    after: int | None
    status: int | None
    dead: str | None
    reports: Sequence[Report]


# --- cases.toml ------------------------------------------------------------

CASE_KEYS = {"what", "row", "expect", "then", "silent", "why", "run", "after", "ends", "context", "action",
             "debug_locks"}


def load(path: Path = CASES) -> list[Case]:
    """All cases, the allowed cells of each context among them."""
    return parse(tomllib.loads(path.read_text()))


def rows(path: Path = CASES) -> dict[int, str]:
    """The rules that the cases are about, by number."""
    return {int(number): text for number, text in tomllib.loads(path.read_text())["rows"].items()}


def parse(data: dict[str, Any]) -> list[Case]:
    known = {int(number) for number in data["rows"]}
    cases: list[Case] = []
    for context, entries in data.items():
        if context == "rows":
            continue
        what = entries.get("what", "")
        cases += [Case(_name(context, action), context, action, what, (_name(context, action),), why=LEGAL)
                  for action in entries.get("legal", ())]
        cases += [_case(context, key, entry) for key, entry in entries.items() if isinstance(entry, dict)]
    _check(cases, known)
    return cases


def _name(*parts: str) -> str:
    return "_".join(parts).replace("-", "_")


def _case(context: str, key: str, entry: dict[str, Any]) -> Case:
    """A case under its context is the cell of the action it is named after; a story names both."""
    if unknown := entry.keys() - CASE_KEYS:
        raise BadCases(f"cases.toml: {context}.{key} has unknown keys: {', '.join(sorted(unknown))}.")
    story = context == "story"
    name = _name(key) if story else _name(context, key)
    expect = tuple(Expected(e["kind"], e.get("want"), e.get("held"), tuple(e.get("chain", ())), e.get("title", ""))
                   for e in entry.get("expect", ()))
    quiet = not any(e.kind in LOCKDEP_KINDS for e in expect)
    return Case(name, entry["context"] if story else context, entry["action"] if story else key,
                entry.get("what", ""), tuple(entry.get("run", (name,))), tuple(_listed(entry.get("row", ()))),
                expect, tuple(entry.get("then", ())), entry.get("why", "") if entry.get("silent") else "",
                tuple(_listed(entry.get("after", ()))), entry.get("ends", ""),
                entry.get("debug_locks", int(quiet)))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _check(cases: Sequence[Case], known_rows: set[int]) -> None:
    names = [case.name for case in cases]
    wrong = [f"{name} stands there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for case in cases:
        wrong += [f"{case.name} {complaint}" for complaint in _contradictions(case, known_rows)]
    used = {row for case in cases for row in case.rows}
    wrong += [f"no case is about row {row}" for row in sorted(known_rows - used)]
    if wrong:
        raise BadCases("cases.toml: " + "; ".join(wrong) + ".")


def _contradictions(case: Case, known_rows: set[int]) -> Iterator[str]:
    if case.silent == (not case.why):
        yield "must have either `expect`, or `silent` with a `why`"
    if case.why and case.why != LEGAL and not case.why.startswith(BLIND):
        yield f"has a `why` that is neither `{LEGAL}` nor begins with `{BLIND}`"
    if not case.what:
        yield "does not say what it does"
    if not case.rows and case.why != LEGAL:
        yield "does not say which row it is about"
    if unknown := set(case.rows) - known_rows:
        yield f"names unknown rows {sorted(unknown)}"
    if case.ends not in ("", "panic", "hang"):
        yield f"cannot end as `{case.ends}`"
    for expected in case.expect:
        if expected.kind in TWO_LOCKS and not (expected.want and expected.held):
            yield "does not name both locks of a report"


def mismatches(cases: Iterable[Case], listed: Iterable[str]) -> list[str]:
    """What is only in cases.toml or only in the module."""
    ours = {step for case in cases for step in case.run}
    theirs = set(listed)
    return ([f"{name} is in the module and not in cases.toml" for name in sorted(theirs - ours)]
            + [f"{name} is in cases.toml and not in the module" for name in sorted(ours - theirs)])


# --- the verdict -----------------------------------------------------------

def judge(case: Case, seen: Seen) -> list[str]:
    """What differs from what was expected; empty when all is as it should be."""
    wrong: list[str] = []
    if seen.before != 1:
        return [f"void: debug_locks was {seen.before} before the case ran"]
    wrong += _judge_reports(case, [report for report in seen.reports if not report.consequence])
    if case.ends == "panic":
        if not any(report.kind in ("oops", "bug", "panic") for report in seen.reports) or seen.dead is None:
            wrong.append("expected: the machine dies of it; it did not")
        return wrong
    if seen.dead:
        wrong.append(f"the VM died: {seen.dead}")
    elif seen.status != 0:
        hang = " (expected: it hangs)" if case.ends == "hang" else ""
        wrong.append(f"the case did not do what it is for: status {seen.status}{hang}")
    if seen.after != case.debug_locks and not seen.dead:
        wrong.append(f"expected: debug_locks {case.debug_locks} afterwards, seen: {seen.after}")
    return wrong


def _judge_reports(case: Case, reports: list[Report]) -> list[str]:
    expected, rest = case.expect, reports[len(case.expect):]
    same = (len(reports) >= len(expected)
            and all(e.matches(r) for e, r in zip(expected, reports))
            and all(r.kind in case.then for r in rest))
    if same:
        return []
    due = "; ".join(map(str, expected)) or "silence"
    shown = "; ".join(map(_shown, reports)) or "silence"
    return [f"expected: {due}, seen: {shown}"]


def _shown(report: Report) -> str:
    title = "" if report.kind in TWO_LOCKS else report.title
    return _describe(report.kind, report.want, report.held, report.chain, title)


def _describe(kind: str, want: str | None, held: str | None, chain: Sequence[str], title: str) -> str:
    parts = [f"want {want}" if want else "", f"held {held}" if held else "",
             f"chain {' <- '.join(chain)}" if chain else "", title]
    said = ", ".join(part for part in parts if part)
    return f"{kind} ({said})" if said else kind


# --- in the guest ----------------------------------------------------------

LOCKS = "grep debug_locks: /proc/lockdep_stats"
# For the commands that follow a case.
CALLS = 'calls() { read -r calls < FOLDER/calls; test "$calls" "$@"; }'
# For cases that set the task's make_it_fail where memory is to be short: from here on what they
# allocate then fails, if it may not wait.
NO_MEMORY = """\
no_memory() {
	for setting in task-filter:Y ignore-gfp-wait:Y verbose:0 times:-1 probability:100; do
		echo "${setting#*:}" > DEBUGFS/failslab/${setting%%:*} || return
	done
}"""


def script(case: Case, folder: Path = CORPORA[0].folder) -> str:
    """The shell commands that run a case between two looks at debug_locks."""
    steps = " && ".join([*(f"echo {step} > {folder}/run" for step in case.run), *case.after])
    body = HANGING.replace("STEPS", steps) if case.ends == "hang" else f"{steps}\nstatus=$?\n"
    calls = CALLS.replace("FOLDER", str(folder))
    shell = f"{calls}\n{NO_MEMORY.replace('DEBUGFS', str(DEBUGFS))}"
    return f"{shell}\n{LOCKS}\n{body}{LOCKS}\nexit $status\n"


# Status 0 when the steps sleep where no signal wakes them, and stay there.
HANGING = """\
( STEPS ) &
status=1 asleep=0
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	sleep 1
	read -r pid name state rest < /proc/$!/stat || break
	[ "$state" = D ] && asleep=$((asleep + 1)) || asleep=0
	[ $asleep -eq 2 ] && status=0 && break
done
"""


def observe(result: vm.Result) -> Seen:
    values = [int(value) for value in re.findall(r"^ *debug_locks: +(\d)", result.output, re.MULTILINE)]
    before, after = (values + [None, None])[:2]
    return Seen(before, after, result.status, result.dead, result.reports)


# --- all of it -------------------------------------------------------------

def run(kernel: kernels.Kernel, pattern: str | None = None) -> list[Outcome]:
    """Run the cases whose name matches `pattern`, all without one, and judge them."""
    outcomes = [outcome for corpus in CORPORA for outcome in _run(kernel, corpus, pattern)]
    if not outcomes:
        raise say.Refusal(f"No case of the corpus matches `{pattern}`.")
    return outcomes


def _run(kernel: kernels.Kernel, corpus: Corpus, pattern: str | None) -> list[Outcome]:
    cases = load(corpus.cases)
    chosen = [case for case in cases if pattern is None or re.search(pattern, case.name)]
    if not chosen:
        return []
    own = corpus.modules(kernel)
    logs = paths.OUT / "log" / f"{corpus.name}-{kernel.name}"
    logs.mkdir(parents=True, exist_ok=True)
    # One processor: no second one turns lockdep off, or prints, in the middle of a report.
    with (say.step(f"Lockdep {corpus.name} on {kernel.name}", total=len(chosen), log=logs) as step,
          vm.Snapshot(kernel, insmod=own, memory="512M", cpus=1, append="cma=16M") as snapshot):
        outcomes = [_check_guest(snapshot, corpus, cases, kernel.name)]
        runner = _Runner(snapshot, corpus, kernel.name, logs, step.advance)
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for found in pool.map(runner.batch, batches(chosen)):
                outcomes += found
    return outcomes


def batches(cases: Iterable[Case]) -> list[list[Case]]:
    """Allowed cells of one context share a VM; whatever else there is has one of its own."""
    shared: dict[str, list[Case]] = {}
    alone: list[list[Case]] = []
    for case in cases:
        if case.why == LEGAL and case.run == (case.name,) and not case.after:
            shared.setdefault(case.context, []).append(case)
        else:
            alone.append([case])
    return [group[at:at + BATCH] for group in shared.values() for at in range(0, len(group), BATCH)] + alone


def _check_guest(snapshot: vm.Snapshot, corpus: Corpus, cases: list[Case], kernel: str) -> Outcome:
    """The running kernel has all checkers on, and its module the cases that we know."""
    with snapshot.session() as session:
        config = session.run("cat /proc/config.gz", timeout=TIMEOUT)
        listed = session.run(f"{LOCKS} && cat {corpus.folder}/cases", timeout=TIMEOUT)
    lacking = kernels.missing(_unzipped(config.raw))
    if lacking:
        raise say.Refusal(f"The running kernel lacks {', '.join(lacking)}, without which violations pass in silence.")
    if listed.status != 0:
        raise say.Refusal(f"The corpus cannot run: {listed.explain()}")
    wrong = mismatches(cases, (line for line in listed.output.splitlines() if ":" not in line))
    return Outcome(f"{corpus.name}/{kernel}", not wrong, "; ".join(wrong))


def _unzipped(raw: bytes) -> str:
    try:
        return gzip.decompress(raw).decode()
    except (OSError, EOFError, zlib.error):
        return ""


class _Runner:
    """Runs batches of cases in sessions of one snapshot."""

    def __init__(self, snapshot: vm.Snapshot, corpus: Corpus, kernel: str, logs: Path,
                 progress: Callable[[int, str], None]) -> None:
        self._snapshot = snapshot
        self._corpus = corpus
        self._kernel = kernel
        self._logs = logs
        self._progress = progress

    def batch(self, cases: list[Case]) -> list[Outcome]:
        outcomes = self._together(cases) if len(cases) > 1 else [self._alone(cases[0])]
        self._progress(len(cases), cases[-1].name)
        return outcomes

    def _together(self, cases: list[Case]) -> list[Outcome]:
        """Allowed cases one after the other in one VM, and each by itself if that was not silent."""
        steps = tuple(step for case in cases for step in case.run)
        name = f"{cases[0].name}_and_{len(cases) - 1}_more"
        together = self._alone(Case(name, cases[0].context, "", "Allowed actions in one VM.", steps, why=LEGAL))
        if together.passed:
            return [Outcome(self._title(case), True) for case in cases]
        outcomes = [self._alone(case) for case in cases]
        return outcomes if not all(outcome.passed for outcome in outcomes) else [*outcomes, together]

    def _alone(self, case: Case) -> Outcome:
        result = self._session(case)
        log = self._logs / f"{case.name}.log"
        log.write_text(f"{case.what}\n\n$ {result.command}\n{result.output}\n{result.console}")
        wrong = judge(case, observe(result))
        return Outcome(self._title(case), not wrong, "; ".join(wrong), log)

    def _title(self, case: Case) -> str:
        return f"{self._corpus.name}/{self._kernel}/{case.name}"

    def _session(self, case: Case) -> vm.Result:
        with self._snapshot.session() as session:
            return session.run(script(case, self._corpus.folder), timeout=TIMEOUT)


# --- the verb --------------------------------------------------------------

def main(arguments: Sequence[str]) -> int:
    """Run the corpus of violations, or the cases that a developer is working on."""
    parser = argparse.ArgumentParser(prog="scripts/run corpus", description=main.__doc__)
    parser.add_argument("pattern", nargs="?", help="only cases whose name matches this regular expression")
    parser.add_argument("--kernel", choices=("debug", "next"), default="debug", help="which kernel (default: debug)")
    parser.add_argument("--list", action="store_true", help="say what the cases are, and run none")
    options = parser.parse_args(arguments)
    if options.list:
        return _list(options.pattern)
    outcomes = run(kernels.get(options.kernel, boot=True), options.pattern)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in failed:
        say.line(f"{outcome.line()}\n     read: {outcome.log or CASES}")
    say.line(tally(outcomes))
    return 1 if failed else 0


def _list(pattern: str | None) -> int:
    for case in (case for corpus in CORPORA for case in load(corpus.cases)):
        if re.search(pattern or "", case.name):
            verdict = case.why or "; ".join(map(str, case.expect))
            say.line(f"{case.name}\n    {case.what}\n    {verdict}")
    return 0
