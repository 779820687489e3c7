# SPDX-License-Identifier: GPL-2.0
"""fire.py: what the machines are asked to do, and what their counts prove."""

from __future__ import annotations

import re
import unittest

from strata import fire, paths

PLAN = fire.Plan("test", (fire.Commits(10, 100, 5),), 300, (50, 20), 7)
GOOD = """@@nodes 40
@@fired 200
@@refused 200
@@nodes 60
@@count commits 300
@@count displaced 90
@@count refused 200
@@count starved 11
@@count sated 3
@@count failed 30
@@count tolerated 1
"""


def wrong(text: str, plan: fire.Plan = PLAN) -> list[str]:
    return [name for name, why in fire.verdicts(plan, text).items() if why]


class Verdicts(unittest.TestCase):
    def test_what_is_good(self) -> None:
        self.assertEqual(wrong(GOOD), [])

    def test_each_count_is_looked_at(self) -> None:
        for old, new, name in (
                ("commits 300", "commits 299", "commits"),
                ("displaced 90", "displaced 9", "commits"),
                ("@@fired 200", "@@fired 201", "no allocation"),
                ("@@fired 200", "@@fired 0", "no allocation"),
                ("refused 200", "refused 100", "injection"),
                ("starved 11", "starved 9", "too few nodes"),
                ("failed 30", "failed 20", "sweep"),
                ("@@nodes 60", "@@nodes 460", "nodes")):
            with self.subTest(old=old):
                self.assertIn(name, wrong(GOOD.replace(old, new)))

    def test_nothing_proves_nothing(self) -> None:
        self.assertEqual(set(wrong("")), set(fire.verdicts(PLAN, "")))

    def test_caches_may_have_nodes_at_hand(self) -> None:
        lax = fire.Plan("lax", PLAN.commits, PLAN.least, PLAN.short, PLAN.sweep, strict=False)
        self.assertEqual(wrong(GOOD.replace("starved 11", "starved 0"), lax), [])


class Scripts(unittest.TestCase):
    def test_every_mode_does_all(self) -> None:
        script = PLAN.script(5)
        for mode in fire.MODES:
            for command in (f"commits {mode} 10 100 5 5", f"short {mode} 50 20 5", f"sweep {mode} 7 5"):
                self.assertIn(f"\nrun {command}\n", script)

    def test_the_plans_are_what_is_promised(self) -> None:
        for plan in fire.NATIVE:
            self.assertEqual(max(part.entries for part in plan.commits), 1_000_000)
            self.assertEqual(min(part.entries for part in plan.commits), 1)
            self.assertGreaterEqual(len(fire.MODES) * sum(part.count for part in plan.commits), 200_000)
            self.assertGreaterEqual(plan.least, 200_000)
        self.assertTrue(fire.CHECKED.strict and fire.NATIVE[0].strict)

    def test_the_module_counts_what_is_read(self) -> None:
        text = (paths.TOP / "tests" / "fire" / "fire.rs").read_text()
        for name in ("commits", "displaced", "refused", "starved", "failed"):
            self.assertTrue(re.search(rf"^    {name},$", text, re.M), name)


if __name__ == "__main__":
    unittest.main()
