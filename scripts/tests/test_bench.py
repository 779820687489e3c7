# SPDX-License-Identifier: GPL-2.0
"""bench.py on what a workload prints: the ratios, what fails, and the table."""

import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from strata import bench, modules, paths
from strata.qemu import Machine
from strata.workloads import SPREAD, Measure, Workload

WORKLOAD = Workload("walk", "a walk", ("strata",), "true",
                    (Measure("step", "step", 1.05), Measure("count", "count", None, "peer")))
TIMED = replace(WORKLOAD, timed=True)


def printed(*samples: str) -> str:
    return "\n".join(["something else", *(f"@@bench {sample}" for sample in samples), ""])


GOOD = printed("step ours 10 1040", "step C 10 1000", "step ours 10 1040", "step C 10 1000",
               "count ours 2 90", "count C 2 1", "count peer 2 30")


def wrong(output: str, workload: Workload = WORKLOAD) -> str:
    return bench.compare(workload, output)[0].wrong


class Ratios(unittest.TestCase):
    def test_by_unit(self) -> None:
        step, count = bench.compare(WORKLOAD, GOOD)
        self.assertEqual((*step.shown, step.wrong), (104, 100, ""))
        self.assertAlmostEqual(step.ratio, 1.04)
        # Without a bound, a figure is only told.
        self.assertEqual((count.ratio, count.wrong), (3, ""))

    def test_over_the_bound(self) -> None:
        self.assertIn("1.060 of what C took", wrong(printed("step ours 10 1060", "step C 10 1000")))
        self.assertEqual(wrong(printed("step ours 10 1050", "step C 10 1000")), "")

    def test_times_that_differ(self) -> None:
        text = wrong(printed("step ours 10 1000", "step ours 10 1002", "step C 10 1000"))
        self.assertIn("0.20% more", text)
        self.assertEqual(wrong(printed("step ours 10 10000", "step ours 10 10001", "step C 10 10000")), "")

    def test_sides_that_did_not_do_the_same(self) -> None:
        self.assertIn("9, 10 units", wrong(printed("step ours 9 900", "step C 10 1000")))
        self.assertIn("0 units", wrong(printed("step ours 0 900", "step C 0 1000")))

    def test_sides_that_did_not_see_the_same(self) -> None:
        self.assertEqual(wrong(printed("step ours 10 1000 7", "step C 10 1000 7")), "")
        self.assertIn("7, 8", wrong(printed("step ours 10 1000 7", "step C 10 1000 8")))

    def test_time(self) -> None:
        # Each pair ran side by side: the third had a neighbour.
        output = printed("step ours 10 1100", "step C 10 1000", "step ours 10 1200", "step C 10 1000",
                         "step ours 10 9000", "step C 10 9000")
        row = bench.compare(TIMED, output)[0]
        self.assertAlmostEqual(row.ratio, 1.1)
        self.assertEqual(row.wrong, "")
        self.assertNotEqual(wrong(output), "")

    def test_a_side_that_is_missing(self) -> None:
        for output in ("", printed("step ours 10 1000"), printed("step C 10 1000"), printed("jump ours 1 1")):
            self.assertEqual(wrong(output), "it was not measured")


class Clock(unittest.TestCase):
    def test_instructions(self) -> None:
        self.assertEqual(bench.clock("@@clock 2000000 2000001\n"), "")

    def test_other_clocks(self) -> None:
        self.assertIn("did not say", bench.clock("@@bench step ours 1 1\n"))
        for counted in (4857283, 1999000):
            self.assertIn(str(counted), bench.clock(f"@@clock 2000000 {counted}\n"))
        self.assertNotEqual(bench.clock("@@clock 0 0\n"), "")

    def test_the_machine_counts(self) -> None:
        arguments = Machine(icount=True, cpus=1).arguments()
        self.assertEqual(arguments[arguments.index("-icount") + 1], "shift=0,sleep=off")
        self.assertIn("tcg,thread=single", arguments)
        self.assertNotIn("-icount", Machine().arguments())


class Report(unittest.TestCase):
    def test_table(self) -> None:
        lines = bench.table(bench.compare(WORKLOAD, GOOD))
        self.assertEqual(lines[1].split(), ["walk/step", "step", "104.0", "C", "100.0", "1.040", "1.05", "0.00%"])
        self.assertEqual(lines[2].split(), ["walk/count", "count", "45.0", "peer", "15.0", "3.000", "0.00%"])

    def test_table_of_what_was_not_measured(self) -> None:
        self.assertEqual(bench.table(bench.compare(WORKLOAD, ""))[1].split(), ["walk/step", "step", "C", "1.05"])

    def test_record(self) -> None:
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(bench, "RESULTS", Path(folder) / "bench"):
            path = bench.record(SimpleNamespace(release="7.2"), WORKLOAD, bench.compare(WORKLOAD, GOOD))
            figures = json.loads(path.read_text())
        self.assertEqual((figures["workload"], figures["kernel"]), ("walk", "7.2"))
        self.assertEqual(figures["measures"][0], {
            "name": "step", "unit": "step", "bound": 1.05, "against": "C", "spread": SPREAD,
            "ours": [[10, 1040], [10, 1040]], "other": [[10, 1000], [10, 1000]], "ratio": 1.04, "wrong": ""})

    def run_with(self, output: str, **given) -> list[str]:
        """The names of what failed where a VM printed this."""
        reports, workload = given.pop("reports", []), given.pop("workload", WORKLOAD)
        result = SimpleNamespace(output=output, console="", transcript="", dead=None, status=0, unexpected=lambda: reports,
                                 explain=lambda: "it died")
        vars(result).update(given)
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(bench, "RESULTS", Path(folder)), \
                mock.patch.object(modules, "LOGS", Path(folder)), \
                mock.patch.object(modules, "tests", return_value=[]), \
                mock.patch.object(modules, "build", return_value=Path(folder)), \
                mock.patch.object(bench.kernels, "get", return_value=SimpleNamespace(release="7.2")) as get, \
                mock.patch.object(bench.uml, "run", return_value=result), \
                mock.patch.object(bench.vm, "run", return_value=result) as run:
            _, outcomes = bench.run([workload])
        get.assert_called_once_with("native" if workload.timed else "stock")
        self.assertEqual([call.kwargs["icount"] for call in run.call_args_list], [] if workload.timed else [True])
        return [outcome.name for outcome in outcomes if not outcome.passed]

    def test_outcomes(self) -> None:
        clock = "@@clock 2000000 2000000\n"
        self.assertEqual(self.run_with(clock + GOOD), [])
        self.assertEqual(self.run_with(GOOD), ["bench/walk/clock"])
        self.assertEqual(self.run_with(clock), ["bench/walk/step/C", "bench/walk/count/peer"])
        self.assertEqual(self.run_with(clock + GOOD, dead="panic"), ["bench/walk"])
        self.assertEqual(self.run_with(clock + GOOD, status=1), ["bench/walk"])
        # No clock counts instructions where time is measured.
        self.assertEqual(self.run_with(GOOD, workload=TIMED), [])
        self.assertEqual(self.run_with("", workload=TIMED), ["bench/walk/step/C", "bench/walk/count/peer"])
        report = SimpleNamespace(title="WARNING", text="at")
        self.assertEqual(self.run_with(clock + GOOD, reports=[report]), ["bench/walk/kernel log"])


class Registry(unittest.TestCase):
    def test_what_is_declared_is_there(self) -> None:
        kbuild = (paths.TOP / "Kbuild").read_text()
        for workload in bench.WORKLOADS:
            self.assertTrue((paths.TOP / "bench" / workload.name.split(".")[0]).is_dir(), workload.name)
            self.assertTrue(workload.measures)
            keys = [(measure.name, measure.against) for measure in workload.measures]
            self.assertEqual(len(keys), len(set(keys)), workload.name)
            for module in workload.modules:
                self.assertIn(f"{module}-y :=", kbuild)


if __name__ == "__main__":
    unittest.main()
