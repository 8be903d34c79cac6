"""Spans copied from file to file, by whatever way the system knows."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from granctl.shards.copying import copy_span, write_at

CONTENT = np.random.default_rng(0).bytes(300_000)


@contextmanager
def opened(folder: Path) -> Iterator[tuple[int, int]]:
    """A file with CONTENT, and an empty one."""
    (folder / "a").write_bytes(CONTENT)
    source = os.open(folder / "a", os.O_RDONLY)
    target = os.open(folder / "b", os.O_RDWR | os.O_CREAT)
    try:
        yield source, target
    finally:
        os.close(source)
        os.close(target)


def refusing(number: int):
    """A call of the system that knows no such copy."""

    def call(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return call


WAYS = {
    "in the kernel": {},
    "sendfile": {"copy_file_range": refusing(errno.EXDEV)},
    "read and write": {
        "copy_file_range": refusing(errno.ENOSYS),
        "sendfile": refusing(errno.EINVAL),
    },
    "a kernel that says nothing": {
        "copy_file_range": lambda *_: 0,
        "sendfile": lambda *_: 0,
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_span_is_copied_to_its_place(tmp_path, monkeypatch, way):
    """Any span to any place; what lies around it stays."""
    for name, call in WAYS[way].items():
        monkeypatch.setattr(os, name, call)
    with opened(tmp_path) as (source, target):
        write_at(target, b"x" * 400_000, 0)
        for offset, at, size in ((7, 0, 5000), (100_000, 100_001, 131_073), (0, 390_000, 0)):
            assert copy_span(source, offset, target, at, size) == size
    expected = bytearray(b"x" * 400_000)
    expected[:5000] = CONTENT[7:5007]
    expected[100_001 : 100_001 + 131_073] = CONTENT[100_000 : 100_000 + 131_073]
    assert (tmp_path / "b").read_bytes() == expected


@pytest.mark.parametrize("way", WAYS)
def test_source_that_ends_before_is_seen(tmp_path, monkeypatch, way):
    """How many bytes there were."""
    for name, call in WAYS[way].items():
        monkeypatch.setattr(os, name, call)
    with opened(tmp_path) as (source, target):
        assert copy_span(source, len(CONTENT) - 10, target, 0, 50) == 10


def test_copy_goes_on_where_the_kernel_stopped(tmp_path, monkeypatch):
    """A file system that gives up in the middle: the rest is read and written."""
    real, calls = os.copy_file_range, []

    def tired(source: int, target: int, size: int, offset: int, at: int) -> int:
        calls.append(size)
        if len(calls) > 1:
            raise OSError(errno.EOPNOTSUPP, "no more")
        return real(source, target, 1000, offset, at)

    monkeypatch.setattr(os, "copy_file_range", tired)
    with opened(tmp_path) as (source, target):
        assert copy_span(source, 0, target, 0, len(CONTENT)) == len(CONTENT)
    assert (tmp_path / "b").read_bytes() == CONTENT


def test_full_disk_is_no_reason_for_another_way(tmp_path, monkeypatch):
    """What cannot be written by one way cannot be written by another."""
    monkeypatch.setattr(os, "copy_file_range", refusing(errno.ENOSPC))
    with opened(tmp_path) as (source, target), pytest.raises(OSError, match="No space"):
        copy_span(source, 0, target, 0, 10)
