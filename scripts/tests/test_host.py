# SPDX-License-Identifier: GPL-2.0
"""What is read from the host: its mirror, its apt settings, what it is; and what failures mean."""

from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from strata import host, say  # noqa: E402


def _target(release: str, uri: str, *, origin: str = "Debian", label: str = "Debian", component: str = "main",
            created: str = "Packages") -> str:
    return "|".join((created, origin, label, release, component, uri))


class Mirror(unittest.TestCase):
    def test_release_before_updates_and_security(self) -> None:
        targets = "\n".join((
            _target("bookworm-security", "http://a.example/security/", label="Debian-Security"),
            _target("bookworm-updates", "http://b.example/debian/"),
            _target("bookworm", "http://c.example/debian/", created="DEP-11"),
            _target("bookworm", "http://d.example/debian/"),
        ))
        self.assertEqual(host.parse_mirror(targets, "bookworm"), "http://d.example/debian")

    def test_others_are_left_out(self) -> None:
        targets = "\n".join((
            _target("nodistro", "https://node.example/", origin="Node", label="Node"),
            _target("bookworm", "cdrom:[Debian]/"),
            _target("bookworm", "http://contrib.example/debian/", component="contrib"),
        ))
        self.assertIsNone(host.parse_mirror(targets, "bookworm"))

    def test_lists_never_fetched(self) -> None:
        # apt prints a field that it does not know unexpanded.
        target = _target("trixie", "http://d.example/debian/", origin="$(ORIGIN)", label="$(LABEL)")
        self.assertEqual(host.parse_mirror(target, "trixie"), "http://d.example/debian")

    def test_sources_that_say_stable(self) -> None:
        target = _target("stable", "http://d.example/debian/")
        self.assertEqual(host.parse_mirror(target, "trixie"), "http://d.example/debian")

    def test_mirror_file_of_cloud_images(self) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".list") as file:
            file.write("# local first\nhttps://near.example/debian/\tpriority:1\nhttps://far.example/debian\n")
            file.flush()
            self.assertEqual(host._unfold(f"mirror+file://{file.name}"), "https://near.example/debian")
            self.assertEqual(host._unfold(f"mirror+file:{file.name}"), "https://near.example/debian")


class Reach(unittest.TestCase):
    def test_proxy_and_dates_only(self) -> None:
        dump = "\n".join((
            'APT::Architecture "amd64";',
            'Acquire "";',
            'Acquire::http "";',
            'Acquire::http::Proxy "http://proxy.example:3128";',
            'Acquire::http::Proxy::near.example "DIRECT";',
            'Acquire::https::CAInfo "/etc/ssl/own.pem";',
            'Acquire::Check-Valid-Until "false";',
            'Acquire::Languages:: "none";',
            'Acquire::IndexTargets::deb::Packages::MetaKey "x";',
        ))
        self.assertEqual([line.split()[0] for line in host.parse_reach(dump)],
                         ["Acquire::http::Proxy", "Acquire::http::Proxy::near.example", "Acquire::https::CAInfo",
                          "Acquire::Check-Valid-Until"])


class System(unittest.TestCase):
    def check(self, text: str) -> str:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            return host.check_debian(Path(file.name))

    def test_supported(self) -> None:
        self.assertEqual(self.check('ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n'), "trixie")

    def test_others_learn_what_works(self) -> None:
        ubuntu = 'ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04 LTS"\n'
        for text in (ubuntu, 'ID=debian\nVERSION_ID="11"\n', ""):
            with self.assertRaisesRegex(say.Refusal, "make KDIR="):
                self.check(text)

    def test_no_space(self) -> None:
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(say.Refusal, "STRATA_CACHE"):
            host.need_space(1e6, "A test", Path(folder))


class Causes(unittest.TestCase):
    def test_sentences(self) -> None:
        for text, word in (
            ("tar: x: Cannot write: No space left on device", "disk is full"),
            ("W: Failed to fetch http://m.example/  Temporary failure resolving 'm.example'", "network"),
            ("E: Unable to locate package nonesuch", "does not offer"),
            ("E: The repository 'x' is not signed.", "debian-archive-keyring"),
            ("Err:1 http://m.example x  404  Not Found", "again"),
            ("gcc: fatal error: Killed signal terminated program cc1", "memory"),
        ):
            self.assertIn(word, say.explain(text) or "", text)
        self.assertIsNone(say.explain("error[E0277]: the trait bound is not satisfied"))

    def test_the_error_is_shown_and_the_log_named(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "x.log"
            script = "seq 50; echo 'a.c:1: error: no'; echo after; exit 3"
            with self.assertRaises(say.StepFailed) as caught:
                say.call(["sh", "-c", script], log=log, title="Trying")
        text = str(caught.exception)
        self.assertIn("Trying: failed.\n    a.c:1: error: no\n    after\n", text)
        self.assertIn(str(log), text)


if __name__ == "__main__":
    unittest.main()
