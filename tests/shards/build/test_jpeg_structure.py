"""The walk over the markers of a JPEG: what a quick way must find as well as a slow one."""

import pytest
from generated_images import encoded

from granctl.shards.build.structure import jpeg_structure

HOLE = bytes(1024)
PHOTO = encoded(1, ".jpg", 64)
SCAN = PHOTO.index(b"\xff\xda") + 14


@pytest.mark.parametrize("shift", [0, 1, 2, 255, 509, 510, 511, 512, 513, 1021, 1022, 1023])
def test_a_hole_is_found_wherever_it_lies(shift):
    """1,024 zeros between bytes of a scan make it doubtful at every place; 1,023 do not."""
    head, tail = PHOTO[:SCAN] + b"\x01" * (shift + 1), b"\x01" * 700 + PHOTO[SCAN:]
    assert jpeg_structure(head + HOLE + tail).doubtful
    assert not jpeg_structure(head + HOLE[1:] + tail).doubtful


def test_scattered_zeros_are_no_hole():
    """Zeros at every place that the quick look samples, with others between, are none."""
    between = (b"\0\0" + b"\x01" * 509) * 6
    assert not jpeg_structure(PHOTO[:SCAN] + between + PHOTO[SCAN:]).doubtful


@pytest.mark.parametrize("fill", [1, 2, 7])
def test_fill_bytes_before_a_marker_are_skipped(fill):
    """A marker may follow any number of 0xFF; the size is the same."""
    filled = PHOTO[:2] + b"\xff" * fill + PHOTO[2:]
    found, plain = jpeg_structure(filled), jpeg_structure(PHOTO)
    assert (found.width, found.height, found.problem) == (plain.width, plain.height, "")


def test_a_file_that_ends_in_its_headers_is_cut_off():
    """At every length, with fill bytes at the end or none."""
    for end in range(3, SCAN - 14):
        assert jpeg_structure(PHOTO[:end]).code == "cut-off"
        assert jpeg_structure(PHOTO[:2] + b"\xff" * end).code == "cut-off"
