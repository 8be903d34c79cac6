"""Files that are put together in memory: written as they are, whatever the file system can."""

import errno
import multiprocessing
import os

import numpy as np
import pytest

from granctl.shards import assembly
from granctl.shards.assembly import Rooms, write_assembled

SIZES = [0, 1, 511, 4095, 4096, 4097, 70_001, 3 << 20]


def filled(rooms, size):
    """A room with `size` known bytes at its beginning, and others behind them."""
    room = rooms.take(size)
    room.bytes[:] = b"\xff" * len(room.bytes)
    content = np.random.default_rng(size).bytes(size)
    room.bytes[:size] = content
    return room, content


@pytest.mark.parametrize("size", SIZES)
def test_file_has_its_bytes_and_no_more(tmp_path, size):
    """Of any size, also where an older and longer file lies there."""
    (tmp_path / "a").write_bytes(b"old" * 5_000)
    room, content = filled(Rooms(), size)
    write_assembled(tmp_path / "a", room.bytes, size)
    assert (tmp_path / "a").read_bytes() == content


def test_file_system_that_knows_no_direct_writes(tmp_path, monkeypatch):
    """It refuses the flag, as some in memory do."""
    real = os.open

    def refusing(path, flags, mode=0o777):
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no direct writes here")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refusing)
    room, content = filled(Rooms(), 70_001)
    write_assembled(tmp_path / "a", room.bytes, 70_001)
    assert (tmp_path / "a").read_bytes() == content


def test_file_system_that_takes_the_flag_and_not_the_write(tmp_path, monkeypatch):
    """The write is done again through the cache; other errors are told."""
    real, refused = os.pwrite, []

    def refusing(handle, content, at):
        if assembly._is_direct(handle):
            refused.append(at)
            raise OSError(errno.EINVAL, "askew")
        return real(handle, content, at)

    monkeypatch.setattr(os, "pwrite", refusing)
    room, content = filled(Rooms(), 70_001)
    write_assembled(tmp_path / "a", room.bytes, 70_001)
    assert (tmp_path / "a").read_bytes() == content
    assert refused == [0]

    def full(handle, content, at):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="no space"):
        write_assembled(tmp_path / "b", room.bytes, 70_001)


def test_writes_that_take_less_than_they_are_given(tmp_path, monkeypatch):
    """What is left lies askew, and goes through the cache."""
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda h, content, at: real(h, bytes(content[:9_999]), at))
    monkeypatch.setattr(assembly, "_opened", lambda path: os.open(path, os.O_RDWR | os.O_CREAT))
    room, content = filled(Rooms(), 70_001)
    write_assembled(tmp_path / "a", room.bytes, 70_001)
    assert (tmp_path / "a").read_bytes() == content


def test_rooms_are_used_again_once_they_are_given_back():
    """A smaller file takes the same memory; two files at once do not."""
    rooms = Rooms()
    first, second = rooms.take(9_000), rooms.take(9_000)
    first.bytes[0], second.bytes[0] = 1, 2
    assert first.bytes[0] == 1
    first.give_back()
    assert rooms.take(5) is first
    assert rooms.take(5) is not first


def test_room_is_not_shared_with_a_process_that_is_forked():
    """What a worker writes into a room stays its own."""
    room = Rooms().take(10)
    room.bytes[0] = 1

    def other() -> None:
        room.bytes[0] = 2

    process = multiprocessing.get_context("fork").Process(target=other)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert room.bytes[0] == 1
