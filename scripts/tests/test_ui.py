# SPDX-License-Identifier: GPL-2.0
"""expect.py and ui.py: promises of programs, against what rustc says in JSON."""

import json
import tempfile
import unittest
from pathlib import Path

from strata import expect, ui

PROGRAM = """\
fn scan(cx: &mut Cx<'_, Reclaim>) {
    cx.alloc(1);
    //~^ ERROR E0277: a `Reclaim` context may not allocate
    //~| NOTE use `gfp::nowait`
    cx.alloc(2); //~ ERROR lifetime may not
}
"""
FILE = Path("/somewhere/scan.rs")


def span(line, **more):
    return {"file_name": "tests/scan.rs", "line_start": line, "is_primary": True, "label": None, **more}


def said(line, message, code=None, level="error", notes=(), spans=None):
    return json.dumps({"level": level, "message": message, "code": code and {"code": code},
                       "spans": [span(line)] if spans is None else spans,
                       "children": [{"level": "note", "message": note, "spans": []} for note in notes]})


ALLOC = said(2, "a `strata::cx::Reclaim` context may not allocate with class `Kernel`", "E0277",
             notes=["allocate before, or use `gfp::nowait`"])
LIFETIME = said(5, "lifetime may not live long enough")
SUMMARY = said(0, "aborting due to 2 previous errors", spans=[])


def wrong(*lines, program=PROGRAM):
    return expect.compare(expect.promises(program), expect.diagnostics("\n".join(lines), FILE))


class Promises(unittest.TestCase):
    def test_lines_codes_and_notes(self):
        first, second = expect.promises(PROGRAM)
        self.assertEqual((first.line, first.code, first.text), (2, "E0277", "a `Reclaim` context may not allocate"))
        self.assertEqual(first.notes, ["use `gfp::nowait`"])
        self.assertEqual((second.line, second.code, second.notes), (5, None, []))

    def test_further_up(self):
        self.assertEqual(expect.promises("bad\n\n//~^^ ERROR E0001: x")[0].line, 1)

    def test_two_errors_of_a_line(self):
        errors = expect.promises("bad //~ ERROR E0001: x\n//~| ERROR E0002: y\n//~| NOTE z\n")
        self.assertEqual([(e.line, e.code, e.notes) for e in errors], [(1, "E0001", []), (1, "E0002", ["z"])])

    def test_no_line(self):
        errors = expect.promises("x //~ ERROR E0001: x\n//~? ERROR E0080: y\n//~| NOTE z\n")
        self.assertEqual([(e.line, e.notes) for e in errors], [(1, []), (expect.NOWHERE, ["z"])])

    def test_malformed(self):
        for text in ("//~ EROR E0277: x", "//~| ERROR x", "x //~ NOTE x", "x //~ ERROR", "//~^ WARN x"):
            with self.subTest(text), self.assertRaises(expect.Malformed):
                expect.promises(text)


class Compare(unittest.TestCase):
    def test_kept(self):
        self.assertEqual(wrong(ALLOC, LIFETIME, SUMMARY), [])

    def test_error_not_reported(self):
        self.assertIn("promised, and not reported: line 5", wrong(ALLOC)[0])

    def test_error_not_promised(self):
        self.assertIn("reported, and not promised: line 4", wrong(ALLOC, LIFETIME, said(4, "mismatched", "E0308"))[0])

    def test_another_line_code_or_message(self):
        for other in (said(5, "lifetime may not live long enough", "E0700"),
                      said(4, "lifetime may not live long enough"), said(5, "mismatched types")):
            with self.subTest(other):
                self.assertEqual(len(wrong(ALLOC, other)), 2)

    def test_note_is_missing(self):
        bare = said(2, "a `Reclaim` context may not allocate", "E0277", notes=["something else"])
        self.assertEqual(wrong(bare, LIFETIME), ["line 2: the error lacks the note `use `gfp::nowait``"])

    def test_note_may_be_a_label(self):
        spans = [span(1, label="would invert the order")]
        line = said(1, "may not", "E0277", spans=spans)
        self.assertEqual(wrong(line, program="x //~ ERROR E0277: may not\n//~| NOTE invert the order"), [])

    def test_paths_of_types_do_not_matter(self):
        self.assertEqual(wrong(said(1, "the trait `Before<strata::cx::Reclaim>`", "E0200"),
                               program="x //~ ERROR E0200: trait `Before<Reclaim>`"), [])

    def test_error_of_the_library_is_at_no_line(self):
        elsewhere = [{**span(90), "file_name": "rust/strata/maple/value.rs"}]
        line = said(1, "evaluation failed", "E0080", spans=elsewhere)
        self.assertEqual(wrong(line, program="x\n//~? ERROR E0080: evaluation"), [])
        self.assertEqual(len(wrong(line, program="x //~ ERROR E0080: evaluation")), 2)

    def test_said_twice_is_once(self):
        self.assertEqual(wrong(ALLOC, ALLOC, LIFETIME), [])

    def test_promised_twice_is_twice(self):
        self.assertEqual(len(wrong(LIFETIME, program="\n\n\n\nx //~ ERROR lifetime\n//~| ERROR lifetime")), 1)

    def test_what_is_no_diagnostic_is_an_error(self):
        self.assertIn("rustc: not found", wrong("rustc: not found", program="fn f() {}")[0])

    def test_error_without_a_place_is_no_summary(self):
        self.assertEqual(len(wrong(said(0, "can't find crate", "E0463", spans=[]), program="fn f() {}")), 1)

    def test_legal_program_gets_no_warning(self):
        self.assertEqual(wrong(said(3, "unused", level="warning"), program="fn f() {}"),
                         ["a legal program gets a warning: line 3: unused"])
        self.assertEqual(wrong(ALLOC, LIFETIME, said(3, "unused", level="warning")), [])

    def test_error_within_a_macro_stands_where_it_is_called(self):
        inner = {**span(90), "file_name": "rust/strata/rank.rs", "expansion": {"span": span(1)}}
        self.assertEqual(wrong(said(1, "no rules", spans=[inner]), program="x //~ ERROR no rules"), [])


class Verdict(unittest.TestCase):
    def verdict(self, source, status, *lines):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scan.rs"
            path.write_text(source)
            (Path(folder) / "scan.json").write_text("\n".join(lines))
            (Path(folder) / "scan.status").write_text(f"{status}\n")
            return ui.verdict(ui.Program("scan", path), Path(folder))

    def test_passed(self):
        self.assertTrue(self.verdict(PROGRAM, 1, ALLOC, LIFETIME, SUMMARY).passed)
        self.assertTrue(self.verdict("fn f() {}", 0).passed)

    def test_compiles_and_must_not(self):
        outcome = self.verdict(PROGRAM, 0)
        self.assertFalse(outcome.passed)
        self.assertIn("it compiles, and must not", outcome.detail)

    def test_fails_in_silence(self):
        self.assertIn("status 101", self.verdict("fn f() {}", 101).detail)

    def test_no_verdict(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scan.rs"
            path.write_text(PROGRAM)
            self.assertFalse(ui.verdict(ui.Program("scan", path), Path(folder)).passed)


class Programs(unittest.TestCase):
    def test_promises_of_all_can_be_read(self):
        for program in ui.stories():
            with self.subTest(program.name):
                promised = expect.promises(program.source)
                self.assertEqual(bool(promised), not program.name.startswith(("ok_", "blind_")))
                self.assertTrue(program.source.startswith("// SPDX-License-Identifier: GPL-2.0\n\n//! "))


if __name__ == "__main__":
    unittest.main()
