# SPDX-License-Identifier: GPL-2.0
"""objects.py against what nm and objdump print."""

import unittest
from pathlib import Path

from strata import objects

LISTING = """\

zero_cost.o:     file format elf64-x86-64


Disassembly of section .text:

0000000000000000 <.Ltmp0>:
   0:\tnop

0000000000000010 <with_mutex>:
  10:\tendbr64
  14:\tmov    %rdi,%rbx
  18:\tcall   1d <with_mutex+0xd>
\t\t\t19: R_X86_64_PLT32\tmutex_lock-0x4
  1d:\tje     43 <with_mutex+0x13>
  3e:\tjmp    43 <with_mutex+0x33>
\t\t\t3f: R_X86_64_PLT32\t__x86_return_thunk-0x4
  43:\tdata16 cs nopw 0x0(%rax,%rax,1)

0000000000000060 <plain_mutex>:
  60:\tendbr64
  64:\tmov    %rdi,%rbx
  68:\tcall   6d <plain_mutex+0xd>
\t\t\t69: R_X86_64_PLT32\tmutex_lock-0x4
  6d:\tje     93 <plain_mutex+0x13>
  8e:\tjmp    93 <plain_mutex+0x33>
\t\t\t8f: R_X86_64_PLT32\t__x86_return_thunk-0x4
  93:\txchg   %ax,%ax
  95:\tnop
"""


class Code(unittest.TestCase):
    def test_functions(self):
        code = objects.functions(LISTING)["with_mutex"]
        self.assertEqual(code[2:5], ["call <self+0xd>", "R_X86_64_PLT32 mutex_lock-0x4", "je <self+0x13>"])
        self.assertEqual(code[-1], "R_X86_64_PLT32 __x86_return_thunk-0x4")

    def test_equal(self):
        (outcome,) = objects.compare(LISTING)
        self.assertTrue(outcome.passed, outcome.detail)

    def test_another_call(self):
        (outcome,) = objects.compare(LISTING.replace("mutex_lock-0x4", "mutex_lock_nested-0x4", 1))
        self.assertFalse(outcome.passed)
        self.assertIn("with   R_X86_64_PLT32 mutex_lock_nested-0x4", outcome.detail)

    def test_one_more(self):
        (outcome,) = objects.compare(LISTING.replace("  14:\t", "  12:\tpush   %rax\n  14:\t"))
        self.assertIn("8 lines of code against 7", outcome.detail)

    def test_another_jump(self):
        (outcome,) = objects.compare(LISTING.replace("with_mutex+0x13", "with_mutex+0x17"))
        self.assertFalse(outcome.passed)

    def test_half_a_pair(self):
        (outcome,) = objects.compare(LISTING.replace("plain_", "bare_"))
        self.assertFalse(outcome.passed)

    def test_nothing_to_compare(self):
        (outcome,) = objects.compare("")
        self.assertFalse(outcome.passed)


class References(unittest.TestCase):
    def banned(self, *names, pattern=objects._LOCKDEP):
        (outcome,) = objects.references([Path("/o/x.ko")], {"/o/x.ko": list(names)}, pattern)
        return not outcome.passed

    def test_lockdep(self):
        for name in ("lock_acquire", "fs_reclaim_acquire", "dma_fence_begin_signalling", "mutex_lock_nested",
                     "__might_sleep", "lockdep_register_key", "debug_locks", "down_read_nested",
                     "lockdep_rcu_suspicious"):
            with self.subTest(name):
                self.assertTrue(self.banned("kfree", name))

    def test_what_stock_has(self):
        for name in ("mutex_lock", "mutex_trylock", "__SCT__might_resched", "rust_helper_mutex_assert_is_held",
                     "folio_lock_acquired", "dma_fence_signal", "strata_helper_memalloc_noio_save"):
            with self.subTest(name):
                self.assertFalse(self.banned(name))

    def test_empty_helpers(self):
        for name in ("strata_helper_might_alloc_kernel", "strata_helper_non_block_start", "strata_helper_prime"):
            with self.subTest(name):
                self.assertTrue(self.banned(name, pattern=objects._EMPTY))

    def test_object_that_was_not_read(self):
        self.assertTrue(self.banned())


if __name__ == "__main__":
    unittest.main()
