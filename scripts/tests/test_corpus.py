# SPDX-License-Identifier: GPL-2.0
"""corpus.py: the format of cases.toml, the verdict, and that cases.toml and the C agree."""

import re
import unittest

from strata import corpus
from strata.console import Report
from strata.corpus import BadCases, Case, Expected, Seen

CIRCULAR = Expected("circular", "fs_reclaim", "pool_lock")


def report(kind="circular", want="fs_reclaim", held="pool_lock", chain=(), title="", consequence=False):
    return Report(kind, title, "", want, held, list(chain), consequence)


def violation(**changes):
    values = {"expect": (CIRCULAR,), "rows": (1,), "debug_locks": 0}
    return Case(**{"name": "x", "context": "reclaim", "action": "y", "what": "z", "run": ("x",), **values, **changes})


def legal(**changes):
    return violation(**{"expect": (), "why": corpus.LEGAL, "debug_locks": 1, **changes})


def seen(*reports, before=1, after=0, status=0, dead=None):
    return Seen(before, after, status, dead, list(reports))


class Verdict(unittest.TestCase):
    def test_expected_report(self):
        self.assertEqual(corpus.judge(violation(), seen(report())), [])

    def test_silence_where_a_report_is_due(self):
        wrong = corpus.judge(violation(), seen(after=1))
        self.assertEqual(wrong, ["expected: circular (want fs_reclaim, held pool_lock), seen: silence",
                                 "expected: debug_locks 0 afterwards, seen: 1"])

    def test_other_locks(self):
        wrong = corpus.judge(violation(), seen(report(held="other_lock")))
        self.assertEqual(len(wrong), 1)
        self.assertIn("seen: circular (want fs_reclaim, held other_lock)", wrong[0])

    def test_another_report_besides(self):
        self.assertTrue(corpus.judge(violation(), seen(report(), report("warn"))))
        self.assertEqual(corpus.judge(violation(then=("warn",)), seen(report(), report("warn"))), [])

    def test_order_counts(self):
        case = violation(expect=(Expected("sleeping"), CIRCULAR))
        sleeping = report("sleeping", None, None)
        self.assertEqual(corpus.judge(case, seen(sleeping, report())), [])
        self.assertTrue(corpus.judge(case, seen(report(), sleeping)))

    def test_chain_and_title(self):
        case = violation(expect=(Expected("circular", chain=("a", "b"), title="possible .* dependency"),))
        title = "WARNING: possible circular locking dependency"
        self.assertEqual(corpus.judge(case, seen(report(chain=("a", "b"), title=title))), [])
        self.assertTrue(corpus.judge(case, seen(report(chain=("b", "a"), title=title))))
        self.assertTrue(corpus.judge(case, seen(report(chain=("a", "b"), title="WARNING: else"))))

    def test_consequences_are_not_counted(self):
        self.assertEqual(corpus.judge(violation(), seen(report(), report("lockdep-off", consequence=True))), [])

    def test_void_when_lockdep_was_off_before(self):
        for before in (0, None):
            self.assertIn("void", corpus.judge(violation(), seen(report(), before=before))[0])

    def test_silence_is_broken(self):
        self.assertEqual(corpus.judge(legal(), seen(after=1)), [])
        self.assertIn("expected: silence, seen: circular", corpus.judge(legal(), seen(report()))[0])
        self.assertTrue(corpus.judge(legal(), seen(after=0)))

    def test_silence_because_nothing_was_done(self):
        self.assertIn("status 1", corpus.judge(legal(), seen(after=1, status=1))[0])

    def test_death(self):
        self.assertIn("the VM died: timeout", corpus.judge(legal(), seen(after=None, status=None, dead="timeout"))[0])
        case = violation(expect=(Expected("oops"),), ends="panic")
        oops, panic = report("oops"), report("panic", consequence=True)
        self.assertEqual(corpus.judge(case, seen(oops, panic, after=None, status=None, dead="panic")), [])
        self.assertTrue(corpus.judge(case, seen(oops)))
        self.assertTrue(corpus.judge(case, seen(after=None, status=None, dead="the VM ended")))


class Format(unittest.TestCase):
    def parse(self, **contexts):
        return corpus.parse({"rows": {"1": "a rule"}, **contexts})

    def cell(self, **changes):
        return {"what": "w", "row": 1, "expect": [{"kind": "circular", "want": "a", "held": "b"}], **changes}

    def test_cells_stories_and_legal_actions(self):
        cases = self.parse(**{
            "fence-callback": {"what": "there", "legal": ["alloc-atomic"], "alloc-kernel": self.cell()},
            "story": {"a-story": self.cell(context="reclaim", action="alloc-kernel", run=["one", "two"])},
        })
        self.assertEqual([(c.name, c.context, c.action, c.run) for c in cases], [
            ("fence_callback_alloc_atomic", "fence-callback", "alloc-atomic", ("fence_callback_alloc_atomic",)),
            ("fence_callback_alloc_kernel", "fence-callback", "alloc-kernel", ("fence_callback_alloc_kernel",)),
            ("a_story", "reclaim", "alloc-kernel", ("one", "two")),
        ])
        self.assertEqual([c.silent for c in cases], [True, False, False])
        self.assertEqual([c.debug_locks for c in cases], [1, 0, 0])

    def test_contradictions(self):
        silent = {"what": "w", "row": 1, "silent": True, "why": "legal"}
        for entry, complaint in (
            (self.cell(row=2), "unknown rows"),
            (self.cell(what=""), "does not say what"),
            (self.cell(ends="badly"), "cannot end"),
            (self.cell(surprise=1), "unknown keys"),
            (self.cell(expect=[{"kind": "circular", "want": "a"}]), "both locks"),
            (self.cell(expect=[]), "either `expect`"),
            (self.cell(silent=True, why="legal"), "either `expect`"),
            ({**silent, "why": "who knows"}, "neither"),
            ({"what": "w", "silent": True, "why": "blind spot: x"}, "which row"),
        ):
            with self.subTest(complaint), self.assertRaisesRegex(BadCases, complaint):
                self.parse(reclaim={"x": entry, "y": self.cell()})

    def test_twice_and_unused_rows(self):
        with self.assertRaisesRegex(BadCases, "twice"):
            self.parse(reclaim={"legal": ["x"], "x": self.cell()})
        with self.assertRaisesRegex(BadCases, "no case is about row 1"):
            self.parse(reclaim={"what": "w", "legal": ["x"]})


class Guest(unittest.TestCase):
    def test_steps_and_locks(self):
        lines = corpus.script(legal(run=("a", "b"), after=("calls -gt 0",))).splitlines()
        self.assertIn("echo a > /sys/kernel/debug/strata_corpus/run && echo b > /sys/kernel/debug/strata_corpus/run"
                      " && calls -gt 0", lines)
        self.assertEqual(lines.count(corpus.LOCKS), 2)

    def test_a_hang_is_waited_for(self):
        self.assertIn("( echo x > /sys/kernel/debug/strata_corpus/run ) &", corpus.script(legal(ends="hang")))

    def test_batches(self):
        many = [legal(name=f"n{i}", run=(f"n{i}",)) for i in range(corpus.BATCH + 1)]
        other = legal(name="o", run=("o",), context="resv")
        alone = [violation(), legal(name="p", run=("p", "q"))]
        sizes = [len(batch) for batch in corpus.batches([*many, other, *alone])]
        self.assertEqual(sizes, [corpus.BATCH, 1, 1, 1, 1])


class Tree(unittest.TestCase):
    """The real cases.toml, and the module's sources."""

    def test_cases_are_sound(self):
        cases = corpus.load()
        rows = corpus.rows()
        self.assertEqual(sorted(rows), list(range(1, len(rows) + 1)))
        self.assertGreater(sum(not case.silent for case in cases), 100)

    def test_module_and_cases_agree(self):
        listed = []
        for source in corpus.SOURCE.glob("*.c"):
            text = source.read_text()
            listed += [f"{context}_{action}" for context, action in re.findall(r"\tCELL\((\w+), (\w+)\),", text)]
            listed += re.findall(r"\tSTORY\((\w+)\),", text)
        self.assertEqual(len(listed), len(set(listed)), "a case is in two tables")
        self.assertEqual(corpus.mismatches(corpus.load(), listed), [])


if __name__ == "__main__":
    unittest.main()
