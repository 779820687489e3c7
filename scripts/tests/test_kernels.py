# SPDX-License-Identifier: GPL-2.0
"""Kernels, as far as nothing has to be built: versions, configurations, symbols."""

from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from strata import archive, choice, kconfig, kernels, modules, paths, say, setup_verbs  # noqa: E402
from strata.archive import Package  # noqa: E402


class Versions(unittest.TestCase):
    def test_order(self) -> None:
        ordered = ["7.2~rc7-1", "7.2-1~exp1", "7.2-1", "7.2.2-1", "7.2.9-1~bpo13+1", "7.2.9-1", "7.2.12-1~bpo13+1",
                   "7.2.12-1~bpo13+2", "7.10-1", "1:1.0"]
        for at, older in enumerate(ordered):
            self.assertEqual(archive.compare(older, older), 0)
            for newer in ordered[at + 1:]:
                self.assertLess(archive.compare(older, newer), 0, f"{older} < {newer}")
                self.assertGreater(archive.compare(newer, older), 0, f"{newer} > {older}")

    def test_the_newest_of_the_series(self) -> None:
        versions = ("7.2.9-1~bpo13+1", "7.2.12-1~bpo13+1", "7.2.6-1~bpo13+1")
        offered = [Package("linux-source-7.2", version) for version in versions]
        offered.append(Package("linux-source-7.3", "7.3.1-1~bpo13+1"))
        self.assertEqual(choice.pick_source(offered, "7.2"), offered[1])

    def test_the_newest_of_all_when_the_series_is_gone(self) -> None:
        offered = [Package("linux-source-7.3", "7.3.9-1"), Package("linux-source-7.10", "7.10.1-1")]
        self.assertEqual(choice.pick_source(offered, "7.2"), offered[1])
        self.assertIsNone(choice.pick_source([], "7.2"))

    def test_madison(self) -> None:
        text = (" linux-source-7.2 | 7.2.12-1~bpo13+1 | http://m.example/debian trixie-backports/main amd64 Packages\n"
                " linux-source-7.2 | 7.2.12-1~bpo13+1 | http://m.example/debian other/main amd64 Packages\n"
                " linux-source-7.2 | 7.2.11-1~bpo13+1 | http://m.example/debian trixie-backports/main amd64 Packages\n")
        self.assertEqual([package.version for package in archive.parse_madison(text)],
                         ["7.2.12-1~bpo13+1", "7.2.11-1~bpo13+1"])

    def test_old_kernels_are_refused_early(self) -> None:
        setup_verbs.check_release("7.2.12+deb13-amd64")
        setup_verbs.check_release("8.0-rc1")
        for release in ("6.12.1-amd64", "7.1.0"):
            with self.assertRaisesRegex(say.Refusal, "too old"):
                setup_verbs.check_release(release)


class Configurations(unittest.TestCase):
    def test_parse(self) -> None:
        text = ('# comment\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n'
                'CONFIG_D="some text"\nCONFIG_E=n\nCONFIG_F=0x10\n')
        self.assertEqual(kconfig.parse(text), {"A": "y", "B": "m", "D": "some text", "F": "0x10"})

    def test_required_options(self) -> None:
        required = kconfig.parse_required(kconfig.REQUIRED.read_text())
        for name in ("BUG", "PROVE_LOCKING", "MMU_NOTIFIER", "KASAN", "DEBUG_ATOMIC_SLEEP"):
            self.assertIn(name, required)
        complete = "".join(f"CONFIG_{name}={value or 'y'}\n" for name, value in required.items())
        self.assertEqual(kernels.missing(complete), [])
        without = complete.replace("CONFIG_BUG=y\n", "# CONFIG_BUG is not set\n")
        self.assertEqual(kernels.missing(without), ["CONFIG_BUG"])
        self.assertEqual(kernels.missing(complete.replace("CONFIG_DRM_GPUVM=m", "CONFIG_DRM_GPUVM=y")),
                         ["CONFIG_DRM_GPUVM=m (is y)"])

    def test_a_lacking_checker_is_named(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            build = Path(folder)
            (build / ".config").write_text("CONFIG_RUST=y\n")
            kernel = kernels.Kernel("debug", "7.2", "7.2-1", build, build, None, None, llvm=True)
            with self.assertRaisesRegex(say.Refusal, "CONFIG_PROVE_LOCKING"):
                kernels.check_config(kernel)

    def test_fragments_name_no_option_twice(self) -> None:
        for fragment in paths.CONFIG.glob("*.config"):
            names = [line.partition("=")[0] for line in fragment.read_text().splitlines() if line.startswith("CONFIG_")]
            self.assertEqual(sorted(set(names)), sorted(names), fragment.name)

    def test_differences_that_matter(self) -> None:
        ours = 'CONFIG_A=y\nCONFIG_CC_VERSION_TEXT="gcc 14"\nCONFIG_GCC_VERSION=140200\nCONFIG_B=y\n'
        theirs = ('CONFIG_A=y\nCONFIG_CC_VERSION_TEXT="x86_64-linux-gnu-gcc-14 14"\n'
                  'CONFIG_GCC_VERSION=140300\nCONFIG_BUILD_SALT="x"\n')
        self.assertEqual(kconfig.differences(ours, theirs),
                         ["CONFIG_B: y here, not set in Debian's build",
                          "CONFIG_GCC_VERSION: 140200 here, 140300 in Debian's build"])


class Symbols(unittest.TestCase):
    def test_unresolved(self) -> None:
        symvers = ("0x00000000\tkfree\tvmlinux\tEXPORT_SYMBOL\t\n"
                   "0x00000000\t_RNvgood\tvmlinux\tEXPORT_SYMBOL_GPL\tDMA_BUF\n")
        listing = ("/out/stock/a.ko: kfree U         \n/out/stock/a.ko: _RNvbad U         \n"
                   "/out/stock/b.ko: _RNvgood U         \n/out/stock/b.ko: maybe w         \n")
        self.assertEqual(modules.unresolved(listing, modules.exports(symvers)), {"a.ko": ["_RNvbad"]})


if __name__ == "__main__":
    unittest.main()
