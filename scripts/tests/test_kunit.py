# SPDX-License-Identifier: GPL-2.0
"""kunit.py: what the results of a kernel prove, and what a case that skips has to say."""

from __future__ import annotations

import unittest
from unittest import mock

from strata import kunit, vm

GOOD = """KTAP version 1
1..2
    KTAP version 1
    # Subtest: strata_one
    # module: strata
    1..2
    ok 1 works
    ok 2 needs_more # SKIP without SMP there is nothing to see
ok 1 strata_one
    KTAP version 1
    # Subtest: strata_two
    # module: strata
    1..1
    ok 1 works_too
ok 2 strata_two
"""


def wrong(output: str, status: int = 0) -> list[str]:
    result = vm.Result("", output, status, "", [], None, 0.0)
    with mock.patch.object(kunit, "SUITES", {"strata_one", "strata_two"}):
        found = kunit.outcomes("kunit-test", result, None)
    return [outcome.name.removeprefix("kunit-test/") for outcome in found
            if not outcome.passed and not outcome.skipped]


class Outcomes(unittest.TestCase):
    def test_what_is_good(self) -> None:
        self.assertEqual(wrong(GOOD), [])

    def test_a_failure(self) -> None:
        self.assertIn("strata_two/works_too", wrong(GOOD.replace("ok 1 works_too", "not ok 1 works_too")))

    def test_a_suite_that_is_not_there(self) -> None:
        self.assertEqual(wrong(GOOD.replace("strata_two", "strata_three")), ["strata_two", "strata_three"])

    def test_a_skip_without_a_reason(self) -> None:
        text = GOOD.replace(" # SKIP without SMP there is nothing to see", " # SKIP")
        self.assertEqual(wrong(text), ["strata_one/needs_more"])

    def test_a_kernel_that_complains(self) -> None:
        self.assertIn("kernel", wrong(GOOD, status=1))
        self.assertEqual(wrong(""), ["strata_one", "strata_two"])


if __name__ == "__main__":
    unittest.main()
