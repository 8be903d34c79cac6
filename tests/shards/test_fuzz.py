"""Hostile bytes in everything that is read: an error that granctl names, or nothing at all.

2,000 inputs in `make test`, 100,000 in `make test-all`. Each test runs under a limit of 1 GB more
memory than the process had, and of time: what hangs or asks for gigabytes fails.
"""

from __future__ import annotations

import json
import re
import resource
import shutil
import signal
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from generated_images import encoded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tars import scanned, special, tar_bytes

from granctl.errors import GranctlError
from granctl.progress import Silent
from granctl.shards.build.audit import audit, quiet_decoder
from granctl.shards.build.planfile import find_plan, plan_path
from granctl.shards.build.write import BuildSpec, plan_build
from granctl.shards.index import ShardSet, index_record
from granctl.shards.read import ImageReader
from granctl.shards.show import describe, describe_image
from granctl.shards.source.resolve import open_source
from granctl.shards.store import Folder
from granctl.shards.verify.rebuild import RepairSpec
from granctl.shards.verify.repair import repair
from granctl.shards.verify.table import selected
from granctl.shards.verify.verify import verify
from granctl.workspace import Workspace

FORMS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
SUFFIXES = (".jpg", ".png", ".webp")
IMAGES = {suffix: encoded(1, suffix, 24) for suffix in SUFFIXES}
HOSTILE_NUMBERS = (0, 1, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1)
HOSTILE_VALUES = (
    None,
    True,
    -1,
    2**63,
    1e300,
    "",
    "../../etc/passwd",
    "\0",
    [],
    {},
    [[]],
    "x" * 999,
)


def inputs(few: int, many: int) -> Any:
    """So many inputs in `make test`, and so many in `make test-all`."""
    return pytest.mark.parametrize("num", [few, pytest.param(many, marks=pytest.mark.slow)])


def fuzz(num: int, body: Callable[[st.DataObject], None]) -> None:
    """Calls `body` with that many drawn inputs, the same ones each time."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    limits = settings(
        max_examples=num,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=slow,
    )
    limits(given(st.data())(body))()


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """1 GB more than now, and twenty minutes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**30, hard))
    signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(1200)
    yield
    signal.alarm(0)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _hangs(number: int, frame: object) -> None:
    raise AssertionError("an input took more than twenty minutes")


def damaged(data: st.DataObject, content: bytes) -> bytes:
    """Bytes put over any places, hostile numbers among them, a part taken out or doubled, a cut."""
    raw = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        patch = data.draw(
            st.one_of(
                st.binary(min_size=1, max_size=24),
                st.sampled_from(HOSTILE_NUMBERS).map(lambda n: n.to_bytes(8, "little")),
                st.sampled_from(HOSTILE_NUMBERS).map(lambda n: n.to_bytes(8, "big")),
                st.sampled_from(HOSTILE_NUMBERS).map(lambda n: b"%011o\0" % n),
            )
        )
        raw[at : at + len(patch)] = patch
    begin, size = data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 600))
    change = data.draw(st.sampled_from(["nothing", "nothing", "nothing", "drop", "double", "cut"]))
    if change == "drop":
        del raw[begin : begin + size]
    elif change == "double":
        raw[begin:begin] = raw[begin : begin + size]
    elif change == "cut":
        del raw[begin:]
    return bytes(raw)


def with_sums(data: st.DataObject, content: bytes) -> bytes:
    """Some blocks get the checksum of a tar header, so that the damage gets in."""
    raw = bytearray(content)
    for at in range(0, len(raw) - 511, 512):
        if data.draw(st.booleans()):
            head = raw[at : at + 512]
            raw[at + 148 : at + 156] = b"%06o\0 " % (sum(head[:148]) + 256 + sum(head[156:]))
    return bytes(raw)


@inputs(800, 40_000)
def test_headers_of_a_tar(num: int, tmp_path: Path) -> None:
    """Places stay inside the file and in order, names inside the tar."""
    names = {"a.jpg": b"x" * 600, "c/d": b"z" * 512}
    tars = [
        tar_bytes(names | {"long" * 30 if form else "b": b"y"}, form, special("l", b"2", "a.jpg"))
        for form in FORMS
    ]

    def body(data: st.DataObject) -> None:
        raw = with_sums(data, damaged(data, data.draw(st.sampled_from(tars))))
        found = scanned(tmp_path / "a.tar", raw)
        assert (found.sizes >= 0).all()
        assert (found.offsets + found.sizes <= len(raw)).all()
        assert (np.diff(found.offsets) > 0).all()
        for name in found.names:
            assert name
            assert not name.startswith("/")
            assert ".." not in name.split("/")

    fuzz(num, body)


@inputs(200, 10_000)
def test_sources_of_tars(num: int, tmp_path: Path) -> None:
    """A tar of tars and WebDataset shards: opened and read to the end, or refused by name."""
    inner = tar_bytes({"n1_1.jpg": IMAGES[".jpg"], "n1_2.png": IMAGES[".png"]})
    nested = tar_bytes({"n1.tar": inner, "n2.tar": inner})
    samples = {"1.jpg": IMAGES[".jpg"], "1.cls": b"3", "1.json": b'{"label": "n1"}'}
    flat = tar_bytes(samples | {"2.png": IMAGES[".png"], "2.cls": b"4"})
    path = tmp_path / "source.tar"

    def body(data: st.DataObject) -> None:
        kind, whole = data.draw(st.sampled_from([("tars", nested), ("webdataset", flat)]))
        path.write_bytes(with_sums(data, damaged(data, whole)))
        with suppress(GranctlError, OSError):
            source = open_source(Workspace(tmp_path / "w"), str(path), kind=kind)
            for i in range(len(source.listing)):
                source.read(i)
        shutil.rmtree(tmp_path / "w", ignore_errors=True)

    fuzz(num, body)


def read_everything(folder: Path) -> None:
    """All that a command would ask of a shard set."""
    shards = ShardSet.open(folder)
    describe(shards)
    with ImageReader(shards) as reader:
        for split in shards.splits:
            rows = shards.rows(split)
            shards.checksums(split)
            for key in shards.keys(split)[:1].tolist():
                describe_image(shards, key)
            for i in range(len(rows)):
                reader.image(rows, i)


@inputs(300, 15_000)
def test_manifest_of_a_shard_set(num: int, shards_folder: Path, tmp_path: Path) -> None:
    """Damaged bytes and hostile values: the set is refused by name, or read as it is."""
    folder = shutil.copytree(shards_folder, tmp_path / "set")
    whole = (folder / "manifest.json").read_bytes()

    def body(data: st.DataObject) -> None:
        if data.draw(st.booleans()):
            content = damaged(data, whole)
        else:
            manifest = json.loads(whole)
            put_anywhere(data, manifest)
            content = json.dumps(manifest).encode()
        (folder / "manifest.json").write_bytes(content)
        with suppress(GranctlError):
            read_everything(folder)

    fuzz(num, body)


def put_anywhere(data: st.DataObject, value: Any) -> None:
    """A hostile value in the place of any other, or a field that is gone."""
    while isinstance(value, dict | list) and value:
        places = list(value) if isinstance(value, dict) else range(len(value))
        place = data.draw(st.sampled_from(places))
        inner = value[place]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 3)) == 0:
            if isinstance(value, dict) and data.draw(st.booleans()):
                del value[place]
            else:
                value[place] = data.draw(st.sampled_from(HOSTILE_VALUES))
            return
        value = inner


@inputs(250, 12_000)
def test_index_of_a_shard_set(num: int, shards_folder: Path, tmp_path: Path) -> None:
    """Damaged bytes are always noticed; hostile rows under the right checksum are refused."""
    folder = shutil.copytree(shards_folder, tmp_path / "set")
    whole = (folder / "index.parquet").read_bytes()
    table = pq.read_table(folder / "index.parquet")
    manifest = json.loads((folder / "manifest.json").read_bytes())

    def body(data: st.DataObject) -> None:
        path = folder / "index.parquet"
        if data.draw(st.booleans()):
            path.write_bytes(damaged(data, whole))
            if path.read_bytes() != whole:
                with pytest.raises(GranctlError):
                    read_everything(folder)
            return
        pq.write_table(hostile_rows(data, table), path)
        claimed = manifest | {"index": index_record(path)}
        (folder / "manifest.json").write_text(json.dumps(claimed))
        with suppress(GranctlError):
            read_everything(folder)
        (folder / "manifest.json").write_text(json.dumps(manifest))

    fuzz(num, body)


def hostile_rows(data: st.DataObject, table: pa.Table) -> pa.Table:
    """One column with another value or of another type, or gone; or rows that are gone."""
    name = data.draw(st.sampled_from(table.column_names))
    change = data.draw(st.sampled_from(["value", "type", "column", "rows"]))
    at = table.column_names.index(name)
    values = table[name].to_pylist()
    if change == "column":
        return table.remove_column(at)
    if change == "rows":
        return table.slice(data.draw(st.integers(0, len(values))))
    if change == "type":
        return table.set_column(at, name, pa.array([str(v) for v in values]))
    row = data.draw(st.integers(0, len(values) - 1))
    if isinstance(values[0], int):
        values[row] = data.draw(st.sampled_from([-1, 127, *HOSTILE_NUMBERS[:4]]))
        return table.set_column(at, name, pa.array(values, pa.int64()))
    values[row] = data.draw(st.sampled_from(["", "\0", "../x", None]))
    return table.set_column(at, name, pa.array(values, pa.string()).dictionary_encode())


@inputs(150, 8_000)
def test_plan_of_a_build(num: int, source_folder: Path, tmp_path: Path) -> None:
    """A plan is whole or not there: no damage goes unnoticed."""
    spec = BuildSpec(source=str(source_folder), shard_images=6)
    folder = plan_build(Workspace(tmp_path), spec, None, Silent()).path
    whole = plan_path(folder).read_bytes()

    def body(data: st.DataObject) -> None:
        content = damaged(data, whole)
        plan_path(folder).write_bytes(content)
        assert (find_plan(folder) is None) == (content != whole)

    fuzz(num, body)


@inputs(300, 15_000)
def test_images(num: int) -> None:
    """Any damage gives a verdict; what the structure calls good has a size that is one."""

    def body(data: st.DataObject) -> None:
        content = damaged(data, IMAGES[data.draw(st.sampled_from(SUFFIXES))])
        with quiet_decoder():
            found = audit(content, "x.jpg", data.draw(st.sampled_from(["structure", "decode"])))
        assert bool(found.problem) == bool(found.code)
        if not found.problem:
            assert 0 < found.width * found.height <= 100_000_000

    fuzz(num, body)


@inputs(120, 6_000)
def test_shards_that_are_verified(num: int, shards_folder: Path, tmp_path: Path) -> None:
    """Any damage to a tar, an index or a manifest gives findings, never a crash.

    Only the name of an image's source has no checksum: a change inside of it alone may pass.
    """
    folder = shutil.copytree(shards_folder, tmp_path / "set")
    names = ("train-000001.tar", "index.parquet", "manifest.json", "spec.json")
    whole = {name: (folder / name).read_bytes() for name in names}
    codes = selected(None)

    def body(data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(names))
        content = damaged(data, whole[name])
        if name.endswith(".tar"):
            content = data.draw(st.sampled_from([content, with_sums(data, content)]))
        (folder / name).write_bytes(content)
        report = verify(Folder(folder), codes, 1, Silent())
        for finding in report.findings:
            assert finding.what
        if name.endswith(".tar") and not report.findings:
            assert without_sources(content) == without_sources(whole[name])
        if name == "index.parquet" and content != whole[name]:
            assert report.num_errors
        (folder / name).write_bytes(whole[name])

    fuzz(num, body)
    assert not verify(Folder(folder), codes, 1, Silent()).findings


@inputs(40, 1_000)
def test_shards_that_are_repaired(
    num: int, shards_folder: Path, source_folder: Path, tmp_path: Path
) -> None:
    """Any damage to a tar or the index that is found is mended, byte for byte."""
    folder = shutil.copytree(shards_folder, tmp_path / "set")
    names = ("train-000000.tar", "train-000001.tar", "index.parquet")
    whole = {name: (folder / name).read_bytes() for name in names}
    spec = RepairSpec(source=str(source_folder))

    def body(data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(names))
        content = damaged(data, whole[name])
        (folder / name).write_bytes(content)
        report = repair(Workspace(tmp_path / "w"), Folder(folder), spec, 1, Silent())
        assert not report.num_errors
        found = (folder / name).read_bytes()
        if report.mended:
            assert without_sources(found) == without_sources(whole[name])
            assert (folder / f"damaged/{name}.1").read_bytes() == content
            shutil.rmtree(folder / "damaged")
        else:
            assert found == content
            assert without_sources(content) == without_sources(whole[name])
        (folder / name).write_bytes(whole[name])

    fuzz(num, body)


def without_sources(content: bytes) -> bytes:
    """A tar without the names of sources in its .json members."""
    return re.sub(rb'"source":"[^"]*"}', b"", content)
