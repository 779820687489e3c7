# SPDX-License-Identifier: GPL-2.0
"""What needs no kernel to run: formatting, lints, documentation, and the tests of the pure parts."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import kernels, modules, paths, say
from .kernels import Kernel
from .outcome import Outcome
from .sysroot import Sysroot

_PLAN = paths.TOP / "rust" / "plan"
_KERNEL_C = ("rust/helpers", "tests/lockdep", "tests/gpuvm", "bench", "include", "samples/vbind/trace.c",
             "samples/vbind/trace.h")
_USER_C = ("tools/testing/selftests", "tests/peers", "samples")

# A passed or failed test of cargo.
_CARGO = re.compile(r"^test (.+?) \.\.\. (ok|FAILED)$", re.M)


def _sources(suffix: str, *folders: str) -> list[Path]:
    """Files of the tree, as git would list them: not what was built."""
    found = []
    for folder in folders:
        top = paths.TOP / folder
        found += [top] if top.suffix == suffix else [path for path in top.rglob(f"*{suffix}") if "target" not in path.parts]
    return sorted(found)


def _crate_roots() -> list[Path]:
    """The Rust files that are no module of another one: rustfmt finds the others through them."""
    sources = _sources(".rs", "rust", "samples", "tests", "bench")
    return [path for path in sources
            if path.stem in ("lib", path.parent.name) or path.parent.name in ("tests", "ui")]


def _rustfmt(*, check: bool) -> subprocess.CompletedProcess[str]:
    config = kernels.get("stock").source / ".rustfmt.toml"
    mode = ["--check"] if check else []
    return Sysroot.get().run(["rustfmt", *mode, "--edition", "2021", "--config-path", config, *_crate_roots()],
                             capture=True, check=False)


def formatting() -> list[Outcome]:
    """rustfmt, with the kernel's configuration."""
    done = _rustfmt(check=True)
    files = sorted(set(re.findall(r"^Diff in (\S+?):\d+", done.stdout, re.M)))
    detail = f"`make fmt` changes {', '.join(files)}" if files else done.stderr.strip()[-300:]
    return [Outcome("style/rustfmt", done.returncode == 0 and not done.stdout, detail)]


def lints(kernel: Kernel) -> list[Outcome]:
    """clippy with the kernel's lints, and in the samples the ban on what takes no token."""
    name = f"style/clippy-{kernel.name}"
    try:
        log = modules.clippy(kernel, extra=["STRATA_TESTS=y", "STRATA_BENCH=y"])
    except say.StepFailed as error:
        return [Outcome(name, False, "clippy or the build complains", error.log)]
    return [Outcome(name, True, log=log)]


def checkpatch() -> list[Outcome]:
    """The kernel's style check, on our C files.

    Not on rust/exports.c, whose macro is the one of the kernel's own file. In
    user space, `volatile` is what memory that others change is read through.
    """
    log = modules.LOGS / "checkpatch.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    runs = [_checkpatch(_KERNEL_C), _checkpatch(_USER_C, "VOLATILE")]
    text = "".join(run.stdout + run.stderr for run in runs)
    log.write_text(text)
    complaints = [line for line in text.splitlines() if re.search(r": (ERROR|WARNING|CHECK):", line)]
    passed = not complaints and not any(run.returncode for run in runs)
    detail = f"{len(complaints)} complaints, first: {complaints[0]}" if complaints else text.strip()[-300:]
    return [Outcome("style/checkpatch", passed, detail, log)]


def _checkpatch(folders: Sequence[str], *ignored: str) -> subprocess.CompletedProcess[str]:
    script = kernels.get("stock").source / "scripts" / "checkpatch.pl"
    files = _sources(".c", *folders) + _sources(".h", *folders)
    # There is no MAINTAINERS of the kernel here, nor a git tree to ask.
    ignore = ",".join(["FILE_PATH_CHANGES", "SPDX_LICENSE_TAG", *ignored])
    return Sysroot.get().run(["perl", script, "--no-tree", "--terse", "--show-types", "--ignore", ignore, "-f", *files],
                             capture=True, check=False)


def host_tests() -> list[Outcome]:
    """cargo test of the pure crate, with Debian's proptest: no network."""
    log = modules.LOGS / "host.log"
    cargo = ["--config", "source.crates-io.replace-with='debian'",
             "--config", "source.debian.directory='/usr/share/cargo/registry'"]
    with say.step("Testing the pure crate on the host", log=log):
        sysroot = Sysroot.get()
        done = sysroot.run(["cargo", *cargo, "test", "--offline", "--manifest-path", _PLAN / "Cargo.toml",
                            # proptest is worth keeping between clones.
                            "--target-dir", paths.make_cache() / f"cargo-{sysroot.key}"], capture=True, check=False,
                           env={key: value for key, value in os.environ.items() if key.startswith("PROPTEST_")})
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(done.stdout + done.stderr)
    found = [Outcome(f"host/{name}", verdict == "ok", "" if verdict == "ok" else "failed", log)
             for name, verdict in _CARGO.findall(done.stdout)]
    if done.returncode and all(outcome.passed for outcome in found) or not found:
        found.append(Outcome("host/cargo-test", False, done.stderr.strip()[-300:] or "no test ran", log))
    return found


def script_tests() -> list[Outcome]:
    """The unit tests of these scripts."""
    log = modules.LOGS / "scripts.log"
    with say.step("Testing the scripts", log=log):
        done = subprocess.run([sys.executable, "-m", "unittest", "discover", "-v", "-s", paths.TOP / "scripts" / "tests"],
                              text=True, capture_output=True, check=False, cwd=paths.TOP,
                              env={**os.environ, "PYTHONPATH": str(paths.TOP / "scripts"),
                                   "PYTHONDONTWRITEBYTECODE": "1"})
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(done.stdout + done.stderr)
    tests = re.findall(r"^test\w+ \(([\w.]+)\)(?:\n.*)?? \.\.\. (?:.*\n)*?(ok|FAIL|ERROR|skipped.*)$", done.stderr, re.M)
    failed = re.findall(r"^(?:FAIL|ERROR): \S+ \(([\w.]+)\)", done.stderr, re.M)
    count = re.search(r"^Ran (\d+) tests?", done.stderr, re.M)
    ran = int(count[1]) if count else 0
    bad = [Outcome(f"scripts/{where}", False, "see the log", log) for where in failed]
    if done.returncode and not bad or not ran:
        bad.append(Outcome("scripts/unittest", False, done.stderr.strip()[-300:] or "no test ran", log))
    names = {f"scripts/{where}" for where, verdict in tests if verdict == "ok"}
    return [Outcome(name, True) for name in sorted(names - {o.name for o in bad})] + bad


def documentation(kernel: Kernel) -> list[Outcome]:
    """rustdoc of the library; Kbuild makes its warnings errors, so that a second run has them too."""
    try:
        out = modules.build(kernel, extra=["STRATA_DOC=y"])
    except say.StepFailed as error:
        return [Outcome("doc/rustdoc", False, "rustdoc failed, or warned", error.log)]
    index = out / "doc" / "strata" / "index.html"
    return [Outcome("doc/rustdoc", index.exists(), f"there is no {index}")]


def main_doc(arguments: Sequence[str]) -> int:
    """doc: rustdoc of the library."""
    argparse.ArgumentParser(prog="scripts/run doc", description=main_doc.__doc__).parse_args(arguments)
    (outcome,) = documentation(kernels.get("stock"))
    say.line(outcome.line() if not outcome.passed else f"{paths.OUT}/stock/doc/strata/index.html")
    return 0 if outcome.passed else 1


def main_fmt(arguments: Sequence[str]) -> int:
    """fmt: formats the Rust sources with the kernel's configuration."""
    argparse.ArgumentParser(prog="scripts/run fmt", description=main_fmt.__doc__).parse_args(arguments)
    done = _rustfmt(check=False)
    if done.returncode:
        say.line(done.stderr)
    return done.returncode


def main_clippy(arguments: Sequence[str]) -> int:
    """clippy: lints everything, with lockdep (debug) and without it (stock)."""
    argparse.ArgumentParser(prog="scripts/run clippy", description=main_clippy.__doc__).parse_args(arguments)
    outcomes = [outcome for name in ("stock", "debug") for outcome in lints(kernels.get(name))]
    for outcome in outcomes:
        say.line(outcome.line() + (f" ({outcome.log})" if outcome.log and not outcome.passed else ""))
    return 0 if all(outcome.passed for outcome in outcomes) else 1
