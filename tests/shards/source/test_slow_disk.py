"""Reading in an order that is known: ahead where the disk is waited for, else one by one."""

import numpy as np
import pytest
from generated_images import write_source
from tars import tar_bytes

from granctl.progress import Silent
from granctl.shards.source import slowdisk
from granctl.shards.source.resolve import open_source
from granctl.shards.source.slowdisk import InTurn
from granctl.workspace import Workspace


class Told:
    """A source of 300 images that keeps what it was asked, in order."""

    def __init__(self):
        self.asked = []

    def read(self, i):
        self.asked.append(("read", i))
        if i == 299:
            raise OSError("broken")
        return b"%d" % i

    def read_soon(self, i):
        self.asked.append(("soon", i))


def read_all(source, images):
    reading = InTurn(source, images)
    return [reading.read() for _ in images]


def test_images_come_in_the_order_that_was_given(monkeypatch):
    """Whether the disk is waited for or not."""
    images = np.random.default_rng(0).permutation(299).tolist()
    for waited in (0, 1000):
        monkeypatch.setattr(slowdisk, "_WAITED_SECONDS", waited)
        source = Told()
        assert read_all(source, images) == [b"%d" % i for i in images]
        assert [i for what, i in source.asked if what == "read"] == images


def test_a_source_that_answers_at_once_is_told_nothing(monkeypatch):
    """Telling costs more than it saves there."""
    monkeypatch.setattr(slowdisk, "_WAITED_SECONDS", 1000)
    source = Told()
    read_all(source, list(range(299)))
    assert all(what == "read" for what, _ in source.asked)


def test_a_source_that_is_waited_for_is_told_each_image_once_and_before(monkeypatch):
    """Behind the first read, every image is told once, at most 64 of them before they are read."""
    monkeypatch.setattr(slowdisk, "_WAITED_SECONDS", 0)
    source, images = Told(), list(range(0, 299, 2))
    read_all(source, images)
    told = [i for what, i in source.asked if what == "soon"]
    assert told == images[2:]
    read = 0
    for what, i in source.asked:
        read += what == "read"
        assert what == "read" or images.index(i) in range(read + 1, read + 65)


def test_an_image_that_cannot_be_read_is_that_image_alone(monkeypatch):
    """The error is raised for it, and the next read gives the next image."""
    monkeypatch.setattr(slowdisk, "_WAITED_SECONDS", 0)
    reading = InTurn(Told(), [5, 299, 7])
    assert reading.read() == b"5"
    with pytest.raises(OSError, match="broken"):
        reading.read()
    assert reading.read() == b"7"


def test_folders_and_tars_may_be_told_of_what_is_gone(tmp_path):
    """Telling never fails: the read says what is wrong."""
    folders = write_source(tmp_path / "folders", splits=False)
    (tmp_path / "tars").mkdir()
    tar = tmp_path / "tars" / "n00000001.tar"
    tar.write_bytes(tar_bytes({"a.png": b"x" * 1000}))
    for path, victim in ((folders, folders / "n00000001" / "a.png"), (tmp_path / "tars", tar)):
        source = open_source(Workspace(tmp_path / "w"), str(path), progress=Silent())
        source.read_soon(0)
        victim.unlink()
        source.read_soon(0)
