"""Hostile bytes in what relabel and diff read: an error that granctl names, or a whole result."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
from generated_images import LABELS
from hypothesis import strategies as st
from relabelled_sets import said, samples
from test_fuzz import (
    bounded,  # noqa: F401  # a fixture: limits of memory and time
    damaged,
    fuzz,
    hostile_rows,
    inputs,
    put_anywhere,
    read_everything,
)

from granctl.errors import GranctlError
from granctl.progress import Silent
from granctl.shards.classes import ClassLookup
from granctl.shards.diff.difference import diff_shards
from granctl.shards.index import ShardSet, index_record
from granctl.shards.relabel.relabel import relabel_shards
from granctl.shards.relabel.relabelspec import How, RelabelSpec
from granctl.workspace import Workspace

CLASSES = ((0,), (1, 2), (), (3,), (40_000,), (5,))


def class_of(how: How) -> dict[str, tuple[int, ...]]:
    """The map; in place no label may be dropped."""
    instead = (7,) if how == "in-place" else ()
    return {label: classes or instead for label, classes in zip(LABELS, CLASSES, strict=True)}


def relabel(shards: Path, how: How, out: Path | None = None) -> Path:
    """Relabels a set."""
    classes = ClassLookup(digest="d", class_of=class_of(how), num_classes=40_001, list_name="toy")
    spec = RelabelSpec(shards=shards, classes=classes, how=how, out=out)
    return relabel_shards(Workspace(shards.parent / "w"), spec, Silent()).path


@inputs(150, 8_000)
def test_manifest_of_a_view(num: int, shards_folder: Path, tmp_path: Path) -> None:
    """Damaged bytes and hostile values: the view is refused by name, or read as it is."""
    view = relabel(shards_folder, "view", tmp_path / "view")
    whole = (view / "manifest.json").read_bytes()

    def body(data: st.DataObject) -> None:
        if data.draw(st.booleans()):
            content = damaged(data, whole)
        else:
            manifest = json.loads(whole)
            put_anywhere(data, manifest)
            content = json.dumps(manifest).encode()
        (view / "manifest.json").write_bytes(content)
        (view / ".content-digest").unlink(missing_ok=True)
        with suppress(GranctlError):
            read_everything(view)
            diff_shards(ShardSet.open(view), ShardSet.open(shards_folder), Silent())

    fuzz(num, body)


@inputs(120, 6_000)
def test_index_and_shards_of_a_set_that_is_relabelled(
    num: int, shards_folder: Path, tmp_path: Path
) -> None:
    """Hostile rows under the right checksum, damaged shards: refused, or every label is right.

    Damage to images and their headers is copied: `shards verify` finds it. Label members are read.
    """
    folder = shutil.copytree(shards_folder, tmp_path / "set")
    table = pq.read_table(folder / "index.parquet")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    tar = folder / manifest["shards"][0]["name"]
    whole = {path: path.read_bytes() for path in folder.iterdir()}

    def body(data: st.DataObject) -> None:
        shutil.rmtree(tmp_path / "new", ignore_errors=True)
        shutil.rmtree(folder)
        folder.mkdir()
        for place, content in whole.items():
            place.write_bytes(content)
        how = data.draw(st.sampled_from(("materialise", "in-place")))
        tars_are_good = data.draw(st.booleans())
        if tars_are_good:
            path = folder / "index.parquet"
            rows = manifest["shards"][0]["images"]
            pq.write_table(hostile_rows(data, table), path, row_group_size=rows)
            claimed = manifest | {"index": index_record(path)}
            (folder / "manifest.json").write_text(json.dumps(claimed))
        else:
            tar.write_bytes(damaged(data, whole[tar]))
        with suppress(GranctlError):
            diff_shards(ShardSet.open(folder), ShardSet.open(shards_folder), Silent())
        with suppress(GranctlError):
            made = relabel(folder, how, tmp_path / "new" if how == "materialise" else None)
            for sample in samples(made).values() if tars_are_good else ():
                record = said(sample)
                assert record["classes"] == list(class_of(how)[record["label"]])
                assert record["cls"] == record["classes"][0]

    fuzz(num, body)
