"""Shard sets behind URLs: as local ones, whatever the server does meanwhile."""

from __future__ import annotations

import multiprocessing
import pickle
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers import RangeServer, every

from granctl.errors import (
    GranctlError,
    ManifestMismatchError,
    NoRangesError,
    NoSuchRemoteError,
    RemoteChangedError,
    RemoteDeniedError,
    RemoteDownError,
    ShardCorruptError,
)
from granctl.shards.index import Rows, ShardSet
from granctl.shards.read import ImageReader
from granctl.shards.remote.remotespec import RemoteSpec
from granctl.shards.remote.shardset import open_remote
from granctl.shards.store import url_of


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cache is the test's own."""
    monkeypatch.setenv("GRANCTL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def served(shards_folder: Path, tmp_path: Path) -> Iterator[RangeServer]:
    """A copy of the shard set of 24 images behind http, as /set."""
    shutil.copytree(shards_folder, tmp_path / "www" / "set")
    server = RangeServer(tmp_path / "www")
    yield server
    server.close()


@pytest.fixture
def opened(served: RangeServer, tmp_path: Path) -> Callable[..., ShardSet]:
    """`opened(**fields of RemoteSpec)` opens the served set, with short waits."""

    def call(**fields: Any) -> ShardSet:
        quick = {"cache": tmp_path / "cache", "first_wait_s": 0.001, "timeout_s": 0.5}
        spec = RemoteSpec(**{**quick, **fields})
        return ShardSet.of_store(open_remote(served.url("set"), spec))

    return call


def all_rows(shards: ShardSet) -> Rows:
    """Those of the 18 training images, in 3 shards."""
    return shards.rows("train")


def images(shards: ShardSet, order: list[int], *, ahead: bool = True) -> list[bytes]:
    """Training images in this order, announced or not."""
    rows = all_rows(shards)
    with ImageReader(shards) as reader:
        if ahead:
            reader.prefetch(rows, np.array(order))
        return [reader.image(rows, i) for i in order]


def tar_requests(server: RangeServer) -> list[str | None]:
    """Ranges of the requests for shards."""
    return [span for path, span in server.requests if path.endswith(".tar")]


SHUFFLED = np.random.default_rng(3).permutation(18).tolist()
IN_ORDER = list(range(18))


def test_a_url_that_went_through_a_path_is_mended() -> None:
    """A path drops one of two slashes; relative paths and drive letters are no URLs."""
    assert url_of(Path("s3://bucket/a/b")) == "s3://bucket/a/b"
    assert url_of(Path("https://host/a?x=1")) == "https://host/a?x=1"
    assert url_of("http://host/a/") == "http://host/a"
    assert [url_of(p) for p in ("s3", "./s3:/x", "/http:/x", "c:/x")] == [None] * 4


def test_a_set_behind_http_reads_like_the_local_one(served: RangeServer, shards: ShardSet) -> None:
    """The same digest, splits, rows and image bytes; each image by one range."""
    remote = ShardSet.open(served.url("set"))
    assert (remote.digest, remote.splits, remote.name) == (shards.digest, shards.splits, "set")
    assert images(remote, SHUFFLED, ahead=False) == images(shards, SHUFFLED)
    assert len(tar_requests(served)) == 18
    assert None not in tar_requests(served)


def test_the_cache_saves_what_did_not_change(served: RangeServer) -> None:
    """A second opening asks once whether the manifest is the same, and fetches no index."""
    ShardSet.open(served.url("set")).rows("train")
    served.forget()
    ShardSet.open(served.url("set")).rows("train")
    assert served.requests == [("/set/manifest.json", None)]


def test_another_manifest_is_another_set(
    served: RangeServer, build: Callable[..., ShardSet], source_folder: Path
) -> None:
    """The set at a URL was made anew: index and images are those of now."""
    before = ShardSet.open(served.url("set"))
    before.rows("train")
    other = build(source_folder, seed=5)
    shutil.rmtree(served.folder / "set")
    shutil.copytree(other.root, served.folder / "set")
    after = ShardSet.open(served.url("set"))
    assert after.digest == other.digest != before.digest
    assert images(after, IN_ORDER) == images(other, IN_ORDER)


# --- requests -----------------------------------------------------------------------------------


def test_neighbours_that_were_announced_share_a_request(
    served: RangeServer, opened: Callable[..., ShardSet], shards: ShardSet
) -> None:
    """18 images in order are 3 requests, one a shard; without room for gaps they are 18."""
    assert images(opened(), IN_ORDER) == images(shards, IN_ORDER)
    assert len(tar_requests(served)) == 3
    served.forget()
    assert images(opened(gap_bytes=0), SHUFFLED) == images(shards, SHUFFLED)
    assert len(tar_requests(served)) == 18


@pytest.mark.parametrize("ahead_bytes", [1, 5_000, 20_000, 1 << 20])
def test_what_is_read_ahead_stays_within_its_bytes(
    opened: Callable[..., ShardSet], shards: ShardSet, ahead_bytes: int
) -> None:
    """However little it is, every image comes; one image may be larger than the limit."""
    remote = opened(ahead_bytes=ahead_bytes, gap_bytes=0)
    rows, wanted = all_rows(remote), images(shards, SHUFFLED)
    largest = int(rows.size.max())
    with ImageReader(remote) as reader:
        reader.prefetch(rows, np.array(SHUFFLED))
        for i, image in zip(SHUFFLED, wanted, strict=True):
            assert reader._bytes.held_bytes <= max(ahead_bytes, largest)
            assert reader.image(rows, i) == image
        assert reader._bytes.held_bytes == 0


def test_images_may_be_read_in_another_order_or_not_at_all(
    opened: Callable[..., ShardSet], shards: ShardSet
) -> None:
    """What was announced is a hint: room for what is asked for is made by dropping the oldest."""
    remote = opened(ahead_bytes=8_000, gap_bytes=0)
    rows, wanted = all_rows(remote), images(shards, IN_ORDER)
    with ImageReader(remote) as reader:
        for _ in range(3):
            reader.prefetch(rows, np.arange(18))
            for i in (17, 3, 16):
                assert reader.image(rows, i) == wanted[i]
        for i in reversed(IN_ORDER):
            assert reader.image(rows, i) == wanted[i]


def test_a_whole_file_streams_in_ranges(
    served: RangeServer, opened: Callable[..., ShardSet]
) -> None:
    """The bytes of a shard from its beginning, and of its size; a missing file is named."""
    store = opened(request_bytes=5_000).store
    for name in ("train-000000.tar", "index.parquet"):
        with store.open(name) as file:
            assert file.read() == (served.folder / "set" / name).read_bytes()
    with pytest.raises(GranctlError, match=r"none\.tar"):
        store.open("none.tar")


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["503", "500", "reset", "cut", "short"])
@pytest.mark.parametrize("ahead", [True, False])
def test_faults_that_pass_change_nothing(
    served: RangeServer,
    opened: Callable[..., ShardSet],
    shards: ShardSet,
    fault: str,
    ahead: bool,
) -> None:
    """Every fifth request fails, or ends in the middle: the images are the same."""
    served.fault = every(5, fault)
    assert images(opened(gap_bytes=0), SHUFFLED, ahead=ahead) == images(shards, SHUFFLED)
    assert len(served.requests) > 20


def test_what_arrived_before_a_cut_is_not_asked_for_again(
    served: RangeServer, opened: Callable[..., ShardSet]
) -> None:
    """The next try begins where the reply was cut."""
    remote = opened()
    rows = all_rows(remote)
    served.forget()
    served.fault = every(1, "cut")
    with ImageReader(remote) as reader, pytest.raises(RemoteDownError, match="8 tries"):
        reader.image(rows, 0)
    spans = [span or "" for span in tar_requests(served)]
    begins = [int(span.removeprefix("bytes=").split("-")[0]) for span in spans]
    assert begins == sorted(set(begins))
    assert len(begins) == 8


def test_a_silent_server_is_given_up(served: RangeServer, opened: Callable[..., ShardSet]) -> None:
    """Two tries of a fifth of a second, and what was tried is told."""
    told: list[str] = []
    served.fault = every(1, "silent")
    spec = RemoteSpec(cache=served.folder, tries=2, timeout_s=0.2, first_wait_s=0.001)
    with pytest.raises(RemoteDownError, match=r"2 tries.*no answer in time"):
        ShardSet.of_store(open_remote(served.url("set"), spec, told.append))
    assert ["no answer in time; try 2 of 2" in line for line in told] == [True]


def test_a_shard_that_changes_while_it_is_read_is_no_longer_read(
    served: RangeServer, opened: Callable[..., ShardSet]
) -> None:
    """Another ETag, another size, or no file at all: told, with the file."""
    remote = opened()
    rows = all_rows(remote)
    path = served.folder / "set" / remote.shard_names[int(rows.shard[0])]
    content = path.read_bytes()
    with ImageReader(remote) as reader:
        reader.image(rows, 0)
        path.write_bytes(content[:-1] + b"x")
        with pytest.raises(RemoteChangedError, match="changed while it was read"):
            reader.image(rows, 0)
    path.write_bytes(content[:-512])
    with (
        ImageReader(opened()) as reader,
        pytest.raises(RemoteChangedError, match=r"not \d+ as"),
    ):
        reader.image(rows, 0)
    path.write_bytes(b"")
    with ImageReader(opened()) as reader, pytest.raises(RemoteChangedError, match="has 0 bytes"):
        reader.image(rows, 0)
    path.unlink()
    with ImageReader(opened()) as reader, pytest.raises(ShardCorruptError, match="missing"):
        reader.image(rows, 0)


# --- bad input ----------------------------------------------------------------------------------


def test_a_server_without_ranges_is_told_as_that(shards_folder: Path) -> None:
    """Python's own http.server sends whole files: no image is cut out of one in silence."""

    class Plain(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Plain, directory=str(shards_folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        remote = ShardSet.open(f"http://127.0.0.1:{server.server_port}")
        with ImageReader(remote) as reader, pytest.raises(NoRangesError) as error:
            reader.image(all_rows(remote), 1)
        assert "nginx" in error.value.hint
    finally:
        server.shutdown()
        server.server_close()


def test_addresses_that_lead_nowhere(served: RangeServer, granctl: Callable[..., Any]) -> None:
    """No such host, no set there, a login that is wanted, a URL as --out: told at once."""
    cases = [
        ("http://no-such-host.invalid/set", 2, "there is no host no-such-host.invalid"),
        (served.url("nothing"), 3, "it has no manifest.json"),
        ("s3://?x", 2, "query"),
        ("http://host:99999/x", 2, "no such port"),
    ]
    for url, code, sentence in cases:
        outcome = granctl("shards", "show", "--shards", url)
        assert (outcome.code, outcome.out) == (code, ""), outcome.err
        assert sentence in outcome.err
        assert "hint: " in outcome.err
    served.login = "Basic dXNlcjpzZWNyZXQ="
    assert "401" in granctl("shards", "show", "--shards", served.url("set")).err
    with_login = served.url("set").replace("http://", "http://user:secret@")
    shown = granctl("shards", "show", "--shards", with_login, "--json")
    assert shown.json["path"] == served.url("set")
    assert "secret" not in shown.out + shown.err
    assert "a folder of this machine" in granctl("shards", "build", "--out", "s3://b/x").err


def test_refusals_are_not_tried_again(served: RangeServer, opened: Callable[..., ShardSet]) -> None:
    """A 403 is one request, and a name that nobody has is asked for once."""
    served.fault = every(1, "403")
    with pytest.raises(RemoteDeniedError, match="403"):
        opened()
    assert len(served.requests) == 1
    with pytest.raises(NoSuchRemoteError):
        ShardSet.open("https://no-such-host.invalid/x")


def test_a_page_that_is_no_manifest_is_refused(
    served: RangeServer, opened: Callable[..., ShardSet]
) -> None:
    """A server may answer everything with a page of its own."""
    for page in (b"<html>hello</html>", b'{"kind": "run"}'):
        (served.folder / "set" / "manifest.json").write_bytes(page)
        with pytest.raises(ManifestMismatchError):
            opened()


def test_show_takes_a_url(
    served: RangeServer, shards_folder: Path, granctl: Callable[..., Any]
) -> None:
    """The same record as of the folder, but for where it is; an image by its key too."""
    here = granctl("shards", "show", "--shards", shards_folder, "--json").json
    there = granctl("shards", "show", "--shards", served.url("set"), "--json").json
    assert there == {**here, "path": served.url("set")}
    key = "000000003"
    image = granctl("shards", "show", key, "--shards", served.url("set"), "--json").json
    ours = granctl("shards", "show", key, "--shards", shards_folder, "--json").json
    assert image == {**ours, "path": f"{served.url('set')}/{ours['shard']}"}


# --- processes ----------------------------------------------------------------------------------


def _digest_in_child(reader: ImageReader, rows: Rows, pipe: Any) -> None:
    pipe.send([reader.image(rows, i) for i in range(len(rows))])
    pipe.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_reader_works_after_a_fork_and_after_pickling(
    opened: Callable[..., ShardSet], shards: ShardSet
) -> None:
    """With requests in flight in the parent; the child has threads and connections of its own."""
    remote = opened()
    rows, wanted = all_rows(remote), images(shards, IN_ORDER)
    context = multiprocessing.get_context("fork")
    with ImageReader(remote) as reader:
        reader.prefetch(rows, np.arange(18))
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_digest_in_child, args=(reader, rows, theirs))
        child.start()
        assert ours.poll(20)
        assert ours.recv() == wanted
        child.join(10)
        assert [reader.image(rows, i) for i in IN_ORDER] == wanted
        with pickle.loads(pickle.dumps(reader)) as copy:
            assert [copy.image(rows, i) for i in IN_ORDER] == wanted


# --- the cache on disk --------------------------------------------------------------------------


def disk_bytes(cache: Path) -> int:
    """What images take in the cache: blocks, not lengths of sparse files."""
    return sum(p.stat().st_blocks * 512 for p in cache.glob("sets/*/images/*.tar"))


def test_images_in_the_cache_are_not_asked_for_again(
    served: RangeServer, opened: Callable[..., ShardSet], shards: ShardSet
) -> None:
    """The second epoch, in another order and by another reader, makes no request for a shard."""
    images(opened(cache_bytes=1 << 24), IN_ORDER)
    served.forget()
    assert images(opened(cache_bytes=1 << 24), SHUFFLED) == images(shards, SHUFFLED)
    assert images(opened(cache_bytes=1 << 24), SHUFFLED, ahead=False) == images(shards, SHUFFLED)
    assert tar_requests(served) == []


def test_the_cache_holds_no_more_than_its_bytes(
    served: RangeServer, opened: Callable[..., ShardSet], shards: ShardSet, tmp_path: Path
) -> None:
    """What fits is kept and hit in every epoch; the rest is fetched each time."""
    limit = 80_000
    for epoch in range(3):
        served.forget()
        order = np.random.default_rng(epoch).permutation(18).tolist()
        assert images(opened(cache_bytes=limit, gap_bytes=0), order) == images(shards, order)
        assert 0 < disk_bytes(tmp_path / "cache") <= limit
        if epoch:
            assert 0 < len(tar_requests(served)) < 18


def test_damage_in_the_cache_is_noticed(
    served: RangeServer, opened: Callable[..., ShardSet], shards: ShardSet, tmp_path: Path
) -> None:
    """Images are checked by their hash when they come from the disk, and fetched again."""
    images(opened(cache_bytes=1 << 24), IN_ORDER)
    for path in (tmp_path / "cache").glob("sets/*/images/*.tar"):
        path.write_bytes(bytes(path.stat().st_size))
    for path in (tmp_path / "cache").glob("sets/*/images/*000001.tar.have"):
        path.write_bytes(b"garbage")
    served.forget()
    assert images(opened(cache_bytes=1 << 24), SHUFFLED) == images(shards, SHUFFLED)
    assert tar_requests(served)


def test_a_full_cache_drops_sets_that_nobody_reads(
    served: RangeServer,
    opened: Callable[..., ShardSet],
    build: Callable[..., ShardSet],
    source_folder: Path,
    tmp_path: Path,
) -> None:
    """Another set takes the room of the first, but not while the first is read."""
    limit = 300_000
    first = opened(cache_bytes=limit)
    rows = all_rows(first)
    reader = ImageReader(first)
    reader.prefetch(rows, np.arange(18))
    for i in range(18):
        reader.image(rows, i)
    (kept,) = (tmp_path / "cache").glob("sets/*/images")
    other = build(source_folder, seed=5)
    shutil.rmtree(served.folder / "set")
    shutil.copytree(other.root, served.folder / "set")
    images(opened(cache_bytes=limit), IN_ORDER)
    assert kept.exists()
    assert disk_bytes(tmp_path / "cache") <= limit
    reader.close()
    assert images(opened(cache_bytes=limit), IN_ORDER) == images(other, IN_ORDER)
    assert not kept.exists()
    assert 0 < disk_bytes(tmp_path / "cache") <= limit
    served.forget()
    images(opened(cache_bytes=limit), IN_ORDER)
    assert tar_requests(served) == []
