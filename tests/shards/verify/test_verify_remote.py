"""Shard sets behind http are verified as those in a folder, whatever the server does meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from broken import SHARD, flip, put, samples_of, write_tar
from servers import RangeServer, every

from granctl.errors import MissingInputError, RemoteDownError
from granctl.progress import Silent
from granctl.shards.remote.remotespec import RemoteSpec
from granctl.shards.remote.shardset import open_remote
from granctl.shards.store import Folder
from granctl.shards.verify.report import Report
from granctl.shards.verify.table import selected
from granctl.shards.verify.verify import verify


@pytest.fixture
def served(
    shards_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RangeServer]:
    """A copy of the shard set of 24 images behind http, as /set."""
    monkeypatch.setenv("GRANCTL_CACHE", str(tmp_path / "cache"))
    shutil.copytree(shards_folder, tmp_path / "www/set")
    server = RangeServer(tmp_path / "www")
    yield server
    server.close()


def checked(server: RangeServer, tmp_path: Path, name: str = "set") -> Report:
    spec = RemoteSpec(cache=tmp_path / "cache", first_wait_s=0.001, timeout_s=0.5, tries=4)
    return verify(open_remote(server.url(name), spec), selected(None), 1, Silent())


def test_whole_set_has_no_finding(served, tmp_path):
    """Every byte is fetched and checked; it cannot be listed, so orphans are not looked for."""
    report = checked(served, tmp_path)
    assert (report.findings, report.images) == ([], 24)
    assert report.where == served.url("set")


def test_damage_is_that_of_the_folder(served, tmp_path):
    """A flipped bit, a damaged header, a shard without a member, one that is gone."""
    folder = tmp_path / "www/set"
    flip(folder / "train-000000.tar", samples_of(folder / "train-000000.tar")[1].places[0] + 60)
    samples = samples_of(folder / SHARD)
    del samples[2].names[1], samples[2].contents[1]
    write_tar(folder / SHARD, samples)
    put(folder / "train-000002.tar", 3, b"x")
    (folder / "test-000000.tar").unlink()
    here = verify(Folder(folder), selected(None), 1, Silent())
    there = checked(served, tmp_path)
    assert [f.line() for f in there.findings] == [f.line() for f in here.findings]
    assert {f.code for f in there.findings} >= {"E201", "E206", "E208", "E301"}


def test_server_that_fails_now_and_then_is_asked_again(served, tmp_path):
    """Cut replies and refusals are no damage."""
    served.fault = every(3, "cut")
    assert checked(served, tmp_path).findings == []


def test_server_that_is_down_is_no_damage_either(served, tmp_path):
    """An error of the run, not a list of damaged shards."""
    checked(served, tmp_path)
    served.fault = every(1, "503")
    with pytest.raises(RemoteDownError):
        checked(served, tmp_path)


def test_url_without_a_set(served, tmp_path):
    """Nothing to verify is said as that."""
    with pytest.raises(MissingInputError):
        checked(served, tmp_path, "nothing")
