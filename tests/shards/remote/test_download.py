"""Sources behind URLs: copied whole, gone on with, and the same source as the local files."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import RangeServer, every

from granctl.errors import BadUrlError, MissingInputError
from granctl.progress import Silent
from granctl.shards.remote.download import fetched_source
from granctl.shards.remote.remotespec import RemoteSpec
from granctl.shards.source.resolve import open_source
from granctl.workspace import Workspace


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cache is the test's own."""
    monkeypatch.setenv("GRANCTL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def served(source_folder: Path, shards_folder: Path, tmp_path: Path) -> Iterator[RangeServer]:
    """Behind http: others/a-{00..02}.tar with .jpg and .cls and a labels.txt, and set/."""
    www = tmp_path / "www"
    shutil.copytree(shards_folder, www / "set")
    (www / "others").mkdir()
    images = sorted(p for p in source_folder.rglob("*") if p.suffix in (".png", ".jpg"))
    for shard in range(3):
        with tarfile.open(www / "others" / f"a-{shard:02d}.tar", "w") as tar:
            for i, path in enumerate(images[shard::3]):
                for suffix, content in (
                    (path.suffix, path.read_bytes()),
                    (".cls", b"%d" % (i % 2)),
                ):
                    member = tarfile.TarInfo(f"{shard}{i:04d}{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    (www / "others" / "labels.txt").write_text("apple\npear\n")
    server = RangeServer(www)
    yield server
    server.close()


def small(tmp_path: Path) -> RemoteSpec:
    """Small requests and short waits."""
    return RemoteSpec(cache=tmp_path / "cache", request_bytes=4000, first_wait_s=0.001)


def test_tars_of_others_behind_a_pattern_are_the_local_source(
    served: RangeServer, tmp_path: Path
) -> None:
    """The same labels, splits, bytes and digest as the files themselves, in spite of faults."""
    workspace = Workspace(tmp_path / "own")
    local = open_source(workspace, str(served.folder / "others" / "a-{00..02}.tar"))
    served.fault = every(7, "cut")
    remote = open_source(workspace, served.url("others/a-{00..02}.tar"))
    assert remote.listing.labels == ("apple", "pear")
    assert remote.digest == local.digest
    num = len(local.listing)
    assert num >= 18
    assert [remote.read(i) for i in range(num)] == [local.read(i) for i in range(num)]
    served.forget()
    again = open_source(workspace, served.url("others/a-{00..02}.tar"))
    assert again.digest == local.digest
    assert {span for _, span in served.requests} == {"bytes=0-0"}


def test_a_shard_set_behind_a_url_is_a_source(
    served: RangeServer, shards_folder: Path, granctl: Callable[..., Any]
) -> None:
    """A build from the URL is the build from the folder."""
    options = ("--order", "source", "--json")
    here = granctl("shards", "build", "--source", shards_folder, *options).json
    there = granctl("shards", "build", "--source", served.url("set"), *options).json
    assert there["content_digest"] == here["content_digest"]
    assert there["digest"] == here["digest"]


def test_a_copy_that_was_stopped_goes_on(served: RangeServer, tmp_path: Path) -> None:
    """What is there is not fetched again; a file of another version is, from its beginning."""
    url, spec = served.url("others/a-00.tar"), small(tmp_path)
    path, _ = fetched_source(url, Silent(), spec)
    content = path.read_bytes()
    assert content == (served.folder / "others/a-00.tar").read_bytes()
    part = path.with_name("a-00.tar.part")
    path.unlink()
    part.write_bytes(content[:10_000])
    served.forget()
    fetched_source(url, Silent(), spec)
    assert path.read_bytes() == content
    begins = [int(s[6:].split("-")[0]) for p, s in served.requests if p.endswith("tar") and s]
    assert sorted(begins)[1] == 10_000
    path.unlink()
    part.write_bytes(b"old")
    other = content[:-1024] + bytes(2048)
    (served.folder / "others/a-00.tar").write_bytes(other)
    fetched_source(url, Silent(), spec)
    assert path.read_bytes() == other


def test_files_that_are_not_there_are_named(served: RangeServer, tmp_path: Path) -> None:
    """Before anything is copied: one file of a pattern, a page that is neither set nor file."""
    with pytest.raises(MissingInputError, match=r"a-03\.tar"):
        fetched_source(served.url("others/a-{00..03}.tar"), Silent(), small(tmp_path))
    assert not list((tmp_path / "cache").glob("sources/*/*.tar*"))
    with pytest.raises(BadUrlError, match="file's name"):
        fetched_source(served.url("o-{00..03}/a.tar"), Silent(), small(tmp_path))
