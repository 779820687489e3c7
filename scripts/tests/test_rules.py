# SPDX-License-Identifier: GPL-2.0
"""matrix.py, rules.py and rulespage.py, against small tables and the real one."""

import unittest

from strata import expect, matrix, rules, rulespage
from strata.proofs import Proofs
from strata.corpus import Case, Expected
from strata.matrix import Malformed

TABLE = """
[groups]
both = "process reclaim"
[contexts.process]
what = "Process context"
where = "an ioctl"
token = "Cx<'_, Process>"
[contexts.reclaim]
what = "In reclaim"
where = "a shrinker"
token = "Cx<'_, Reclaim>"
[contexts.lock]
what = "Under a lock"
where = "its closure"
token = "Cx<'_, ReclaimLock>"
corpus = "reclaim-lock"
[contexts.atomic]
what = "Where nothing may sleep"
where = "under a spinlock"
token = "Cx<'_, Process, Atomic>"
level = "process"
[contexts.callback]
what = "In a callback"
where = "of a fence"
token = "Cx<'_, Reclaim, Atomic>"
enter = "enter(|cx| {code});"
level = "reclaim"
[why]
order = "It comes later."
late = "It comes earlier."
sleeps = "It sleeps."
[unseen]
%s
[[action]]
id = "alloc"
what = "allocate with `GFP_KERNEL`"
code = "cx.alloc(1);"
error = "E0277: a `{level}` context may not"
sleeps = true
includes = ["noio"]
allowed.order = "process"
refused.late = "reclaim lock"
refused.sleeps = "atomic callback"
%s
"""
WORDS = 'nobody = "nobody looks"'


def table(unseen="", more=""):
    return matrix.parse(TABLE % (unseen, more))


def case(context, action, why="", kind="circular"):
    expected = () if why else (Expected(kind, "a", "b"),)
    return Case(f"{context}_{action}".replace("-", "_"), context, action, "It does.", (), expect=expected, why=why)


LEGAL = case("process", "alloc", "legal")
REPORT = case("reclaim", "alloc")
SLEEPS = case("atomic", "alloc", kind="sleeping")


def proof(name, *cases, made=None):
    made = made or table()
    context, action = name.split(".")
    return Proofs(made, cases).find(made.cells[action, context])


class Parse(unittest.TestCase):
    def test_holes(self):
        with self.assertRaisesRegex(Malformed, "says nothing about callback"):
            matrix.parse((TABLE % ("", "")).replace('"atomic callback"', '"atomic"'))

    def test_two_verdicts(self):
        with self.assertRaisesRegex(Malformed, "reclaim.alloc has two verdicts"):
            matrix.parse((TABLE % ("", "")).replace('"process"\nref', '"@both"\nref'))

    def test_unknown_context(self):
        with self.assertRaisesRegex(Malformed, "no context"):
            matrix.parse((TABLE % ("", "")).replace('"reclaim lock"', '"reclaim look"'))

    def test_reasons_that_differ(self):
        for bad in (TABLE % (WORDS, ""), (TABLE % ("", "")).replace('late = "It', 'later = "It')):
            with self.assertRaisesRegex(Malformed, "differ"):
                matrix.parse(bad)

    def test_code_or_the_word_why_not(self):
        with self.assertRaisesRegex(Malformed, "code"):
            matrix.parse((TABLE % ("", "")).replace('code = "cx.alloc(1);"\n', ""))


class Programs(unittest.TestCase):
    def setUp(self):
        self.programs = dict(matrix.programs(table()))

    def test_one_for_all_that_compiles(self):
        self.assertEqual(list(self.programs), ["cells_that_compile", "cells_alloc"])
        self.assertIn("fn process_alloc<I: work::Item, P: Shrinker, C: Callback, H: Hang>(cx: &mut Cx<'_, Process>",
                      self.programs["cells_that_compile"])
        self.assertEqual(expect.promises(self.programs["cells_that_compile"]), [])

    def test_errors_of_level_and_sleep(self):
        errors = [error.text for error in expect.promises(self.programs["cells_alloc"])]
        asleep = "this operation may sleep, but the context is `Atomic`"
        self.assertEqual(errors, ["a `Reclaim` context may not", "a `ReclaimLock` context may not", asleep,
                                  "a `Reclaim` context may not", asleep])

    def test_an_error_of_some_contexts(self):
        with_more = TABLE.replace("includes = [", 'also."E0277: `{level}` waits" = "reclaim"\nincludes = [')
        programs = dict(matrix.programs(matrix.parse(with_more % ("", ""))))
        errors = [error.text for error in expect.promises(programs["cells_alloc"])]
        asleep = matrix._SLEEPS.removeprefix("E0277: ")
        self.assertEqual(errors, ["a `Reclaim` context may not", "`Reclaim` waits", "a `ReclaimLock` context may not",
                                  asleep, "a `Reclaim` context may not", "`Reclaim` waits", asleep])

    def test_several_errors_of_a_level(self):
        two = TABLE.replace('"E0277: a `{level}` context may not"', '["E0277: a `{level}` may", "E0277: not"]')
        programs = dict(matrix.programs(matrix.parse(two % ("", ""))))
        errors = [error.text for error in expect.promises(programs["cells_alloc"])]
        self.assertEqual(errors[:4], ["a `Reclaim` may", "not", "a `ReclaimLock` may", "not"])

    def test_context_that_takes_more_to_enter(self):
        self.assertIn("    enter(|cx| cx.alloc(1););\n", self.programs["cells_alloc"])


class Find(unittest.TestCase):
    def test_own_case(self):
        self.assertEqual(proof("process.alloc", LEGAL).case, LEGAL)
        self.assertEqual(proof("reclaim.alloc", REPORT).case, REPORT)

    def test_case_says_the_opposite(self):
        for cell, other in (("process.alloc", case("process", "alloc")),
                            ("reclaim.alloc", case("reclaim", "alloc", "legal"))):
            with self.subTest(cell), self.assertRaisesRegex(Malformed, "the corpus says"):
                proof(cell, other)

    def test_blind_spot_is_a_proof_of_a_rule(self):
        self.assertTrue(proof("reclaim.alloc", case("reclaim", "alloc", "blind spot: lazy")).case.silent)

    def test_refused_where_less_is_held(self):
        self.assertEqual(proof("lock.alloc", LEGAL, REPORT).case, REPORT)

    def test_allowed_where_more_is_held(self):
        self.assertEqual(proof("process.alloc", case("reclaim-lock", "alloc", "legal")).case.context, "reclaim-lock")

    def test_not_the_other_way_round(self):
        for cell, other in (("reclaim.alloc", case("reclaim-lock", "alloc")), ("lock.alloc", LEGAL)):
            with self.subTest(cell), self.assertRaisesRegex(Malformed, "no proof"):
                proof(cell, other)

    def test_callback_as_atomic(self):
        self.assertEqual(proof("callback.alloc", LEGAL, SLEEPS).case, SLEEPS)

    def test_what_it_includes_is_refused(self):
        self.assertEqual(proof("reclaim.alloc", case("reclaim", "noio")).case.action, "noio")

    def test_story_about_the_cell(self):
        story = Case("shrinker_that_allocates", "reclaim", "alloc", "It does.", (),
                     expect=(Expected("recursive", "a", "a"),))
        self.assertEqual(proof("reclaim.alloc", story).case, story)

    def test_words(self):
        made = table(WORDS, 'unseen.nobody = "lock"')
        self.assertEqual(proof("lock.alloc", REPORT, made=made).words, "nobody looks")

    def test_words_that_are_not_needed(self):
        made = table(WORDS, 'unseen.nobody = "reclaim"')
        with self.assertRaisesRegex(Malformed, "neither"):
            proof("reclaim.alloc", REPORT, made=made)

    def test_named_proof(self):
        made = table(more='proof."atomic.alloc" = "callback"')
        self.assertEqual(proof("callback.alloc", SLEEPS, made=made).case, SLEEPS)
        for cases, text in (((), "there is no case"), ((case("atomic", "alloc", "legal"),), "says: legal")):
            with self.subTest(text), self.assertRaisesRegex(Malformed, text):
                proof("callback.alloc", *cases, made=made)


class Unused(unittest.TestCase):
    def test_case_that_no_cell_knows(self):
        made = table()
        proofs = Proofs(made, [REPORT, case("elsewhere", "alloc")])
        proofs.find(made.cells["alloc", "reclaim"])
        self.assertEqual(len(rules.unused(proofs)), 1)
        made.extra = {"elsewhere_*": "Because."}
        self.assertEqual(rules.unused(proofs), [])

    def test_pattern_that_fits_nothing(self):
        made = table()
        made.extra = {"nowhere_*": "Because."}
        self.assertIn("fits no case", rules.unused(Proofs(made, []))[0])


class Page(unittest.TestCase):
    def test_says_why_and_what_catches(self):
        made = table()
        blind = case("elsewhere", "wait", "blind spot: nobody_looks at it")
        proofs = Proofs(made, [LEGAL, REPORT, SLEEPS, blind])
        page = rules.page(made, proofs)
        self.assertIn("**You may** allocate with ``GFP_KERNEL``.", page)
        self.assertIn("   * - It comes earlier.\n     - allocate with ``GFP_KERNEL``\n     - refuses\n"
                      "     - possible circular locking dependency (``reclaim.alloc``)", page)
        self.assertIn("- nobody_looks at it:\n\n  - It does. (``elsewhere.wait``)", page)

    def test_grid_is_as_wide_as_its_cells(self):
        self.assertEqual(rulespage._grid([["..", "1"], ["long", "yes"]]),
                         "====  ===\n..    1\n====  ===\nlong  yes\n====  ===\n")


class RealTable(unittest.TestCase):
    def test_it_holds(self):
        for outcome in rules.check():
            with self.subTest(outcome.name):
                self.assertTrue(outcome.passed, outcome.detail)

    def test_every_refusal_promises_an_error(self):
        for name, source in matrix.programs(matrix.load()):
            with self.subTest(name):
                functions = source.count("\nfn ")
                lines = {error.line for error in expect.promises(source)}
                self.assertEqual(len(lines), 0 if name == "cells_that_compile" else functions)


if __name__ == "__main__":
    unittest.main()
