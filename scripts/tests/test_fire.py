# SPDX-License-Identifier: GPL-2.0
"""fire.py: what the machines are asked to do, and what their counts prove."""

from __future__ import annotations

import dataclasses
import re
import unittest

from strata import fire, paths, say

PLAN = fire.Plan("test", (fire.Commits(10, 100, 5),), 300, (fire.Commits(20, 80, 6),), 80, (50, 20), 7, 4,
                 bound=(fire.Bound(30, 40),))
GOOD = """@@nodes 40
@@fired 200
@@refused 200
@@nodes 60
@@count commits 300
@@count displaced 90
@@count refused 200
@@count requests 80
@@count operations 170
@@count cuts 2
@@count together 10
@@count measured 120
@@count tight 12
@@count deep 6
@@count starved 11
@@count sated 3
@@count kept 9
@@count returned 4
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
                ("requests 80", "requests 79", "requests"),
                ("operations 170", "operations 79", "requests"),
                ("cuts 2", "cuts 1", "requests"),
                ("together 10", "together 9", "requests"),
                ("measured 120", "measured 119", "bound"),
                ("tight 12", "tight 11", "bound"),
                ("deep 6", "deep 5", "bound"),
                ("@@fired 200", "@@fired 201", "no allocation"),
                ("@@fired 200", "@@fired 0", "no allocation"),
                ("refused 200", "refused 100", "injection"),
                ("starved 11", "starved 9", "too few nodes"),
                ("failed 30", "failed 20", "sweep"),
                ("kept 9", "kept 7", "reserves"),
                ("returned 4", "returned 3", "reserves"),
                ("@@nodes 60", "@@nodes 460", "nodes")):
            with self.subTest(old=old):
                self.assertIn(name, wrong(GOOD.replace(old, new)))

    def test_nothing_proves_nothing(self) -> None:
        self.assertEqual(set(wrong("")), set(fire.verdicts(PLAN, "")))

    def test_caches_may_have_nodes_at_hand(self) -> None:
        lax = dataclasses.replace(PLAN, bound=(), strict=False)
        self.assertEqual(wrong(GOOD.replace("starved 11", "starved 0"), lax), [])


class Scripts(unittest.TestCase):
    def test_every_mode_does_all(self) -> None:
        script = PLAN.script(5)
        for mode in fire.MODES:
            for command in (f"commits {mode} 10 100 5 5", f"short {mode} 50 20 5", f"sweep {mode} 7 5"):
                self.assertIn(f"\nrun {command}\n", script)

    def test_spaces_are_committed_to_while_allocations_are_counted(self) -> None:
        script = PLAN.script(5)
        self.assertIn("\nrun commits va 20 80 6 5\n", script)
        self.assertLess(script.index("run commits va"), script.index("@@fired"))
        self.assertLess(script.index("run commits va"), script.index("@@refused"))

    def test_the_bound_is_measured_where_it_can_be(self) -> None:
        script = PLAN.script(5)
        for command in ("held reservations", *(f"bound {mode} 30 40 5" for mode in fire.MODES)):
            self.assertIn(f"\nrun {command}\n", script)
            self.assertLess(script.index(command), script.index("fails 0 N\n"))
        # What KASAN delays cannot be counted, nor what a slab has at hand.
        self.assertTrue(fire.NATIVE[0].bound and fire.NATIVE[0].strict)
        self.assertFalse(fire.CHECKED.bound or fire.NATIVE[1].bound)

    def test_the_plans_are_what_is_promised(self) -> None:
        for plan in fire.NATIVE:
            self.assertEqual(max(part.entries for part in plan.commits), 1_000_000)
            self.assertEqual(min(part.entries for part in plan.commits), 1)
            self.assertGreaterEqual(len(fire.MODES) * sum(part.count for part in plan.commits), 200_000)
            self.assertGreaterEqual(plan.least, 200_000)
            self.assertEqual({part.entries for part in plan.spaces}, {1, 1_000, 30_000, 1_000_000})
            self.assertGreaterEqual(plan.requests, 50_000)
        self.assertTrue(fire.CHECKED.strict and fire.NATIVE[0].strict)

    def test_the_module_counts_what_is_read(self) -> None:
        text = (paths.TOP / "tests" / "fire" / "fire.rs").read_text()
        for name in ("commits", "displaced", "refused", "starved", "failed", "requests", "operations", "cuts",
                     "together", "measured", "tight", "deep"):
            self.assertTrue(re.search(rf"^    {name},$", text, re.M), name)


class Seeds(unittest.TestCase):
    def test_one_may_be_chosen(self) -> None:
        self.assertEqual(fire.seed_of("0x1234"), 0x1234)
        self.assertEqual(fire.seed_of("17"), 17)

    def test_otherwise_it_is_another_one_each_time(self) -> None:
        self.assertGreater(len({fire.seed_of(text) for text in (None, "", None, None)}), 1)

    def test_the_module_has_32_bits(self) -> None:
        for text in ("0x100000000", "-1", "seed"):
            with self.assertRaises(say.Refusal):
                fire.seed_of(text)


if __name__ == "__main__":
    unittest.main()
