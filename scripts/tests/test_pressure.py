# SPDX-License-Identifier: GPL-2.0
"""pressure.py: what a case may end in, and what the kernel may say of it."""

from __future__ import annotations

import unittest

from strata import console, pressure, selftests, vm

KILLED = "Out of memory: Killed process 99 (full) total-vm:1kB, anon-rss:1kB"
TRACE = "CPU: 0 UID: 0 PID: 99 Comm: full\nCall Trace:\n <TASK>\n warn_alloc+0x1/0x2\n </TASK>\n"
LAST_WORDS = f"full: page allocation failure: order:0, mode:0x140dca(GFP_HIGHUSER_MOVABLE)\n{TRACE}"
PURGES, DIES = (next(case for case in pressure.CASES if case.killed is killed) for killed in (False, True))


def result(status: int | None, text: str = "", dead: str | None = None) -> vm.Result:
    return vm.Result("full", "", status, text, console.parse(text), dead, 1.0)


class Verdicts(unittest.TestCase):
    def test_what_makes_room_kills_nobody(self) -> None:
        self.assertEqual(pressure.wrong(PURGES, result(0)), "")
        self.assertIn("Killed process", pressure.wrong(PURGES, result(0, KILLED)))
        self.assertIn("page allocation failure", pressure.wrong(PURGES, result(0, LAST_WORDS)))

    def test_the_control_kills(self) -> None:
        self.assertEqual(pressure.wrong(DIES, result(0, KILLED)), "")
        self.assertEqual(pressure.wrong(DIES, result(0, f"{KILLED}\n{LAST_WORDS}")), "")
        self.assertIn("did not report", pressure.wrong(DIES, result(0)))

    def test_nothing_else_is_let_pass(self) -> None:
        worse = f"{KILLED}\nBUG: KASAN: slab-use-after-free in f+0x1/0x2\n" + "=" * 40
        self.assertIn("slab-use-after-free", pressure.wrong(DIES, result(0, worse)))
        other = f"{KILLED}\n{LAST_WORDS.replace('order:0', 'order:3')}"
        self.assertIn("order:3", pressure.wrong(DIES, result(0, other)))

    def test_swap_may_find_no_page_for_its_own_table(self) -> None:
        swapped = next(case for case in pressure.CASES if case.swap)
        table = LAST_WORDS.replace(" warn_alloc+0x1/0x2\n", " warn_alloc+0x1/0x2\n swap_cluster_alloc_table+0x1/0x2\n")
        self.assertEqual(pressure.wrong(swapped, result(0, table)), "")
        self.assertIn("page allocation failure", pressure.wrong(swapped, result(0, f"{table}\n{LAST_WORDS}")))
        self.assertIn("page allocation failure", pressure.wrong(PURGES, result(0, table)))

    def test_failures(self) -> None:
        for case in (PURGES, DIES):
            self.assertIn("status 1", pressure.wrong(case, result(1, KILLED if case.killed else "")))
            self.assertIn("timeout", pressure.wrong(case, result(None, dead="timeout after 300 s")))

    def test_the_program_knows_each_case(self) -> None:
        text = (selftests.SOURCE / "full.c").read_text()
        for case in pressure.CASES:
            self.assertIn(f" *\t{case.name}\t", text)
        self.assertTrue(any(case.killed for case in pressure.CASES))


if __name__ == "__main__":
    unittest.main()
