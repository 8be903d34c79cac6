"""Shard sets behind http:// and s3://: as local ones, whatever the server does meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import RangeServer

from granctl.shards.index import ShardSet
from granctl.shards.read import ImageReader
from granctl.shards.store import url_of


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Waits are short, the cache is the test's own."""
    monkeypatch.setenv("GRANCTL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def served(shards_folder: Path, tmp_path: Path) -> Iterator[RangeServer]:
    """A copy of the shard set of 24 images behind http, as /set."""
    shutil.copytree(shards_folder, tmp_path / "www" / "set")
    server = RangeServer(tmp_path / "www")
    yield server
    server.close()


def everything(shards: ShardSet) -> dict[str, list[bytes]]:
    """All images by split."""
    with ImageReader(shards) as reader:
        found = {}
        for split in shards.splits:
            rows = shards.rows(split)
            found[split] = [reader.image(rows, i) for i in range(len(rows))]
        return found


def test_a_url_that_went_through_a_path_is_mended() -> None:
    """Pathlib drops a slash; relative paths and windows-like names are no URLs."""
    assert url_of(Path("s3://bucket/a/b")) == "s3://bucket/a/b"
    assert url_of(Path("https://host/a?x=1")) == "https://host/a?x=1"
    assert url_of("http://host/a/") == "http://host/a"
    assert [url_of(p) for p in ("s3", "./s3:/x", "/http:/x", "c:/x")] == [None] * 4


def test_a_set_behind_http_reads_like_the_local_one(served: RangeServer, shards: ShardSet) -> None:
    """The same digest, rows and image bytes; the index is fetched once, images by range."""
    remote = ShardSet.open(served.url("set"))
    assert remote.digest == shards.digest
    assert remote.splits == shards.splits
    assert everything(remote) == everything(shards)
    assert served.requests[0] == ("/set/manifest.json", None)
    tars = [span for path, span in served.requests if path.endswith(".tar")]
    assert len(tars) == 24
    assert None not in tars


def test_the_cache_saves_what_did_not_change(served: RangeServer) -> None:
    """A second opening asks once whether the manifest is the same, and fetches no index."""
    ShardSet.open(served.url("set")).rows("train")
    served.forget()
    ShardSet.open(served.url("set")).rows("train")
    assert served.requests == [("/set/manifest.json", None)]
