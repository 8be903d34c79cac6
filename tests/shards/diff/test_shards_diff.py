"""What differs between two shard sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from generated_images import LABELS, encoded, write_source
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import RangeServer

from granctl.errors import ManifestMismatchError
from granctl.progress import Silent
from granctl.shards.build.buildspec import BuildSpec
from granctl.shards.build.write import build_shards
from granctl.shards.classes import ClassLookup
from granctl.shards.diff import matching
from granctl.shards.diff.difference import diff_shards
from granctl.shards.diff.matching import Images, matched, num_moved
from granctl.shards.index import ShardSet, index_record
from granctl.shards.relabel.relabel import relabel_shards
from granctl.shards.relabel.relabelspec import RelabelSpec
from granctl.workspace import Workspace

Built = Callable[..., ShardSet]


@pytest.fixture
def built(tmp_path: Path) -> Built:
    """`built(source, **fields)` builds three images a shard."""

    def call(source: Path, **fields: Any) -> ShardSet:
        spec = BuildSpec(source=str(source), **{"shard_images": 3, **fields})
        made = build_shards(Workspace(tmp_path / "w"), spec, None, Silent())
        return ShardSet.open(made.path)

    return call


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """24 images in 6 classes, 18 to train and 6 to test on."""
    return write_source(tmp_path / "a")


def lookup(*classes: tuple[int, ...]) -> ClassLookup:
    """A map of the six labels."""
    of = dict(zip(LABELS, classes, strict=True))
    return ClassLookup(digest=str(classes), class_of=of, num_classes=9, list_name="toy")


def diff(a: ShardSet, b: ShardSet, **named: Any) -> dict[str, Any]:
    return diff_shards(a, b, Silent(), **named)


def changes(record: dict[str, Any]) -> dict[str, int]:
    """The kinds of change that occur, with their counts."""
    found = {**record["changed"], **record["images"]}
    return {name: num for name, num in found.items() if num and name != "both"}


def test_set_is_the_same_as_itself_and_as_its_copy(built, source, tmp_path):
    """Nothing differs; with --bytes the shards are read, else their sizes are compared."""
    one, other = built(source), built(source, source_kind="folders")
    assert diff(one, other)["same"]
    assert diff(one, other)["shards"] == {
        "same": True,
        "compared": "place",
        "differ": 0,
        "first": [],
    }
    spec = BuildSpec(source=str(source), shard_images=3)
    copy = ShardSet.open(build_shards(Workspace(tmp_path / "x"), spec, None, Silent()).path)
    assert diff(one, copy)["shards"]["same"] is None
    assert diff(one, copy, read_bytes=True)["shards"]["same"] is True
    raw = bytearray((copy.root / "train-000002.tar").read_bytes())
    raw[700] ^= 1
    (copy.root / "train-000002.tar").write_bytes(raw)
    found = diff(one, copy, read_bytes=True)
    assert (found["same"], found["shards"]["first"]) == (False, ["train-000002.tar"])
    assert diff(one, copy)["same"]


def test_other_order_is_told(built, source):
    """The same images by another seed: nothing but the order differs."""
    found = diff(built(source), built(source, seed=1))
    assert found["images"] == {"both": 24, "only_a": 0, "only_b": 0}
    assert set(changes(found)) == {"order"}
    assert not found["same"]


def test_images_that_one_set_lacks_are_counted_and_named(built, source):
    """Removed here, added there: how many, and the first by split, label, key."""
    before = built(source, order="source")
    (source / "train/n00000002/a.png").unlink()
    (source / "train/n00000003/new.png").write_bytes(encoded(99))
    (source / "test/n00000003/new.png").write_bytes(encoded(98))
    after = built(source, order="source")
    found = diff(before, after, names=1)
    assert found["images"] == {"both": 23, "only_a": 1, "only_b": 2}
    assert set(changes(found)) == {"only_a", "only_b"}
    (gone,) = found["examples"]["only_a"]
    assert gone["a"].startswith("train/n00000002/")
    row = pq.read_table(before.root / "index.parquet", filters=[("key", "==", gone["a"][-9:])])
    assert row["label"].to_pylist() == ["n00000002"]
    assert len(found["examples"]["only_b"]) == 1


def test_image_that_moved_to_another_label_or_split_is_told(built, source):
    """The same bytes elsewhere: label changed, split changed, and both sides of the first."""
    before = built(source)
    (source / "train/n00000001/a.png").rename(source / "train/n00000002/z.png")
    (source / "train/n00000005/b.jpg").rename(source / "test/n00000005/b.jpg")
    found = diff(before, built(source))
    assert (found["changed"]["label"], found["changed"]["split"]) == (1, 1)
    assert found["images"]["only_a"] == found["images"]["only_b"] == 0
    (label,), (split,) = found["examples"]["label"], found["examples"]["split"]
    assert label["a"].startswith("train/n00000001/")
    assert label["b"].startswith("train/n00000002/")
    assert split["a"].startswith("train/n00000005/")
    assert split["b"].startswith("test/n00000005/")


def test_label_that_one_set_lacks_is_named(built, source):
    """A class folder is gone: its images and its label are in A alone."""
    before = built(source)
    for path in source.glob("*/n00000006/*"):
        path.unlink()
    for path in source.glob("*/n00000006"):
        path.rmdir()
    found = diff(before, built(source))
    assert found["labels"] == {"only_a": ["n00000006"], "only_b": []}
    assert found["images"] == {"both": 20, "only_a": 4, "only_b": 0}


def test_duplicates_are_matched_by_their_number(built, source):
    """Two copies here and one there: one image is gone, and it is the one that moved nowhere."""
    (source / "test/n00000001/copy.png").write_bytes(encoded(0))
    twice = built(source)
    (source / "test/n00000001/copy.png").unlink()
    found = diff(twice, built(source))
    assert found["images"] == {"both": 24, "only_a": 1, "only_b": 0}
    assert (found["changed"]["split"], found["changed"]["label"]) == (0, 0)
    assert found["examples"]["only_a"][0]["a"].startswith("test/n00000001/")


def test_classes_of_a_relabelled_set_are_compared(built, source, tmp_path):
    """A view and its base: the same files, other classes; how many labels and images, and which."""
    base = built(source, classes=lookup((0,), (0,), (1,), (1,), (2,), (2,)))
    spec = RelabelSpec(
        shards=base.root,
        classes=lookup((0,), (0,), (1,), (3,), (2,), (2, 4)),
        also={"x": lookup((0,), (1,), (2,), (3,), (4,), (5,))},
    )
    view = ShardSet.open(relabel_shards(Workspace(tmp_path / "w"), spec, Silent()).path)
    found = diff(base, view)
    assert found["changed"] == {
        "label": 0,
        "split": 0,
        "order": 0,
        "classes": 8,
        "labels_of_other_classes": 2,
        "also": {"x": 24},
    }
    assert found["examples"]["classes"] == [
        {"label": "n00000004", "a": [1], "b": [3], "images": 4},
        {"label": "n00000006", "a": [2], "b": [2, 4], "images": 4},
    ]
    assert found["shards"]["same"] is True
    assert found["b"]["view_of"] == str(base.root)


def test_view_that_leaves_images_out_lacks_them(built, source, tmp_path):
    """The images of two labels are in the base alone, and named by their keys."""
    base = built(source)
    spec = RelabelSpec(shards=base.root, classes=lookup((0,), (), (1,), (1,), (), (2,)))
    view = ShardSet.open(relabel_shards(Workspace(tmp_path / "w"), spec, Silent()).path)
    found = diff(base, view, names=8)
    assert found["images"] == {"both": 16, "only_a": 8, "only_b": 0}
    assert found["changed"]["order"] == 0
    named = {one["a"] for one in found["examples"]["only_a"]}
    lacking = {
        f"{split}/{base.labels[label]}/{key}"
        for split in base.splits
        for label, key in zip(base.rows(split).label, base.keys(split).tolist(), strict=True)
        if base.labels[label] in (LABELS[1], LABELS[4])
    }
    assert named == lacking
    assert diff(view, base)["images"] == {"both": 16, "only_a": 0, "only_b": 8}


def test_set_behind_a_url_is_compared(built, source, tmp_path, monkeypatch):
    """Over http as in a folder; with bytes the shards are streamed."""
    import shutil

    monkeypatch.setenv("GRANCTL_CACHE", str(tmp_path / "cache"))
    one, other = built(source), built(source, seed=1)
    shutil.copytree(other.root, tmp_path / "www/set")
    server = RangeServer(tmp_path / "www")
    try:
        remote = ShardSet.open(server.url("set"))
        assert changes(diff(one, remote)) == changes(diff(one, other))
        assert diff(other, remote, read_bytes=True)["same"]
        assert diff(other, remote, read_bytes=True)["shards"]["compared"] == "bytes"
    finally:
        server.close()


def test_damaged_checksums_are_an_error(built, source):
    """Exit 3 with the index, where a checksum is not 32 hex digits."""
    one, other = built(source), built(source, seed=1)
    path = other.root / "index.parquet"
    table = pq.read_table(path)
    sums = table["checksum"].to_pylist()
    for wrong in ("g" * 32, "0" * 31):
        place = table.schema.get_field_index("checksum")
        changed = table.set_column(place, "checksum", [[wrong, *sums[1:]]])
        pq.write_table(changed, path, row_group_size=3)
        opened = ShardSet.open(other.root)
        opened.manifest["index"].update(index_record(path))
        with pytest.raises(ManifestMismatchError, match="checksums"):
            diff(one, opened)


# --- matching -----------------------------------------------------------------------------------

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 1)), max_size=14)
"""(checksum, label, split) of few values, so that duplicates abound."""


def arrays(rows: list[tuple[int, int, int]]) -> Images:
    """As a set's images; checksums differ in one half, in the other or in both."""
    sums = np.array([one for one, _, _ in rows], dtype=np.uint64)
    return Images(
        high=sums // 2,
        low=sums % 2,
        label=np.array([label for _, label, _ in rows], dtype=np.int32),
        split=np.array([split for _, _, split in rows], dtype=np.int8),
    )


@settings(max_examples=400, deadline=None)
@given(ROWS, ROWS, st.sampled_from([3, 1 << 22]))
def test_matching_pairs_as_many_and_changes_as_few_as_can_be(a, b, part):
    """Every checksum as often as both have it; equal labels and splits go together first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "_PART_IMAGES", part)
        found = matched(arrays(a), arrays(b))
    assert sorted([*found.a, *found.only_a]) == list(range(len(a)))
    assert sorted([*found.b, *found.only_b]) == list(range(len(b)))
    for rising in (found.a, found.only_a, found.only_b):
        assert rising.tolist() == sorted(rising.tolist())
    pairs = list(zip(found.a.tolist(), found.b.tolist(), strict=True))
    assert all(a[i][0] == b[j][0] for i, j in pairs)
    sums_a, sums_b = Counter(one[0] for one in a), Counter(one[0] for one in b)
    assert len(pairs) == (sums_a & sums_b).total()
    assert sum(a[i] == b[j] for i, j in pairs) == (Counter(a) & Counter(b)).total()


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(9)), st.lists(st.booleans(), min_size=9, max_size=9))
def test_order_counts_images_that_follow_another(order, kept):
    """Against the definition, on sets without duplicates, some images in one of them only."""
    a = [(i, 0, 0) for i in range(9)]
    b = [(i, 0, 0) for i in order if kept[i]]
    sums = [one[0] for one in b]
    images = [
        Images(
            high=np.array([r[0] for r in rows], dtype=np.uint64),
            low=np.zeros(len(rows), dtype=np.uint64),
            label=np.zeros(len(rows), dtype=np.int32),
            split=np.zeros(len(rows), dtype=np.int8),
        )
        for rows in (a, b)
    ]
    common = [i for i in range(9) if kept[i]]
    expected = sum(sums.index(two) != sums.index(one) + 1 for one, two in pairwise(common))
    assert num_moved(matched(*images), *images) == expected
