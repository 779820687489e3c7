# SPDX-License-Identifier: GPL-2.0
"""gpuvm.py: what is run, and what must have come of it."""

from __future__ import annotations

import re
import unittest
from unittest import mock

from strata import gpuvm, paths, say
from strata.gpuvm import Ran

SOURCE = paths.TOP / "tests" / "gpuvm"

DIFFERENCE = """\
[    5.1] strata_gpuvm: wide: seed 0x2a: 600 requests, 1200 operations, at most 9 mappings
[    5.2] strata_gpuvm: small: seed 0x2a: request 312 differs, plan::va is not drm_gpuvm
[    5.2] strata_gpuvm: small: seed 0x2a: request 312 differs, va is not drm_gpuvm
[    5.2] strata_gpuvm: small:   request 0 of these: Unmap(Area { addr: 1003, range: 4 })
"""


def counts(*zero: str) -> str:
    names = [f"map.before.at.keep{chr(ord('a') + number % 26)}{chr(ord('a') + number // 26)}"
             for number in range(gpuvm.COUNTS - len(zero))]
    return "".join([*(f"{name} 7\n" for name in names), *(f"{name} 0\n" for name in zero)])


class Seeds(unittest.TestCase):
    def test_one_that_is_chosen(self) -> None:
        self.assertEqual(gpuvm.seed_of("0x2a"), 42)
        self.assertEqual(gpuvm.seed_of("42"), 42)

    def test_one_that_is_not(self) -> None:
        self.assertEqual(len({gpuvm.seed_of(None) for _ in range(9)}), 9)

    def test_what_is_none(self) -> None:
        for text in ("today", "-1", hex(1 << 64)):
            with self.assertRaisesRegex(say.Refusal, "64 bits"):
                gpuvm.seed_of(text)


class Scripts(unittest.TestCase):
    def test_a_long_run_asks_each_regime_once(self) -> None:
        script = gpuvm.long_script(42, gpuvm.REGIMES)
        for regime, count in gpuvm.REGIMES.items():
            self.assertEqual(script.count(f"ask {regime} random '0x2a {count}'"), 1)
        self.assertEqual(script.count("&\n"), 2)
        self.assertGreaterEqual(sum(gpuvm.REGIMES.values()), gpuvm.LEAST)

    def test_one_regime_alone(self) -> None:
        self.assertEqual(gpuvm.long_script(42, {"wide": 9}).count("&\n"), 1)

    def test_a_short_run_asks_for_all_that_is_wrong(self) -> None:
        script = gpuvm.short_script(42)
        for fault, regime in gpuvm.FAULTS.items():
            self.assertIn(f"ask {regime} {fault} '0x2a {gpuvm.SHORT} {fault}'", script)
        # Which regime a difference was in says which fault it was.
        self.assertEqual(len(set(gpuvm.FAULTS.values())), len(gpuvm.FAULTS))


class Verdicts(unittest.TestCase):
    def test_what_ran(self) -> None:
        output = "@@ran wide random 0\nmap.at.at.keep 3\n@@ran small keep 1\n"
        self.assertEqual(gpuvm.ran(output), [Ran("wide", "random", 0), Ran("small", "keep", 1)])

    def test_a_run(self) -> None:
        self.assertEqual(gpuvm.judge_run(Ran("wide", "random", 0), DIFFERENCE), "")
        wrong = gpuvm.judge_run(Ran("small", "random", 1), DIFFERENCE)
        self.assertIn("seed 0x2a: request 312 differs", wrong)
        self.assertIn("addr: 1003", wrong)
        self.assertNotIn("1200 operations", wrong)
        self.assertIn("status 1", gpuvm.judge_run(Ran("small", "random", 1), ""))
        self.assertIn("did not run", gpuvm.judge_run(None, ""))

    def test_a_wrong_answer_must_be_found(self) -> None:
        failed = Ran("small", "keep", 1)
        self.assertEqual(gpuvm.judge_fault("keep", failed, DIFFERENCE), "")
        self.assertIn("was not found", gpuvm.judge_fault("keep", Ran("small", "keep", 0), DIFFERENCE))
        self.assertIn("was not found", gpuvm.judge_fault("keep", failed, ""))
        self.assertIn("was not found", gpuvm.judge_fault("order", Ran("wide", "order", 1), DIFFERENCE))
        self.assertIn("did not run", gpuvm.judge_fault("keep", None, DIFFERENCE))
        half = DIFFERENCE.replace("differs, va", "differs, nothing")
        self.assertIn("was not found", gpuvm.judge_fault("keep", failed, half))
        early = DIFFERENCE.replace("312", "12")
        self.assertIn("request 12", gpuvm.judge_fault("keep", failed, early))

    def test_all_must_have_been_seen(self) -> None:
        self.assertEqual(gpuvm.unseen(counts()), [])
        self.assertEqual(gpuvm.unseen(counts("unmap.at.at")), ["unmap.at.at"])
        self.assertEqual(len(gpuvm.unseen("")), 1)

    def test_enough_must_have_been_accepted(self) -> None:
        self.assertEqual(gpuvm.too_few("accepted 200003\n" + counts(), gpuvm.LEAST), "")
        self.assertIn("199999 requests", gpuvm.too_few("accepted 199999\n" + counts(), gpuvm.LEAST))
        self.assertIn("0 requests", gpuvm.too_few(counts(), gpuvm.LEAST))

    def test_lists_must_be_the_same(self) -> None:
        regimes, faults = (" ".join(names) for names in (gpuvm.REGIMES, gpuvm.FAULTS))
        self.assertEqual(gpuvm.unlisted(f"@@regimes {regimes}\n@@faults {faults}\n"), [])
        self.assertEqual(gpuvm.unlisted(f"@@regimes {regimes} more\n@@faults {faults}\n"), ["more, of the regimes"])
        self.assertEqual(len(gpuvm.unlisted(f"@@regimes {regimes}\n")), len(gpuvm.FAULTS))


class Module(unittest.TestCase):
    def test_it_has_the_same_names(self) -> None:
        regimes = re.findall(r'^        name: "(\w+)",$', (SOURCE / "regime.rs").read_text(), re.M)
        self.assertEqual(regimes, list(gpuvm.REGIMES))
        faults = re.findall(r'^    \("(\w+)", Fault::', (SOURCE / "fault.rs").read_text(), re.M)
        self.assertEqual(faults, list(gpuvm.FAULTS))

    def test_it_compares_as_many(self) -> None:
        names = re.findall(r'Self::new\(regime, "([a-z:]+)"', (SOURCE / "compared.rs").read_text())
        self.assertEqual(set(names), gpuvm.COMPARED)

    def test_it_counts_as_much(self) -> None:
        others = (SOURCE / "coverage.rs").read_text().partition("const OTHERS")[2].partition("];")[0]
        self.assertEqual(27 + len(re.findall(r'^    "', others, re.M)), gpuvm.COUNTS)


class Again(unittest.TestCase):
    def test_the_seed_of_the_environment(self) -> None:
        with mock.patch.dict("os.environ", {gpuvm.SEED: "0x2a"}):
            with mock.patch.object(gpuvm, "run", return_value=[]) as run, mock.patch.object(gpuvm.kernels, "get"):
                self.assertEqual(gpuvm.main(["--regime", "wide"]), 0)
                self.assertEqual(run.call_args.args[1:], (42, {"wide": gpuvm.REGIMES["wide"]}))
                gpuvm.main(["--seed", "7"])
                self.assertEqual(run.call_args.args[1:], (7, None))


if __name__ == "__main__":
    unittest.main()
