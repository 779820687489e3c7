# SPDX-License-Identifier: GPL-2.0
"""The kselftests: built against a kernel's source, run in a VM by the kernel's own runner, results as Outcomes.

Everything is linked statically and stands in one folder, laid out as the
kernel's `make kselftest-install` does it; the samples' demo programs are in it
too.  selftests_here.py runs the same folder on this machine.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from . import cache, console, ktap, modules, paths, say, vm
from .kernels import Kernel
from .outcome import Outcome
from .sysroot import Sysroot

COLLECTION = "strata"
SOURCE = paths.TOP / "tools" / "testing" / "selftests" / COLLECTION
MODULES = ("strata", "strata_pool", "strata_vbind", "strata_entry")

# Of the kernel's runner: what it needs where there is a shell and little else.
_RUNNER = ("run_kselftest.sh", "kselftest/runner.sh", "kselftest/ktap_helpers.sh", "kselftest/prefix.pl")

# Where the folder stands in a VM; it is in the PATH there.
_GUEST = "strata"
# The runner writes what the programs say to /dev/stdout, by that name.
_PREPARE = "ln -sf /proc/self/fd/1 /dev/stdout"
_COMMAND = f"/{_GUEST}/run_kselftest.sh -c {COLLECTION}"
# Not only what our modules allocate, but what the kernel does to load them.
_ALL_FAULTS = f"STRATA_ALL_FAULTS=1 /{_GUEST}/run_kselftest.sh -t {COLLECTION}:load_fault"
_SOAK_ROUNDS = 10
# For a hang of the whole VM: each program has its own, in the file `settings`.
_TIMEOUT = 3000


def build(kernel: Kernel) -> Path:
    """The selftests, their runner and the demo programs, built in the sysroot; the folder they are in."""
    place = modules.out(kernel) / "kselftest"
    return build_at(place, kernel.source, kernel.headers(), Sysroot.get().run)


def build_at(place: Path, source: Path, headers: Path, run) -> Path:
    """Builds with a kernel's `source` and installed `headers`; `run` runs a command, as Sysroot.run does."""
    install = place / "install"
    log = paths.OUT / "log" / f"kselftest-build-{place.parent.name}.log"
    place.mkdir(parents=True, exist_ok=True)
    with cache.lock("kselftest", what=str(place), at=place / ".lock"), \
            say.step(f"Building the selftests for {place.parent.name}", log=log) as step:
        make = ["make", "-C", SOURCE, f"-j{os.cpu_count()}", f"KSRC={source}", f"KHDR={headers}",
                f"OUTPUT={place / 'build'}"]
        (place / "build").mkdir(exist_ok=True)
        run([*make, f"INSTALL_PATH={install / COLLECTION}", "install"], log=log, step=step, title=step.title)
        listed = run([*make, "-s", "--no-print-directory", f"COLLECTION={COLLECTION}", "emit_tests"], capture=True)
        (install / "kselftest-list.txt").write_text(listed.stdout)
        for name in _RUNNER:
            (install / name).parent.mkdir(exist_ok=True)
            shutil.copy2(source / "tools" / "testing" / "selftests" / name, install / name)
            (install / name).chmod(0o755)
        for program, demo in _demos().items():
            _compile(demo, install / program, headers, run, log)
    return install


def _demos() -> dict[str, Path]:
    """`pool_demo` is what samples/pool/demo has, and so on."""
    return {f"{path.parent.name}_demo": path for path in sorted((paths.TOP / "samples").glob("*/demo"))}


def _compile(folder: Path, program: Path, headers: Path, run, log: Path) -> None:
    uapi = paths.TOP / "include" / "uapi"
    common = paths.TOP / "samples" / "common"
    sources = sorted(folder.glob("*.c"))
    inputs = [*sources, *folder.glob("*.h"), *common.glob("*.h"), *uapi.rglob("*.h")]
    if program.exists() and program.stat().st_mtime > max(path.stat().st_mtime for path in inputs):
        return
    # Renamed when whole: a VM of another process may be reading it.
    fresh = program.with_name(f".{program.name}.new")
    run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread", "-D_GNU_SOURCE", "-isystem",
         headers / "usr" / "include", f"-I{uapi}", f"-I{common}", "-o", fresh, *sources],
        log=log, title=f"Compiling {program.name}")
    fresh.replace(program)


def files(kernel: Kernel) -> dict[str, Path]:
    """Guest path -> host path of all that `build` made."""
    folder = build(kernel)
    return {f"{_GUEST}/{path.relative_to(folder)}": path for path in sorted(folder.rglob("*")) if path.is_file()}


def run(kernel: Kernel, *, soak: bool = False) -> list[Outcome]:
    """Runs all selftests on `kernel` in a VM. Whatever the kernel reports meanwhile is a failure of its own."""
    folder = modules.build(kernel, extra=modules.tests(kernel))
    programs = files(kernel)
    rounds = _SOAK_ROUNDS if soak else 1
    command = f"{_PREPARE}; {_COMMAND}"
    if rounds > 1:
        command = f"{_PREPARE}; for round in $(seq {rounds}); do {_COMMAND} || exit; done; {_ALL_FAULTS}"
    checked = "DEBUG_KMEMLEAK" in kernel.config
    with say.step(f"Running the selftests on {kernel.name}") as step:
        def watch(output: bytes) -> None:
            step.advance(output.count(b"\nok ") + output.count(b"\nnot ok ")
                         + output.count(b"\n# ok ") + output.count(b"\n# not ok "))

        result = vm.run(kernel, command, insmod=[folder / f"{name}.ko" for name in MODULES], files=programs,
                        kmemleak=checked, swap=vm.SWAP, timeout=_TIMEOUT * rounds, watch=watch)
    log = paths.OUT / "log" / f"kselftest-{kernel.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(result.transcript)
    return outcomes(f"kselftest/{kernel.name}", result, log)


def outcomes(prefix: str, result: vm.Result, log: Path | None) -> list[Outcome]:
    """One for each test, one for the kernel's log, and one for the VM where it died.

    What the kernel tested by itself at boot stands on the console, and is not ours to count.
    """
    found = [Outcome(f"{prefix}/{short_name(test.path)}", test.status != "fail", test.detail, log,
                     skipped=test.status == "skip") for test in ktap.parse(result.output)]
    if result.dead:
        found.append(Outcome(f"{prefix}/vm", False, f"it died: {result.dead}", log))
    elif not found:
        found.append(Outcome(f"{prefix}/runner", False, f"no results; it ended with status {result.status}", log))
    found.append(kernel_log(f"{prefix}/kernel log", unasked(result.unexpected()), log))
    return found


# These make allocations fail. What the kernel says of that is no report of ours; all else that it says is.
_INJECTING = ("pool_fault", "vbind_fault", "vbind_published", "load_fault")


def unasked(reports: Sequence[console.Report]) -> list[console.Report]:
    """The reports, without those of allocations that a program of ours made fail."""
    return [report for report in reports
            if not (report.kind == "alloc-failure" and report.title.partition(": ")[0] in _INJECTING)]


def kernel_log(name: str, reports: Sequence[console.Report], log: Path | None) -> Outcome:
    """Fails with the kernel's own words where it reported anything."""
    text = "\n".join(f"{report.title}\n{report.text}" for report in reports)
    return Outcome(name, not reports, text, log)


def short_name(path: str) -> str:
    """`selftests: strata: pool/pool.stat_counts` is `pool/pool.stat_counts`."""
    return path.removeprefix(f"selftests: {COLLECTION}: ")
