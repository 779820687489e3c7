# SPDX-License-Identifier: GPL-2.0
"""peers.py: what a screen shows, what it should, and what a machine without a driver says."""

from __future__ import annotations

import re
import unittest
from unittest import mock

from strata import peers
from strata.peers import PEERS, Painted, differs, paint, picture

EVERYTHING = {option for peer in PEERS for option in (peer.option, *peer.exporters.values())}


def ppm(shown: peers.Picture) -> bytes:
    """As QEMU writes it."""
    data = b"".join(pixel.to_bytes(3, "big") for pixel in shown.pixels)
    return b"P6\n%d %d\n255\n%s" % (shown.width, shown.height, data)


class Pictures(unittest.TestCase):
    def test_what_is_painted_can_be_read_back(self) -> None:
        painted = paint([Painted(0, 0, 31, 17, 1)])
        read = picture(ppm(painted))
        self.assertEqual((read.width, read.height, read.pixels), (31, 17, painted.pixels))
        self.assertEqual(differs(read, painted), "")

    def test_pixels_are_in_their_places(self) -> None:
        painted = paint([Painted(0, 0, 5, 4, 1), Painted(1, 2, 3, 1, 2)])
        for y in range(4):
            for x in range(5):
                number = 2 if y == 2 and x in (1, 2, 3) else 1
                self.assertEqual(painted.pixels[y * 5 + x], peers.pixel(x, y, number))

    def test_colours_are_in_their_order(self) -> None:
        self.assertEqual(picture(b"P6\n1 1\n255\n\x12\x34\x56").pixels[0], 0x123456)

    def test_white_space_may_be_a_pixel(self) -> None:
        self.assertEqual(list(picture(b"P6\n2 1\n255\n\n\n\n\x20\x20\x20").pixels), [0x0A0A0A, 0x202020])

    def test_what_is_no_picture_is_said(self) -> None:
        for bad in (b"", b"P5\n1 1\n255\n\0", b"P6\n1 1\n65535\n" + bytes(6)):
            with self.assertRaisesRegex(ValueError, "no picture"):
                picture(bad)
        for data in (bytes(11), bytes(13)):
            with self.assertRaisesRegex(ValueError, "a picture of 2 x 2"):
                picture(b"P6\n2 2\n255\n" + data)

    def test_one_pixel_is_seen(self) -> None:
        wanted, shown = paint([Painted(0, 0, 7, 5, 3)]), paint([Painted(0, 0, 7, 5, 3)])
        shown.pixels[4 * 7 + 6] ^= 1
        self.assertEqual(differs(shown, wanted),
                         f"1 of 35 pixels, first at 6,4: {wanted.pixels[34] ^ 1:06x} instead of {wanted.pixels[34]:06x}")

    def test_a_shift_is_seen(self) -> None:
        wanted = paint([Painted(0, 0, 64, 48, 3)])
        for by in (1, 2, 16, 64, 128):
            shown = peers.Picture(64, 48, wanted.pixels[by:] + wanted.pixels[:by])
            self.assertIn("of 3072 pixels", differs(shown, wanted))

    def test_another_size_is_seen(self) -> None:
        self.assertEqual(differs(paint([Painted(0, 0, 4, 3, 1)]), paint([Painted(0, 0, 3, 4, 1)])), "4 x 3 instead of 3 x 4")


class Questions(unittest.TestCase):
    def test_rectangles(self) -> None:
        self.assertEqual(peers.asked("screen 0,0,640,480,1 33,21,2,9,4"),
                         [Painted(0, 0, 640, 480, 1), Painted(33, 21, 2, 9, 4)])

    def test_others_are_refused(self) -> None:
        for question in ("sound 1,2,3,4,5", "screen", "screen 1,2,3", "screen a,b,c,d,e"):
            with self.assertRaises((ValueError, TypeError)):
                peers.asked(question)

    def test_answers(self) -> None:
        session = mock.Mock()
        session.screen.return_value = ppm(paint([Painted(0, 0, 6, 4, 2)]))
        self.assertEqual(peers.look(session, "screen 0,0,6,4,2"), "same")
        self.assertEqual(peers.look(session, "screen 0,0,6,4,1 0,0,6,4,2"), "same")
        self.assertTrue(peers.look(session, "screen 0,0,6,4,1").startswith("differs: "))

    def test_the_programs_have_the_same_pattern(self) -> None:
        text = (peers.SOURCE / "ask.h").read_text()
        factors = [int(number, 16) for number in re.search(
            r"return \(x \* (\w+) \+ y \* (\w+) \+ round \* (\w+)\) & 0xffffff;", text).groups()]
        self.assertEqual(factors, [peers.pixel(1, 0, 0), peers.pixel(0, 1, 0), peers.pixel(0, 0, 1)])


class Programs(unittest.TestCase):
    def test_each_is_built(self) -> None:
        text = (peers.SOURCE / "Makefile").read_text()
        self.assertEqual(set(re.search(r"^TEST_GEN_PROGS := (.*)$", text, re.M)[1].split()),
                         {peer.program for peer in PEERS})

    def test_a_program_that_did_not_end_is_found(self) -> None:
        output = "".join(f"@@ended {peer.program} {number % 2}\n" for number, peer in enumerate(PEERS))
        output += "@@ended unloading 0\n"
        self.assertEqual(peers.not_ended(output, PEERS), [])
        last = PEERS[-1].program
        self.assertEqual(peers.not_ended(output.replace(f"ended {last} ", f"ended {last} 13"), PEERS), [last])
        self.assertEqual(peers.not_ended("", PEERS), [*(peer.program for peer in PEERS), "unloading"])

    def test_a_module_that_is_held_is_found(self) -> None:
        self.assertEqual(peers.not_ended("@@ended unloading 1\n", []), ["unloading"])

    def test_the_script_says_how_each_ended(self) -> None:
        *lines, last, end = peers.script(PEERS, EVERYTHING).split("\n")
        self.assertEqual(lines, [f'{peer.program} < /dev/ttyS1; echo "@@ended {peer.program} $?"' for peer in PEERS])
        self.assertEqual((last, end), ('rmmod strata_vbind strata_pool strata; echo "@@ended unloading $?"', ""))

    def test_what_a_kernel_lacks_is_left_out_and_said(self) -> None:
        self.assertEqual(peers.absent(EVERYTHING), {})
        self.assertEqual(peers.absent(EVERYTHING - {"VIDEO_VIVID"}), {"video": "VIDEO_VIVID", "imports/vivid": "VIDEO_VIVID"})
        self.assertIn("imports -V cma_heap <", peers.script(PEERS, EVERYTHING - {"DMABUF_HEAPS_CMA"}))

    def test_the_programs_know_each_exporter(self) -> None:
        for peer in PEERS:
            text = (peers.SOURCE / f"{peer.program}.c").read_text()
            for exporter in peer.exporters:
                self.assertRegex(text, rf"FIXTURE_VARIANT_ADD\(\w+, {exporter}\)")


if __name__ == "__main__":
    unittest.main()
