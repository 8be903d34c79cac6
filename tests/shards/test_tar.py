"""USTAR bytes, read back by Python's own tarfile."""

import json
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from granctl.shards.names import Names
from granctl.shards.tar import header, headers, json_head, json_payload, json_sizes

WORDS = st.text("abcXYZ019-_/", min_size=1, max_size=60)


@given(st.lists(st.tuples(st.integers(0, 10**9 - 1), st.integers(0, 2**33 - 1)), max_size=9))
def test_many_headers_are_those_of_single_members(members):
    """Built at once from a template, or one by one: the same bytes."""
    keys, sizes = np.array(members, dtype=np.int64).reshape(-1, 2).T
    found = headers(keys, "jpg", sizes)
    assert [row.tobytes() for row in found] == [header(f"{k:09d}.jpg", n) for k, n in members]


def test_keys_of_ten_digits_are_refused():
    """They would be cut to another key."""
    with pytest.raises(ValueError, match="keys are 0 to"):
        headers(np.array([10**9]), "jpg", np.array([1]))


@given(WORDS, st.lists(st.integers(0, 99999), max_size=300), st.text(max_size=700))
def test_json_is_read_back_and_its_size_was_known(label, classes, name):
    """Whole blocks, at least 64 spaces at the end, and the object that was meant."""
    head = json_head(label, classes)
    payload = json_payload(head, name)
    assert json.loads(payload) == {"classes": classes, "label": label, "source": name}
    assert len(payload) % 512 == 0
    assert payload.endswith(b" " * 64)
    lengths = Names.of([name]).json_lengths
    assert json_sizes(np.array([len(head)]), lengths).tolist() == [len(payload)]


def test_header_equals_that_of_tarfile():
    """Byte for byte what tarfile writes as USTAR for the same member."""
    info = tarfile.TarInfo("000000042.jpg")
    info.size = 123456789
    theirs = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    ours = bytearray(header("000000042.jpg", 123456789))
    for block in (theirs, ours):
        block[148:156] = b""  # checksums differ with the next line
        block[329 - 8 : 345 - 8] = b""  # device numbers: tarfile leaves them out for files
    assert ours == theirs


def test_name_that_does_not_fit_is_refused():
    """USTAR has 100 bytes; a cut name would be another name."""
    with pytest.raises(ValueError, match="longer than 100"):
        header("x" * 101, 0)
