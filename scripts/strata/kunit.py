# SPDX-License-Identifier: GPL-2.0
"""KUnit: the library's own tests and the examples of its documentation, in a VM of a debug kernel."""

from __future__ import annotations

from . import ktap, modules, vm
from .kernels import Kernel
from .outcome import Outcome

# All must be there: a suite that was not built would pass in silence.
SUITES = {"strata_doctests", "strata_limit", "strata_lru", "strata_maple", "strata_maple_cursor",
          "strata_maple_fuzz", "strata_maple_gap", "strata_maple_readers", "strata_maple_shapes",
          "strata_maple_slot", "strata_maple_steps", "strata_maple_whole", "strata_scope", "strata_shmem",
          "strata_shrinker", "strata_sync", "strata_va", "strata_va_calls", "strata_va_fuzz", "strata_va_readers",
          "strata_work"}

# The suites run while the module is loaded: two minutes on an idle machine, more on others.
_TIMEOUT = 1200

# Each suite is a KTAP document of its own.
_SHOW = "for f in /sys/kernel/debug/kunit/*/results; do cat $f; done"


def run(kernel: Kernel) -> list[Outcome]:
    """Loads the library and its examples; a report of the kernel fails the run."""
    out = modules.build(kernel, extra=modules.tests(kernel))
    result = vm.run(kernel, _SHOW, insmod=[out / "strata.ko", out / "strata_doctests.ko"],
                    append="kunit.enable=1 kunit.autorun=1", kmemleak=True, timeout=_TIMEOUT)
    log = modules.LOGS / f"kunit-{kernel.name}.log"
    log.write_text(result.transcript)
    prefix = f"kunit-{kernel.name}"
    found = [Outcome(f"{prefix}/{test.path}", test.status == "pass", test.detail, log,
                     skipped=test.status == "skip") for test in ktap.parse(result.output)]
    suites = {outcome.name.split("/")[1] for outcome in found}
    for suite in SUITES - suites:
        found.append(Outcome(f"{prefix}/{suite}", False, "the suite did not run", log))
    if not result.ok():
        found.append(Outcome(f"{prefix}/kernel", False, result.explain(), log))
    return found
