# SPDX-License-Identifier: GPL-2.0
"""The selftests' runner: results as Outcomes, and what refuses a machine."""

import dataclasses
import os
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from strata import choice, console, selftests, selftests_here, vm

KTAP = """TAP version 13
1..2
# timeout set to 600
# selftests: strata: pool
# TAP version 13
# 1..3
# ok 1 pool.zeroed
# # pool.c:54:stat:Expected 1 (1) == 2 (2)
# not ok 2 pool.stat
# ok 3 pool.cgroup # SKIP no memory controller
not ok 1 selftests: strata: pool # exit=1
# timeout set to 600
# selftests: strata: unload.sh
# TAP version 13
# 1..1
# ok 1 strata: users loaded
ok 2 selftests: strata: unload.sh
"""


def result(output: str, *, status: int | None = 0, reports=(), dead: str | None = None) -> vm.Result:
    return vm.Result("command", output, status, "", list(reports), dead, 1.0)


class Outcomes(unittest.TestCase):
    def test_each_test_is_one(self):
        found = selftests.outcomes("kselftest/stock", result(KTAP, status=1), None)
        self.assertEqual([outcome.name for outcome in found], [
            "kselftest/stock/pool/pool.zeroed", "kselftest/stock/pool/pool.stat", "kselftest/stock/pool/pool.cgroup",
            "kselftest/stock/unload.sh/strata: users loaded", "kselftest/stock/kernel log"])
        self.assertEqual([outcome.passed for outcome in found], [True, False, True, True, True])
        self.assertEqual([outcome.skipped for outcome in found], [False, False, True, False, False])
        self.assertIn("Expected 1", found[1].detail)
        self.assertIn("no memory controller", found[2].detail)

    def test_rounds_of_a_soak_all_count(self):
        found = selftests.outcomes("k", result(KTAP * 3), None)
        self.assertEqual(len(found), 3 * 4 + 1)

    def test_report_of_the_kernel_fails_by_its_own_words(self):
        report = console.Report("kasan", "BUG: KASAN: slab-use-after-free", "the whole report")
        log = selftests.outcomes("k", result(KTAP, reports=[report]), None)[-1]
        self.assertFalse(log.passed)
        self.assertIn("slab-use-after-free", log.detail)
        self.assertIn("the whole report", log.detail)

    def test_program_that_skips_says_why(self):
        ktap = ("TAP version 13\n1..2\n# selftests: strata: a\n# TAP version 13\n# 1..0 # SKIP no faults\n"
                "ok 1 selftests: strata: a # SKIP\n# selftests: strata: b\n# TAP version 13\n# 1..1\n# ok 1 b.c # SKIP\n"
                "ok 2 selftests: strata: b\n")
        found = selftests.outcomes("k", result(ktap), None)
        self.assertEqual([(outcome.name, outcome.skipped, outcome.detail) for outcome in found[:2]],
                         [("k/a", True, "no faults"), ("k/b/b.c", True, "")])

    def test_failures_that_were_asked_for_are_none(self):
        trace = "CPU: 0 UID: 0 PID: 9 Comm: x\nCall Trace:\n <TASK>\n warn_alloc+0x1/0x2\n </TASK>\nMem-Info:\n"
        asked = f"load_fault: vmalloc error: size 4096, vm_struct allocation failed, mode:0xcc0(GFP_KERNEL)\n{trace}"
        other = f"pool_pressure: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL)\n{trace}"
        worse = "BUG: KASAN: slab-use-after-free in f+0x1/0x2\n" + "=" * 40 + "\n"
        found = selftests.unasked(console.parse(asked + worse + asked + other))
        self.assertEqual([(report.kind, report.title.partition(":")[0]) for report in found],
                         [("kasan", "BUG"), ("alloc-failure", "pool_pressure")])

    def test_dead_machine_fails_and_keeps_its_results(self):
        found = selftests.outcomes("k", result(KTAP.split("not ok 1")[0], status=None, dead="timeout"), None)
        self.assertIn("k/vm", [outcome.name for outcome in found if not outcome.passed])
        self.assertTrue(any("pool.zeroed" in outcome.name and outcome.passed for outcome in found))

    def test_no_results_at_all_is_a_failure(self):
        found = selftests.outcomes("k", result("sh: not found\n", status=127), None)
        self.assertFalse(found[0].passed)
        self.assertIn("127", found[0].detail)


SERIES = choice.SERIES["stock"]
GOOD = selftests_here.Machine(
    root=True, release=f"{SERIES}.5-amd64", build=Path("/build"), tree_release=f"{SERIES}.5-amd64",
    config={name: "y" for name in ("RUST", "MODULES", "MODULE_UNLOAD", "DEBUG_FS", "MMU_NOTIFIER")},
    lockdown="[none] integrity confidentiality\n")


class Refusals(unittest.TestCase):
    def refused(self, **changes) -> str:
        why = selftests_here.refusal(dataclasses.replace(GOOD, **changes))
        self.assertIsNotNone(why)
        return why

    def test_a_machine_that_fits_is_not_refused(self):
        self.assertIsNone(selftests_here.refusal(GOOD))
        newer = dataclasses.replace(GOOD, release="8.0.0", tree_release="8.0.0", loaded=frozenset({"strata_other"}))
        self.assertIsNone(selftests_here.refusal(newer))

    def test_not_root(self):
        self.assertIn("sudo", self.refused(root=False))

    def test_too_old(self):
        for release in ("6.1.0-26-amd64", "7.1.99", "nonsense"):
            self.assertIn(f"needs {SERIES} or newer", self.refused(release=release))

    def test_no_build_tree(self):
        self.assertIn("not the build tree", self.refused(is_tree=False, config={}, metadata=False))

    def test_without_rust(self):
        config = {name: value for name, value in GOOD.config.items() if name != "RUST"}
        self.assertIn("without CONFIG_RUST,", self.refused(config=config))

    def test_without_metadata(self):
        self.assertIn("make kernel-tree", self.refused(metadata=False))

    def test_tree_of_another_kernel(self):
        self.assertIn("is running", self.refused(tree_release=f"{SERIES}.6-amd64"))

    def test_loaded_already(self):
        why = self.refused(loaded=frozenset({"strata", "strata_pool", "ext4"}))
        self.assertTrue(why.endswith("rmmod strata_pool strata"))

    def test_locked_down(self):
        self.assertIn("locked down", self.refused(lockdown="none [integrity] confidentiality\n"))

    def test_no_debugfs(self):
        self.assertIn("mount -t debugfs", self.refused(debugfs=False))

    def test_this_machine_can_be_looked_at(self):
        self.assertEqual(selftests_here.look().root, os.geteuid() == 0)


class Descendants(unittest.TestCase):
    def test_orphans_are_ended_too(self):
        others = selftests_here._children()
        with selftests_here._reaper():
            # The shell leaves a sleeper behind, in a session of its own.
            shell = subprocess.run(["sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!"], check=True, text=True,
                                   capture_output=True)
            orphan = Path("/proc") / shell.stdout.strip()
            self.assertTrue(orphan.exists())
            selftests_here._end_descendants(others)
            deadline = time.monotonic() + 5
            while orphan.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertFalse(orphan.exists())


if __name__ == "__main__":
    unittest.main()
