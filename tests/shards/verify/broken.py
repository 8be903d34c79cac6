"""Shard sets with one thing wrong in them, a way of breaking for each code."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from granctl.shards.index import index_record
from granctl.shards.tar import BLOCK, END_BYTES, member
from granctl.shards.verify import gather

SHARD = "train-000001.tar"
"""The shard that is broken: the second of three, so that others stand on both sides."""


@dataclass(frozen=True)
class Sample:
    """One sample of a tar: where its members lie, and their bytes."""

    key: str
    names: list[str]
    places: list[int]
    """First byte of each member's content."""
    contents: list[bytes]


def samples_of(path: Path) -> list[Sample]:
    """All samples of a tar, by Python's tarfile."""
    found: dict[str, Sample] = {}
    with tarfile.open(path) as tar:
        for info in tar.getmembers():
            sample = found.setdefault(info.name.split(".")[0], Sample(info.name[:9], [], [], []))
            sample.names.append(info.name)
            sample.places.append(info.offset_data)
            file = tar.extractfile(info)
            assert file is not None
            sample.contents.append(file.read())
    return list(found.values())


def write_tar(path: Path, samples: Iterable[Sample]) -> None:
    """These samples with whole headers, as granctl would write them."""
    members = [
        member(name, content)
        for sample in samples
        for name, content in zip(sample.names, sample.contents, strict=True)
    ]
    path.write_bytes(b"".join(members) + bytes(END_BYTES))


def put(path: Path, at: int, content: bytes) -> None:
    """Writes over some bytes of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def flip(path: Path, at: int) -> None:
    """Turns one bit of one byte around."""
    put(path, at, bytes([path.read_bytes()[at] ^ 4]))


def with_header(path: Path, content_at: int, change: Callable[[bytearray], None]) -> None:
    """Changes the header before a member, and gives it the checksum that it then has."""
    raw = path.read_bytes()
    head = bytearray(raw[content_at - BLOCK : content_at])
    change(head)
    head[148:156] = b"%06o\0 " % (sum(head[:148]) + 256 + sum(head[156:]))
    put(path, content_at - BLOCK, bytes(head))


def renamed(path: Path, content_at: int, name: str) -> None:
    """Gives a member another name, under a whole header."""

    def change(head: bytearray) -> None:
        head[:100] = name.encode().ljust(100, b"\0")

    with_header(path, content_at, change)


def edit_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a JSON file."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def edit_index(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Changes rows of the index, and the manifest's record of it too: a lie that holds together."""
    path = folder / "index.parquet"
    schema = pq.read_schema(path)
    rows = pq.read_table(path).to_pylist()
    change(rows)
    with pq.ParquetWriter(path, schema) as writer:
        for shard in sorted({row["shard"] for row in rows}):
            ours = [row for row in rows if row["shard"] == shard]
            writer.write_table(pa.Table.from_pylist(ours, schema))
    edit_json(folder / "manifest.json", lambda m: m.update(index=index_record(path)))


# --- a way of breaking for each code ------------------------------------------------------------


def _unfinished(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _manifest_damaged(folder: Path) -> None:
    put(folder / "manifest.json", 0, b"[")


def _spec_differs(folder: Path) -> None:
    edit_json(folder / "spec.json", lambda spec: spec.update(digest="0" * 64))


def _index_damaged(folder: Path) -> None:
    flip(folder / "index.parquet", 700)


def _index_rows(folder: Path) -> None:
    edit_index(folder, lambda rows: rows[8].update(key="8"))


def _counts_off(folder: Path) -> None:
    edit_json(folder / "manifest.json", lambda m: m["shards"][1].update(images=5))


def _content_differs(folder: Path) -> None:
    edit_json(folder / "manifest.json", lambda m: m.update(content_digest="0" * 64))


def _key_repeated(folder: Path) -> None:
    edit_index(folder, lambda rows: rows[8].update(key=rows[0]["key"]))


def _bad_list_off(folder: Path) -> None:
    (folder / "bad.csv").write_text(
        "name,code,problem,left_out\nx.jpg,empty,the file is empty,yes\n"
    )


def _orphan(folder: Path) -> None:
    shutil.copy(folder / SHARD, folder / "train-000009.tar")


def _base_off(folder: Path) -> None:
    view = {"path": "/nowhere", "beside": "../nowhere", "content_digest": "0" * 64}
    edit_json(folder / "manifest.json", lambda m: m.update(view=view))
    for path in folder.glob("*.tar"):
        path.unlink()


def _missing(folder: Path) -> None:
    (folder / SHARD).unlink()


def _unreadable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = gather.scan_shard

    def failing(file: io.BufferedReader, *others: Any) -> Any:
        if Path(file.name).name == SHARD:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(file, *others)

    monkeypatch.setattr(gather, "scan_shard", failing)


def _cut_short(folder: Path) -> None:
    third = samples_of(folder / SHARD)[2]
    os.truncate(folder / SHARD, third.places[0] + 100)


def _too_long(folder: Path) -> None:
    with (folder / SHARD).open("ab") as file:
        file.write(bytes(10240))


def _end_missing(folder: Path) -> None:
    size = (folder / SHARD).stat().st_size
    put(folder / SHARD, size - 100, b"x")


def _header_damaged(folder: Path) -> None:
    flip(folder / SHARD, samples_of(folder / SHARD)[2].places[1] - BLOCK + 3)


def _unsafe(folder: Path) -> None:
    renamed(folder / SHARD, samples_of(folder / SHARD)[2].places[2], "../../x.json")


def _member_missing(folder: Path) -> None:
    samples = samples_of(folder / SHARD)
    for part in (samples[2].names, samples[2].contents):
        del part[1]
    write_tar(folder / SHARD, samples)


def _key_twice(folder: Path) -> None:
    samples = samples_of(folder / SHARD)
    write_tar(folder / SHARD, [*samples, samples[2]])


def _unknown_member(folder: Path) -> None:
    samples = samples_of(folder / SHARD)
    others = samples_of(folder / "train-000000.tar")
    write_tar(folder / SHARD, [*samples, others[0]])


def _index_off(folder: Path) -> None:
    samples = samples_of(folder / SHARD)
    write_tar(folder / SHARD, [*samples[:2], samples[3], samples[2], *samples[4:]])


def _checksum(folder: Path) -> None:
    flip(folder / SHARD, samples_of(folder / SHARD)[2].places[0] + 60)


def _image_format(folder: Path) -> None:
    sample = samples_of(folder / SHARD)[2]
    other = "webp" if sample.names[0].endswith("jpg") else "jpg"
    renamed(folder / SHARD, sample.places[0], f"{sample.key}.{other}")


def _class_number(folder: Path) -> None:
    put(folder / SHARD, samples_of(folder / SHARD)[2].places[1], b"9")


def _json_damaged(folder: Path) -> None:
    put(folder / SHARD, samples_of(folder / SHARD)[2].places[2], b"[")


def _json_label(folder: Path) -> None:
    sample = samples_of(folder / SHARD)[2]
    at = sample.places[2] + sample.contents[2].index(b"n0000000") + 8
    put(folder / SHARD, at, b"7")


def _classes(folder: Path) -> None:
    sample = samples_of(folder / SHARD)[2]
    put(folder / SHARD, sample.places[1], b"0" if sample.contents[1] != b"0" else b"1")


def _leftovers(folder: Path) -> None:
    (folder / ".train-000001.tar.77@elsewhere.tmp").write_bytes(b"half")
    (folder / ".parts").mkdir()


def _set_aside(folder: Path) -> None:
    (folder / "damaged").mkdir()


def _foreign(folder: Path) -> None:
    for name in ("manifest.json", "spec.json", "index.parquet"):
        (folder / name).unlink()


def _not_as_written(folder: Path) -> None:
    def change(head: bytearray) -> None:
        head[136:147] = b"%011o" % 1_700_000_000

    with_header(folder / SHARD, samples_of(folder / SHARD)[2].places[0], change)


def _leak(folder: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        of_test = next(row for row in rows if row["split"] == "test")
        of_test["checksum"] = rows[8]["checksum"]

    edit_index(folder, change)


@dataclass(frozen=True)
class Break:
    """How a set is broken, and which codes that has."""

    code: str
    way: Callable[..., None]
    also: frozenset[str] = frozenset()
    """Codes of what comes with it."""
    key: bool = False
    """Whether the third sample of `SHARD` is named."""


BREAKS = (
    Break("E101", _unfinished),
    Break("E102", _manifest_damaged),
    Break("E103", _spec_differs),
    Break("E104", _index_damaged),
    Break("E105", _index_rows, frozenset({"E210", "E211"})),
    Break("E106", _counts_off),
    Break("E107", _content_differs),
    Break("E108", _key_repeated, frozenset({"E210", "E211"})),
    Break("E109", _bad_list_off),
    Break("E110", _orphan),
    Break("E111", _base_off),
    Break("E201", _missing),
    Break("E202", _unreadable),
    Break("E203", _cut_short),
    Break("E204", _too_long),
    Break("E205", _end_missing),
    Break("E206", _header_damaged, key=True),
    Break("E207", _unsafe, frozenset({"E208", "E210"})),
    Break("E208", _member_missing, frozenset({"E203", "E211"}), key=True),
    Break("E209", _key_twice, frozenset({"E204"}), key=True),
    Break("E210", _unknown_member, frozenset({"E204"})),
    Break("E211", _index_off, key=True),
    Break("E301", _checksum, key=True),
    Break("E302", _image_format, key=True),
    Break("E303", _class_number, key=True),
    Break("E304", _json_damaged, key=True),
    Break("E305", _json_label, key=True),
    Break("E306", _classes, key=True),
    Break("W101", _leftovers),
    Break("W102", _set_aside),
    Break("W103", _foreign),
    Break("W201", _not_as_written, key=True),
    Break("W301", _leak, frozenset({"E107", "E301"})),
)
