# SPDX-License-Identifier: GPL-2.0
"""console.py against consoles as the stock and debug kernels wrote them (data/console)."""

import re
import unittest
from pathlib import Path

from strata import console

DATA = Path(__file__).parent / "data" / "console"

# The reports of each file: kind, a part of the title, and what is missing of it
# or wanted, held where lockdep names locks.
EXPECTED = {
    "alloc-failure": [("alloc-failure", "sh: page allocation failure: order:9")],
    "bad-page": [("bad-page", "BUG: Bad page state in process sh  pfn:07330")],
    "boot-debug": [],
    "boot-stock": [],
    "bug": [("bug", "kernel BUG at faults.c:45!")],
    "circular": [("circular", "possible circular", "drv_mutex", "fs_reclaim")],
    "circular-long": [("circular", "possible circular", "fs_reclaim", "drv_mutex")],
    "dma-api": [("dma-api", "DMA-API: platform faultdma: device driver failed to check map error")],
    "held-at-exit": [("held-at-exit", "lock held when returning to user space!", None, "m1")],
    "held-freed": [("held-freed", "held lock freed!", None, "m")],
    "hung-task": [("hung-task", "task sh:61 blocked for more than 5 seconds"),
                  ("hung-task", "task waiter:62 blocked for more than 5 seconds")],
    "inconsistent": [("inconsistent", "inconsistent lock state", "irq_lock", "sb_writers#3")],
    "irq-inversion": [("irq-inversion", "irq lock inversion", "irq_lock", "r1")],
    "irq-unsafe": [("irq-inversion", "HARDIRQ-safe -> HARDIRQ-unsafe", "r1", "irq_lock")],
    "kasan-double-free": [("kasan", "BUG: KASAN: double-free in fault_write")],
    "kasan-use-after-free": [("kasan", "BUG: KASAN: slab-use-after-free in do_uaf")],
    "list": [("list", "list_del corruption, ")],
    "list-bug": [("list", "list_del corruption, "), ("panic", "Fatal exception")],
    "maple": [("maple", "BUG at fault_write:85 (1)"),
              ("rcu", "lib/maple_tree.c:6635 suspicious", None, "sb_writers#3"),
              ("maple", "WARN at fault_write:85 (1)")],
    "non-static-key": [("unregistered-key", "INFO: trying to register non-static key.")],
    "odebug": [("odebug", "ODEBUG: free active (active state 0)")],
    "oom": [("oom", "Killed process 65 (dd)"), ("oom", "Killed process 60 (sh)"),
            ("panic", "System is deadlocked on memory")],
    "oops": [("oops", "BUG: kernel NULL pointer dereference, address: 0"), ("panic", "Fatal exception")],
    "oops-kasan": [("oops", "Oops: general protection fault"), ("panic", "Fatal exception")],
    "panic": [("panic", "Kernel panic - not syncing: strata: no way on")],
    "rcu": [("rcu", "suspicious RCU usage: faults.c:64", None, "sb_writers#3")],
    "rcu-stall": [("rcu-stall", "rcu_preempt self-detected stall on CPU")],
    "recursive": [("recursive", "possible recursive", "fs_reclaim", "fs_reclaim")],
    "refcount": [("refcount", "refcount_t: underflow; use-after-free.")],
    "rust-panic": [("rust-panic", "panicked at bad_panic.rs:9:28: no value"), ("panic", "Fatal exception")],
    "scheduling": [("sleeping", "scheduling while atomic: sh/61", None, "sb_writers#3"),
                   ("rcu", "include/linux/rcu_sync.h:35"), ("sleeping", "kernel/locking/mutex.c:623"),
                   ("rcu", "include/linux/rcu_sync.h:35", None, "cgroup_threadgroup_rwsem")],
    "slab": [("circular", "possible circular", "console_owner", "&n->list_lock"),
             ("slab", "Objects remaining on __kmem_cache_shutdown()"), ("warn", "kmem_cache_destroy leaky")],
    "ubsan-bounds": [("ubsan", "index 40 is out of range for type 'int [4]'")],
    "ubsan-shift": [("ubsan", "shift exponent 40 is too large for 32-bit type 'int'")],
    "unbalanced": [("unbalanced", "bad unlock balance detected!", "m1", "sb_writers#3")],
    "unregistered-key": [("unregistered-key", "BUG: key ff1100000684ff88 has not been registered!")],
    "wait-context": [("sleeping", "kernel/locking/mutex.c:623", None, "s1"),
                     ("wait-context", "[ BUG: Invalid wait context ]", "m1", "s1")],
    "warn": [("warn", "strata: warned 7 (WARNING: faults.c:43 at fault_write")],
    "warn-on": [("warn", "WARNING: faults.c:44 at fault_write")],
}


def load(name: str) -> str:
    return (DATA / f"{name}.log").read_text()


def one(text: str) -> console.Report:
    reports = console.parse(text)
    assert len(reports) == 1, reports
    return reports[0]


class Captured(unittest.TestCase):
    def test_every_file_has_its_expectation(self) -> None:
        self.assertEqual({path.stem for path in DATA.glob("*.log")}, set(EXPECTED))

    def test_reports(self) -> None:
        for name, expected in EXPECTED.items():
            with self.subTest(name):
                reports = console.parse(load(name))
                self.assertEqual([report.kind for report in reports], [row[0] for row in expected])
                for report, row in zip(reports, expected):
                    self.assertIn(row[1], report.title)
                    self.assertEqual((report.want, report.held), (*row[2:], None, None)[:2])

    def test_timestamps_do_not_matter(self) -> None:
        for name in EXPECTED:
            with self.subTest(name):
                bare = re.sub(r"^\[ *\d+\.\d+\] ", "", load(name), flags=re.MULTILINE)
                self.assertEqual(console.parse(bare), console.parse(load(name)))

    def test_chain(self) -> None:
        self.assertEqual(one(load("circular")).chain, ["fs_reclaim", "drv_mutex"])
        self.assertEqual(one(load("circular-long")).chain,
                         ["drv_mutex", "dma_fence_map", "mmu_notifier_invalidate_range_start", "fs_reclaim"])


class Extent(unittest.TestCase):
    """A report's text is all of it and nothing else."""

    def test_lockdep(self) -> None:
        lines = one(load("circular") + "[    9.000000] next: all is well\n").text.splitlines()
        self.assertRegex(lines[0], "^=+$")
        self.assertEqual(lines[-1], " </TASK>")

    def test_kasan(self) -> None:
        lines = one(load("kasan-use-after-free")).text.splitlines()
        self.assertRegex(lines[0], "^=+$")
        self.assertRegex(lines[-1], "^=+$")
        self.assertIn("Freed by task 61:", lines)

    def test_warning(self) -> None:
        lines = one("before\n" + load("warn") + "after\n").text.splitlines()
        self.assertEqual((lines[0], lines[-1]), (console.CUT_HERE, "---[ end trace 0000000000000000 ]---"))

    def test_locks_at_exit(self) -> None:
        self.assertTrue(one(load("held-at-exit") + "unrelated\n").text.endswith("fault_write+0x5f7/0x1230 [faults]"))

    def test_slab_report_holds_its_warning(self) -> None:
        slab = console.parse(load("slab"))[1]
        self.assertIn("WARNING: mm/slub.c", slab.text)

    def test_a_report_within_another(self) -> None:
        first, inner, _ = console.parse(load("maple"))
        self.assertIn("maple_tree(", first.text)
        self.assertNotIn("maple_tree(", inner.text)


class Interleaved(unittest.TestCase):
    def test_callers_are_told_apart(self) -> None:
        """With CONFIG_PRINTK_CALLER two CPUs' reports do not mix."""
        def called(name: str, caller: str) -> list[str]:
            return [re.sub(r"^(\[[^]]*\])", rf"\1[{caller}]", line) for line in load(name).splitlines()]

        first, second = called("warn", "   T61"), called("circular", "   C1")
        mixed = [line for pair in zip(first, second) for line in pair]
        mixed += second[len(first):] or first[len(second):]
        reports = console.parse("\n".join(mixed))
        self.assertEqual([report.text for report in reports],
                         [one(load("warn")).text, one(load("circular")).text])

    def test_no_report_hides_in_another(self) -> None:
        first, second = load("warn").splitlines(), load("circular").splitlines()
        mixed = first[:6] + second[:20] + first[6:] + second[20:]
        self.assertEqual({report.kind for report in console.parse("\n".join(mixed))}, {"warn", "circular"})


class Consequences(unittest.TestCase):
    def test_panic_after_an_oops(self) -> None:
        self.assertEqual([report.consequence for report in console.parse(load("oops"))], [False, True])
        self.assertEqual(console.cause(console.parse(load("oops"))).kind, "oops")

    def test_panic_of_its_own(self) -> None:
        self.assertFalse(one(load("panic")).consequence)
        self.assertIsNone(console.cause(console.parse(load("warn"))))

    def test_lockdep_off(self) -> None:
        later = console.parse(load("circular") + "INFO: lockdep is turned off.\n")
        self.assertEqual([(r.kind, r.consequence) for r in later][1:], [])
        alone = one("INFO: lockdep is turned off.\n")
        self.assertEqual((alone.kind, alone.consequence), ("lockdep-off", False))


class SingleLines(unittest.TestCase):
    def test_reports(self) -> None:
        for kind, line in (
            ("kmemleak", "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"),
            ("dma-api", "DMA-API: debugging out of memory - disabling"),
            ("oom", "Memory cgroup out of memory: Killed process 71 (pool) total-vm:9000kB"),
            ("lockup", "watchdog: BUG: soft lockup - CPU#1 stuck for 134s! [sh:61]"),
            ("lockup", "watchdog: Watchdog detected hard LOCKUP on cpu 0"),
            ("held-at-exit", "WARNING: sh/61 still has locks held!"),
            ("nested-not-taken", "WARNING: Nested lock was not taken"),
            ("kfence", "BUG: KFENCE: use-after-free read in do_uaf+0x1/0x2"),
            ("warn", "WARNING: at dma_fence_release+0x196/0x590, CPU#1: init/1"),
        ):
            with self.subTest(line):
                self.assertEqual(one(f"[   12.345678] {line}\n").kind, kind)

    def test_no_reports(self) -> None:
        for line in (
            "traps: pool[71] general protection fault ip:401136 sp:7ffd0 error:0 in pool[401000+1000]",
            "pool[71]: segfault at 0 ip 0000000000401136 sp 00007ffd error 6 in pool",
            "DMA-API: preallocated 65536 debug entries",
            "DMA-API: debugging enabled by kernel config",
            "kmemleak: Kernel memory leak detector initialized (mem pool available: 39421)",
            "ACPI BIOS Error (bug): A valid RSDP was not found",
            "test: expects a line with WARNING: in it, and BUG: too",
            "workqueue: drain hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND",
            "rcu: Preemptible hierarchical RCU implementation.",
            "FAULT_INJECTION: forcing a failure.",
        ):
            with self.subTest(line):
                self.assertEqual(console.parse(f"[    1.000000] {line}\n"), [])


if __name__ == "__main__":
    unittest.main()
