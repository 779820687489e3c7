# SPDX-License-Identifier: GPL-2.0
"""What the documentation quotes is what is compiled, and what it links to is there."""

from __future__ import annotations

import re
import textwrap
import unittest
from pathlib import Path

from strata import check, demo, modules, paths, verbs

PAGES = [paths.TOP / "README.md", *sorted((paths.TOP / "Documentation").rglob("*.rst"))]
_LINK = {".md": re.compile(r"\]\((?!https?:)([^)#]+)\)"), ".rst": re.compile(r"<(?!https?:)([^<>\s]+\.rst)>`_")}
_VERB = re.compile(r"\bscripts/run ([a-z][a-z-]*)")
_TARGET = re.compile(r"(?:`|^\s+(?:sudo )?)make ([a-z][a-z_ -]*)", re.M)


def squeezed(text: str) -> str:
    """Without the promises of tests/ui, blank lines and indentation."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//~"))


def program(name: str) -> str:
    return (paths.TOP / "tests" / "ui" / f"{name}.rs").read_text()


def page(name: str) -> str:
    return (paths.TOP / "Documentation" / f"{name}.rst").read_text()


def source(name: str) -> str:
    return (paths.TOP / "rust" / name).read_text()


class Quotes(unittest.TestCase):
    def test_the_readme_shows_what_is_compiled(self) -> None:
        quoted = re.findall(r"```rust\n(.*?)```", PAGES[0].read_text(), re.S)
        compiled = program("readme_excerpt").split("// ---\n")[1]
        self.assertEqual([squeezed(compiled)], [squeezed(text) for text in quoted])

    def test_the_readme_shows_what_rustc_says(self) -> None:
        said = PAGES[0].read_text()
        for promise in re.findall(r"//~\S* (?:ERROR E0277:|NOTE) (.*)", program("readme_excerpt")):
            self.assertIn(promise, said)

    def test_the_line_of_the_error_is_the_one_that_is_shown(self) -> None:
        number, shown = re.search(r"readme_excerpt\.rs:(\d+):\d+\n.*\n\d+ +\| (.*)\n", PAGES[0].read_text()).groups()
        self.assertEqual(program("readme_excerpt").splitlines()[int(number) - 1], shown)

    def test_pages_show_what_is_compiled(self) -> None:
        for name in ("driver", "shrinker", "maple", "va", "fence", "dma_buf"):
            blocks = re.findall(r"^\.\. code-block:: rust\n\n((?: +.*\n|\n)+)", page(name).expandtabs(), re.M)
            compiled = squeezed(program(f"ok_documented_{name}"))
            self.assertGreater(len(blocks), 5, name)
            for block in blocks:
                self.assertIn(squeezed(textwrap.dedent(block)), compiled)

    def test_the_bits_of_the_trigger_are_those_that_there_are(self) -> None:
        bits = re.findall(r'^    [A-Z_]+ = (\d+), "(\w+)", "(.*)";$', source("plan/src/drop_mask.rs"), re.M)
        self.assertGreater(len(bits), 5)
        lines = [f"\t{1 << int(bit):#06x} {name:<12} {text}" for bit, name, text in bits]
        self.assertIn("\n" + "\n".join(lines) + "\n\n", page("shrinker"))

    def test_the_heights_of_trees_are_those_that_there_are(self) -> None:
        rows = [[int(word) for word in row.split()] for row in
                re.findall(r"^\d+ +\d+ +\d+ +\d+$", page("maple"), re.M)]
        self.assertEqual([row[0] for row in rows], list(range(2, 12)))
        for height, nodes, plain, gaps in rows:
            self.assertEqual(nodes, 3 * height + 1)
            self.assertEqual([plain, gaps], [8 * least ** (height - 2) - 1 for least in (7, 5)])

    def test_the_figures_of_the_trigger_are_those_that_there_are(self) -> None:
        figures = source("strata/shrinker/stats.rs").split("\nfigures! {")[1].split("\n}")[0]
        table = page("shrinker").split("\nkey                 says\n")[1].split("\nand at the end")[0]
        self.assertEqual(re.findall(r"^    (\w+),$", figures, re.M), re.findall(r"^``(\w+)``", table, re.M))


class Links(unittest.TestCase):
    def test_files_that_are_linked_to_exist(self) -> None:
        for path in PAGES:
            for target in _LINK[path.suffix].findall(path.read_text()):
                self.assertTrue((path.parent / target).exists(), f"{path.name} links to {target}")

    def test_pages_are_listed(self) -> None:
        index = paths.TOP / "Documentation" / "index.rst"
        listed = re.findall(r"^   ([\w/]+)$", index.read_text(), re.M)
        pages = {str(path.relative_to(index.parent).with_suffix("")) for path in PAGES[1:]}
        self.assertEqual(pages - {"index"}, set(listed))

    def test_verbs_and_targets_exist(self) -> None:
        targets = set(re.findall(r"^([a-z_-]+):", (paths.TOP / "Makefile").read_text(), re.M))
        for path in PAGES:
            text = path.read_text()
            self.assertLessEqual(set(_VERB.findall(text)), set(verbs.VERBS), path.name)
            named = {word for words in _TARGET.findall(text) for word in words.split()}
            self.assertLessEqual(named, targets, path.name)

    def test_each_verb_is_explained(self) -> None:
        table = page("testing").split("The verbs of scripts/run\n")[1].split("\nTests of each kind\n")[0]
        self.assertEqual(set(re.findall(r"^``([a-z-]+)``  +\w", table, re.M)), set(verbs.VERBS))

    def test_what_a_failed_check_names_is_there(self) -> None:
        for text in (check.REQUIRED, check.BUILDING, check.STYLE, check.CORPORA, check.SELFTESTS, check.PRESSURE, check.GPUVM,
                     check.PLAN, check.BENCH, check.PEERS):
            for name in text.split(", "):
                self.assertTrue((paths.TOP / name.split()[0]).exists(), name)


class Samples(unittest.TestCase):
    """Whoever adds one is told of all that goes with it."""

    def test_each_has_its_page_and_is_named(self) -> None:
        for name in modules.SAMPLES:
            short = name.removeprefix("strata_")
            self.assertTrue((paths.TOP / "Documentation" / "samples" / f"{short}.rst").exists(), name)
            self.assertIn(f"`samples/{short}`", PAGES[0].read_text())
            self.assertIn(f"F:\tsamples/{short}/\n", (paths.TOP / "MAINTAINERS").read_text())

    def test_each_has_a_demo(self) -> None:
        self.assertEqual([sample.module for sample in demo.SAMPLES], list(modules.SAMPLES))
        for sample in demo.SAMPLES:
            folder = paths.TOP / "samples" / sample.program.removesuffix("_demo") / "demo"
            self.assertTrue(list(folder.glob("*.c")), sample.program)

    def test_each_is_installed(self) -> None:
        built = re.findall(r'^BUILT_MODULE_NAME\[\d+\]="(\w+)"$', (paths.TOP / "dkms.conf").read_text(), re.M)
        self.assertEqual(built, ["strata", *modules.SAMPLES])

    def test_each_file_stands_on_its_page(self) -> None:
        for name in modules.SAMPLES:
            short = name.removeprefix("strata_")
            text = page(f"samples/{short}")
            for path in (paths.TOP / "samples" / short).glob("*.rs"):
                self.assertIn(f"``{path.name}``", text, name)


if __name__ == "__main__":
    unittest.main()
