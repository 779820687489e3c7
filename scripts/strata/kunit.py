# SPDX-License-Identifier: GPL-2.0
"""KUnit: the library's own tests and the examples of its documentation.

In a VM of a debug kernel, whose maple trees check themselves at each store, so
that large ones are not for it; and natively in user-mode Linux, where the same
suites take them. A case that needs what a kernel has not got skips there, by
its configuration, and says what that is.
"""

from __future__ import annotations

from pathlib import Path

from . import ktap, modules, uml, vm
from .kernels import Kernel
from .outcome import Outcome

# All must be there: a suite that was not built would pass in silence.
SUITES = {"strata_dma_buf", "strata_dma_buf_moves", "strata_dma_buf_others", "strata_doctests", "strata_fence",
          "strata_fence_jobs", "strata_limit", "strata_lru", "strata_maple",
          "strata_maple_cursor", "strata_maple_fuzz", "strata_maple_gap", "strata_maple_locks",
          "strata_maple_readers", "strata_maple_shapes", "strata_maple_slot", "strata_maple_steps",
          "strata_maple_stores", "strata_maple_whole", "strata_reserve", "strata_resv", "strata_scope", "strata_shmem",
          "strata_shrinker", "strata_sync", "strata_va", "strata_va_calls", "strata_va_fuzz", "strata_va_interrupts",
          "strata_va_readers", "strata_va_short", "strata_work"}

# The suites run while the module is loaded: two minutes on an idle machine, more on others.
_TIMEOUT = 1200

# Each suite is a KTAP document of its own.
_SHOW = "for f in /sys/kernel/debug/kunit/*/results; do cat $f; done"


_ENABLE = "kunit.enable=1 kunit.autorun=1"


def run(kernel: Kernel) -> list[Outcome]:
    """Loads the library and its examples; a report of the kernel fails the run."""
    out = modules.build(kernel, extra=modules.tests(kernel))
    insmod = [out / "strata.ko", out / "strata_doctests.ko"]
    if "ARCH=um" in kernel.make_args:
        result = uml.run(kernel, _SHOW, insmod=insmod, append=_ENABLE, timeout=_TIMEOUT)
    else:
        result = vm.run(kernel, _SHOW, insmod=insmod, append=_ENABLE, kmemleak=True, timeout=_TIMEOUT)
    log = modules.LOGS / f"kunit-{kernel.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(result.transcript)
    return outcomes(f"kunit-{kernel.name}", result, log)


def outcomes(prefix: str, result: vm.Result, log: Path | None) -> list[Outcome]:
    """One for each case, one for each suite that did not run, and one for the kernel where it complained."""
    found = [Outcome(f"{prefix}/{test.path}", test.status == "pass", test.detail, log,
                     skipped=test.status == "skip") for test in ktap.parse(result.output)]
    found += [Outcome(outcome.name, False, "it skips without saying why", log)
              for outcome in found if outcome.skipped and not outcome.detail]
    suites = {outcome.name.split("/")[1] for outcome in found}
    found += [Outcome(f"{prefix}/{suite}", False, "the suite did not run", log) for suite in sorted(SUITES - suites)]
    found += [Outcome(f"{prefix}/{suite}", False, "the suite is not in the list of scripts/strata/kunit.py", log)
              for suite in sorted(suites - SUITES)]
    if not result.ok():
        found.append(Outcome(f"{prefix}/kernel", False, result.explain(), log))
    return found
