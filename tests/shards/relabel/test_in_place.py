"""Other classes written into the shards that are there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from generated_images import LABELS
from relabelled_sets import copy_of, said, samples, tars
from told import Told, all_bytes

from granctl.errors import (
    BadOptionError,
    DoesNotFitError,
    DropsInPlaceError,
    GranctlError,
    MissingInputError,
    NoTarsError,
    OutputExistsError,
    OutputNotWritableError,
)
from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.foreign import export_indexes
from granctl.shards.index import ShardSet
from granctl.shards.journal import JOURNAL_NAME
from granctl.shards.relabel import inplace
from granctl.workspace import Workspace

PLAIN = [0, 1, 2, 0, 1, 2]
SEVERAL = [[0, 7], 1, [2, 3, 4], 12345, [5, 0], 6]
LONG = [0, range(60), 1, range(3, 40), 2, 3]
"""Longer than 64 bytes more than one class, and still within one block."""
WIDE = [0, range(150), 1, range(3, 300), 2, 3]


@pytest.fixture
def base(built, tmp_path) -> Path:
    """A set of six shards under PLAIN, to be changed."""
    return copy_of(built(PLAIN), tmp_path / "base")


@pytest.mark.parametrize("classes", [SEVERAL, LONG], ids=["several", "long"])
def test_shards_are_those_of_a_build_under_the_map(base, built, relabelled, classes):
    """Byte for byte; the index is not touched at all."""
    before = (base / "index.parquet").stat()
    made = relabelled(base, classes, "in-place")
    assert made.path == base
    assert samples(base).keys() == samples(built(classes).root).keys()
    assert [said(s) for s in samples(base).values()] == [
        said(s) for s in samples(built(classes).root).values()
    ]
    if classes == SEVERAL:
        assert tars(base) == tars(built(classes).root)
    after = (base / "index.parquet").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not (base / JOURNAL_NAME).exists()
    assert ShardSet.open(base).manifest["classes"] == built(classes).manifest["classes"]


def test_relabel_in_place_and_materialised_are_one_set(base, built, relabelled):
    """One digest, one manifest."""
    made = relabelled(base, SEVERAL, "in-place", also={"x": PLAIN})
    other = relabelled(built(PLAIN), SEVERAL, "materialise", also={"x": PLAIN})
    assert made.digest == other.digest
    ours, theirs = all_bytes(base), all_bytes(other.path)
    assert ours == theirs


def test_way_back_ends_with_the_bytes_of_the_build(base, built, relabelled):
    """Under another map and then under its own: every file is as it was built."""
    relabelled(base, LONG, "in-place")
    relabelled(base, SEVERAL, "in-place", also={"x": PLAIN})
    relabelled(base, PLAIN, "in-place")
    assert all_bytes(base) == all_bytes(built(PLAIN).root)


def test_build_does_not_take_a_relabelled_set_for_its_own(built, relabelled, images, tmp_path):
    """The set in the build's own place has other classes now: exit 2, and nothing is written."""
    from granctl.study.classlookup import class_lookup

    shards = built(PLAIN)
    relabelled(shards, SEVERAL, "in-place")
    before = all_bytes(shards.root)
    lookup = class_lookup(tmp_path / "built.parquet")
    spec = BuildSpec(source=str(images), classes=lookup, shard_images=5)
    with pytest.raises(OutputExistsError, match="another artefact"):
        build_shards(Workspace(tmp_path / "own"), spec, None, Silent())
    assert all_bytes(shards.root) == before


def test_same_relabel_twice_makes_nothing(base, relabelled):
    """The second finds it done."""
    assert relabelled(base, SEVERAL, "in-place").made
    assert not relabelled(base, SEVERAL, "in-place").made


def test_bytes_are_the_same_for_any_number_of_workers(base, built, relabelled, tmp_path):
    """And every image is counted once."""
    other = copy_of(built(PLAIN), tmp_path / "other")
    told = Told()
    relabelled(base, SEVERAL, "in-place", workers=3, progress=told)
    relabelled(other, SEVERAL, "in-place")
    assert tars(base) == tars(other)
    assert told.done == {"relabelling in place": 24}


def test_only_members_that_change_are_written(base, relabelled, monkeypatch):
    """One label of six gets another class: four members of 24, in the shards that hold them."""
    written = []
    real = inplace.write_at

    def watched(target: int, content: bytes, at: int) -> None:
        written.append(os.path.basename(os.readlink(f"/proc/self/fd/{target}")))
        real(target, content, at)

    monkeypatch.setattr(inplace, "write_at", watched)
    relabelled(base, [0, 1, 2, 0, 1, 9], "in-place")
    holding = [
        name
        for name in sorted(path.name for path in base.glob("*.tar"))
        for sample in samples(base, name.removesuffix(".tar")).values()
        if said(sample)["label"] == LABELS[5]
    ]
    assert sorted(written) == holding
    assert len(written) == 4


def refused(base: Path, error: type[GranctlError], relabelled, *args, **named) -> GranctlError:
    """The error, after which every byte is as before."""
    before = all_bytes(base)
    with pytest.raises(error) as caught:
        relabelled(*args, **named)
    assert all_bytes(base) == before
    return caught.value


def test_map_that_drops_labels_is_refused(base, relabelled):
    """Images cannot leave shards; which labels, how many images, what to do instead."""
    found = refused(base, DropsInPlaceError, relabelled, base, [[], 1, 2, 0, [], 2], "in-place")
    assert "drops 2 labels (8 images)" in found.message
    assert "n00000001, n00000005" in found.message
    assert "--materialise" in found.hint


def test_classes_that_do_not_fit_are_refused_before_anything_is_written(base, relabelled):
    """How many images, and the keys of the first; --materialise is the mend."""
    found = refused(base, DoesNotFitError, relabelled, base, WIDE, "in-place")
    wide = [key for key, s in samples(base).items() if said(s)["label"] in (LABELS[1], LABELS[3])]
    assert "of 8 images do not fit" in found.message
    named = found.message.partition("(keys ")[2].partition(")")[0].split(", ")
    assert len(named) == 3
    assert set(named) < set(wide)
    assert "--materialise" in found.hint


def test_room_that_a_wider_map_made_is_used(built, relabelled, tmp_path):
    """Shards that were built under wide classes take wide classes in place."""
    base = copy_of(built(WIDE), tmp_path / "wide")
    relabelled(base, PLAIN, "in-place")
    relabelled(base, WIDE, "in-place")
    assert tars(base) == tars(built(WIDE).root)


def test_sets_without_shards_of_their_own_are_refused(base, relabelled):
    """A view, a URL, a folder that is not there, --out."""
    view = relabelled(base, SEVERAL)
    found = refused(base, NoTarsError, relabelled, view.path, PLAIN, "in-place")
    assert "is a view of" in found.message
    with pytest.raises(BadOptionError, match="is no folder"):
        relabelled("https://host/set", PLAIN, "in-place")
    with pytest.raises(MissingInputError):
        relabelled(base / "none", PLAIN, "in-place")
    with pytest.raises(BadOptionError, match="--out"):
        relabelled(base, PLAIN, "in-place", out=base)


def test_shard_that_may_not_be_written_is_told_first(base, relabelled, monkeypatch):
    """Exit 2 with the shard, before another one is changed."""
    real = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: "test-000001" not in str(path) and real(path, mode)
    )
    found = refused(base, OutputNotWritableError, relabelled, base, SEVERAL, "in-place")
    assert "test-000001.tar: permission denied" in found.message


def test_indexes_of_other_readers_follow(built, relabelled, tmp_path):
    """DALI's says the size of every .cls; wids' may hold the hash of a shard that was."""
    base = copy_of(built(PLAIN), tmp_path / "base")
    export_indexes(ShardSet.open(base), ["all"], Silent(), md5=True)
    relabelled(base, SEVERAL, "in-place")
    there = {path.name: path.read_bytes() for path in base.iterdir() if path.is_file()}
    assert not any(b"md5sum" in there[name] for name in there if name.startswith("wids-"))
    export_indexes(ShardSet.open(base), ["all"], Silent())
    assert {path.name: path.read_bytes() for path in base.iterdir() if path.is_file()} == there


def test_journal_that_is_void_is_ignored(base, built, relabelled):
    """A kill before the first byte or after the last one leaves a whole set with a journal."""
    (base / JOURNAL_NAME).mkdir()
    (base / JOURNAL_NAME / "journal.json").write_text(json.dumps({"digest": "x"}))
    (base / JOURNAL_NAME / "train-000000.done").touch()
    assert ShardSet.open(base).manifest["classes"]["num_classes"] == 3
    relabelled(base, SEVERAL, "in-place")
    assert tars(base) == tars(built(SEVERAL).root)
