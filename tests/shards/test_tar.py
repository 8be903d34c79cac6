"""USTAR bytes, read back by Python's own tarfile."""

import io
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from granctl.shards.tar import END_BYTES, header, json_payload, sample, sample_bytes

WORDS = st.text("abcXYZ019-_/", min_size=1, max_size=60)


@given(st.binary(max_size=2000), st.integers(0, 99999), WORDS)
def test_sample_is_read_back_by_tarfile(image, first_class, label):
    """Three plain members with the bytes that were put in, and no PAX header."""
    payload = json_payload(label, [first_class, 7], "a/ä.png")
    packed = sample("000000001", "png", image, first_class, payload)
    assert len(packed) == sample_bytes(len(image), len(payload))
    with tarfile.open(fileobj=io.BytesIO(packed + bytes(END_BYTES))) as tar:
        members = tar.getmembers()
        assert [m.name for m in members] == ["000000001.png", "000000001.cls", "000000001.json"]
        contents = [tar.extractfile(m).read() for m in members]
    assert contents[:2] == [image, b"%d" % first_class]
    assert json.loads(contents[2]) == {
        "classes": [first_class, 7],
        "label": label,
        "source": "a/ä.png",
    }
    assert all(m.type == tarfile.REGTYPE and not m.pax_headers for m in members)
    assert {(m.mtime, m.uid, m.gid, m.mode, m.uname) for m in members} == {(0, 0, 0, 0o644, "")}


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


@given(st.text(max_size=700))
def test_json_has_room_to_be_patched_in_place(name):
    """Whole blocks, and at least 64 spaces at the end."""
    payload = json_payload("n1", [1], name)
    assert len(payload) % 512 == 0
    assert payload.endswith(b" " * 64)


def test_name_that_does_not_fit_is_refused():
    """USTAR has 100 bytes; a cut name would be another name."""
    with pytest.raises(ValueError, match="longer than 100"):
        header("x" * 101, 0)
