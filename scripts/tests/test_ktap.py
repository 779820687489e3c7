# SPDX-License-Identifier: GPL-2.0
"""ktap.py against output as KUnit and kselftest print it."""

import unittest

from strata import ktap

KUNIT = """\
[    3.112000] KTAP version 1
[    3.112000] 1..1
[    3.120000]     KTAP version 1
[    3.120000]     # Subtest: strata_range
[    3.120000]     # module: strata_range_test
[    3.120000]     1..4
[    3.124000]     ok 1 empty
[    3.128000]     # overlap: EXPECTATION FAILED at range_test.c:31
[    3.128000]     Expected a == b, but
[    3.128000]         a == 3 (0x3)
[    3.128000]         b == 4 (0x4)
[    3.132000]     not ok 2 overlap
[    3.136000]     ok 3 huge # SKIP needs 1 TiB
[    3.140000]         KTAP version 1
[    3.140000]         # Subtest: split
[    3.144000]         ok 1 at the start
[    3.148000]         ok 2 at the end
[    3.152000]     # split: pass:2 fail:0 skip:0 total:2
[    3.152000]     ok 4 split
[    3.156000] # strata_range: pass:2 fail:1 skip:1 total:4
[    3.156000] # Totals: pass:3 fail:1 skip:1 total:5
[    3.160000] not ok 1 strata_range
"""

KSELFTEST = """\
TAP version 13
1..2
# timeout set to 45
# selftests: strata: pool
# TAP version 13
# 1..3
# # Starting 3 tests from 1 test cases.
# #  RUN           global.create ...
# #            OK  global.create
# ok 1 global.create
# #  RUN           global.share ...
# # pool.c:41:share:Expected 0 (0) == ret (-1)
# # share: Test terminated by assertion
# #          FAIL  global.share
# not ok 2 global.share
# #  RUN           global.cma ...
# #      SKIP      no CMA area
# ok 3 global.cma # SKIP no CMA area
# # FAILED: 2 / 3 tests passed.
# # Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0
not ok 1 selftests: strata: pool # exit=1
# timeout set to 45
# selftests: strata: load.sh
# loading
ok 2 selftests: strata: load.sh
"""


def found(text: str) -> list[tuple[str, str]]:
    return [(test.path, test.status) for test in ktap.parse(text)]


class Documents(unittest.TestCase):
    def test_kunit_on_the_console(self) -> None:
        self.assertEqual(found(KUNIT), [
            ("strata_range/empty", "pass"), ("strata_range/overlap", "fail"),
            ("strata_range/huge", "skip"), ("strata_range/split/at the start", "pass"),
            ("strata_range/split/at the end", "pass")])
        overlap = ktap.parse(KUNIT)[1]
        self.assertIn("EXPECTATION FAILED at range_test.c:31", overlap.detail)
        self.assertEqual(ktap.parse(KUNIT)[2].detail, "needs 1 TiB")

    def test_kselftest_runner(self) -> None:
        pool = "selftests: strata: pool"
        self.assertEqual(found(KSELFTEST), [
            (f"{pool}/global.create", "pass"), (f"{pool}/global.share", "fail"),
            (f"{pool}/global.cma", "skip"), ("selftests: strata: load.sh", "pass")])
        self.assertEqual(ktap.parse(KSELFTEST)[1].detail,
                         "pool.c:41:share:Expected 0 (0) == ret (-1); "
                         "share: Test terminated by assertion")

    def test_two_documents_in_a_row(self) -> None:
        self.assertEqual(found("TAP version 13\n1..1\nok 1 a\n" * 2), [("a", "pass")] * 2)

    def test_other_output_is_no_test(self) -> None:
        self.assertEqual(found("ok 1 looks like one\nnot ok 2 does not\n"), [])


class Losses(unittest.TestCase):
    def test_planned_and_missing(self) -> None:
        self.assertEqual(found("TAP version 13\n1..3\nok 1 a\n"),
                         [("a", "pass"), ("test 2", "fail"), ("test 3", "fail")])

    def test_crash_within_a_suite(self) -> None:
        crashed = KUNIT[:KUNIT.index("[    3.136000]")]
        self.assertEqual(found(crashed), [
            ("strata_range/empty", "pass"), ("strata_range/overlap", "fail"),
            ("strata_range/test 3", "fail"), ("strata_range/test 4", "fail")])

    def test_crash_before_the_first_result(self) -> None:
        crashed = KUNIT[:KUNIT.index("[    3.124000]")]
        self.assertEqual({status for _, status in found(crashed)}, {"fail"})

    def test_crash_without_a_plan(self) -> None:
        self.assertEqual(found("KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: s\n  ok 1 a\n"),
                         [("s/a", "pass"), ("s", "fail")])

    def test_suite_that_fails_without_a_failed_test(self) -> None:
        text = "KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  ok 1 a\nnot ok 1 s\n"
        self.assertEqual(found(text), [("s/a", "pass"), ("s", "fail")])

    def test_bail_out(self) -> None:
        self.assertEqual(found("TAP version 13\nok 1 a\nBail out! no device\n"),
                         [("a", "pass"), ("bail out", "fail")])


class Directives(unittest.TestCase):
    def test_each(self) -> None:
        text = ("TAP version 13\n1..6\nok 1 a # SKIP no root\nnot ok 2 b # TODO later\n"
                "not ok 3 c # XFAIL known\nnot ok 4 d # TIMEOUT 45 seconds\nok 5 - e\nok 6\n")
        self.assertEqual([(t.name, t.status, t.detail) for t in ktap.parse(text)], [
            ("a", "skip", "no root"), ("b", "skip", "TODO later"), ("c", "skip", "XFAIL known"),
            ("d", "fail", "TIMEOUT 45 seconds"), ("e", "pass", ""), ("test 6", "pass", "")])

    def test_summary(self) -> None:
        self.assertEqual(ktap.summary(ktap.parse(KSELFTEST)), "2 passed, 1 failed, 1 skipped")
        self.assertEqual(ktap.summary([]), "0 passed, 0 failed")


if __name__ == "__main__":
    unittest.main()
