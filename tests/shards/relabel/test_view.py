"""A view: other labels and classes over the tars and the index that are there."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from generated_images import LABELS
from label_maps import write_map
from relabelled_sets import copy_of, said, samples
from servers import RangeServer
from told import all_bytes

from granctl.errors import (
    BaseChangedError,
    BaseGoneError,
    ManifestMismatchError,
    MissingInputError,
    NoSuchKeyError,
    NoTarsError,
)
from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.foreign import export_indexes
from granctl.shards.index import ShardSet
from granctl.shards.read import ImageReader
from granctl.shards.remote.upload import upload_shards
from granctl.shards.show import describe, describe_image, label_table
from granctl.train.labelling import label_images
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace

PLAIN = [0, 1, 2, 0, 1, 2]
SEVERAL = [[0, 7], 1, [2, 3, 4], 12345, [5, 0], 6]
DROPS = [[], 2, 1, 1, [], 0]


def images(shards: ShardSet, split: str) -> list[bytes]:
    """All images of a split."""
    rows = shards.rows(split)
    with ImageReader(shards) as reader:
        return [reader.image(rows, i) for i in range(len(rows))]


def check_equal(view: ShardSet, other: ShardSet) -> None:
    """Everything that readers ask of a set is the same."""
    assert view.digest == other.digest
    assert (view.labels, view.splits) == (other.labels, other.splits)
    assert view.label_counts == other.label_counts
    for split in other.splits:
        assert images(view, split) == images(other, split)
        assert view.rows(split).label.tolist() == other.rows(split).label.tolist()
        assert view.keys(split).tolist() == other.keys(split).tolist()
        assert view.checksums(split).tolist() == other.checksums(split).tolist()
    for field in ("classes", "also", "splits", "labels", "bad_images"):
        assert view.manifest.get(field) == other.manifest.get(field), field


@pytest.mark.parametrize("classes", [PLAIN, SEVERAL, DROPS], ids=["plain", "several", "drops"])
def test_view_is_the_materialised_set_to_every_reader(built, relabelled, classes):
    """Labels, counts, order, images, checksums, digest; and the classes of each image."""
    shards = built()
    also = {"x": SEVERAL, "y": DROPS}
    view = relabelled(shards, classes, also=also)
    other = ShardSet.open(relabelled(shards, classes, "materialise", also=also).path)
    opened = ShardSet.open(view.path)
    check_equal(opened, other)
    for key in other.keys("train").tolist():
        ours, theirs = describe_image(opened, key), describe_image(other, key)
        for field in ("label", "classes", "classes_x", "classes_y", "source", "checksum"):
            assert ours[field] == theirs[field], field
    for field in ("images", "labels", "classes", "content_digest", "splits"):
        assert describe(opened)[field] == describe(other)[field], field
    assert label_table(opened)[1:] == label_table(other)[1:]


def test_view_holds_no_image_and_needs_no_index(built, relabelled, tmp_path):
    """Two small files; the index and the tars of the base are not even looked at."""
    base = copy_of(built(), tmp_path / "base")
    for path in [*base.glob("*.tar"), base / "index.parquet"]:
        path.unlink()
    view = relabelled(base, DROPS)
    assert sorted(path.name for path in view.path.iterdir()) == ["manifest.json", "spec.json"]
    assert view.details["images"] == 16
    assert view.details["content_digest"] is None
    assert ShardSet.open(view.path).label_counts == {"train": (3,) * 4, "test": (1,) * 4}


def test_view_without_drops_has_the_digest_of_its_base(built, relabelled):
    """Features and image maps of the one are features of the other."""
    shards = built()
    assert ShardSet.open(relabelled(shards, SEVERAL).path).digest == shards.digest
    assert ShardSet.open(relabelled(shards, DROPS).path).digest != shards.digest


def test_digest_of_a_view_with_drops_is_kept_beside_it(built, relabelled, tmp_path):
    """The index is read for it once; where nothing can be written, each time."""
    base = copy_of(built(), tmp_path / "base")
    view = relabelled(base, DROPS).path
    digest = ShardSet.open(view).digest
    (base / "index.parquet").rename(base / "gone")
    assert ShardSet.open(view).digest == digest
    (view / ".content-digest").write_text("half")
    with pytest.raises(MissingInputError, match="index of a shard set"):
        _ = ShardSet.open(view).digest
    (base / "gone").rename(base / "index.parquet")
    assert ShardSet.open(view).digest == digest
    assert not relabelled(base, DROPS).made


def test_image_that_is_left_out_cannot_be_shown(built, relabelled):
    """Its key is in the tar, and not in the view."""
    shards = built()
    view = ShardSet.open(relabelled(shards, DROPS).path)
    gone = set(shards.keys("train").tolist()) - set(view.keys("train").tolist())
    assert len(gone) == 6
    with pytest.raises(NoSuchKeyError):
        describe_image(view, gone.pop())


def test_view_of_a_view_reads_the_set_itself(built, relabelled):
    """What the first left out stays left out, and the first may go."""
    shards = built()
    first = relabelled(shards, DROPS)
    second = relabelled(first.path, [0, 1, 2, 3, [], []])
    shutil.rmtree(first.path)
    opened = ShardSet.open(second.path)
    assert opened.labels == (LABELS[1], LABELS[2], LABELS[3])
    assert opened.base.where == shards.where
    assert len(opened.rows("train")) == 9


def test_materialised_view_leaves_out_what_the_view_does(built, relabelled):
    """The labels that the view dropped have no samples in the new tars."""
    view = relabelled(built(), DROPS)
    made = relabelled(view.path, PLAIN, "materialise")
    kept = {label for label, c in zip(LABELS, DROPS, strict=True) if c != []}
    assert {said(s)["label"] for s in samples(made.path).values()} == kept
    check = ShardSet.open(made.path)
    assert check.digest == ShardSet.open(view.path).digest


def test_base_that_is_gone_or_another_is_told(built, relabelled, tmp_path):
    """Exit 2 where it is gone, 3 where other images are there, with both places."""
    base = copy_of(built(), tmp_path / "base")
    view = relabelled(base, PLAIN, out=tmp_path / "view").path
    base.rename(tmp_path / "elsewhere")
    with pytest.raises(BaseGoneError, match=r"is a view of .*base, and there is no shard set"):
        ShardSet.open(view)
    copy_of(built(seed=3), base)
    with pytest.raises(BaseChangedError, match="holds other images now"):
        ShardSet.open(view)
    shutil.rmtree(base)
    copy_of(built(), base)
    (base / "manifest.json").unlink()
    with pytest.raises(ManifestMismatchError, match="base: not a whole shard set"):
        ShardSet.open(view)
    assert (BaseGoneError.exit_code, BaseChangedError.exit_code) == (2, 3)


def test_workspace_that_moved_keeps_its_views(built, relabelled, tmp_path):
    """Where the base is not at its old place, it is looked for beside the view as it was."""
    shards = built()
    view = relabelled(shards, DROPS).path
    (tmp_path / "own").rename(tmp_path / "moved")
    moved = ShardSet.open(tmp_path / "moved" / view.relative_to(tmp_path / "own"))
    assert len(images(moved, "train")) == 12


def test_view_stays_good_when_its_base_is_relabelled_in_place(built, relabelled, tmp_path):
    """It means images and labels of the base, and none of its classes."""
    base = copy_of(built(PLAIN), tmp_path / "base")
    view = relabelled(base, DROPS).path
    before = {k: describe_image(ShardSet.open(view), k)["classes"] for k in ("000000002",)}
    relabelled(base, SEVERAL, "in-place", also={"x": PLAIN})
    opened = ShardSet.open(view)
    assert "also" not in opened.manifest
    assert {k: describe_image(opened, k)["classes"] for k in before} == before
    assert opened.digest == ShardSet.open(relabelled(base, DROPS, "materialise").path).digest


def test_same_view_twice_makes_nothing_and_one_of_another_place_is_made_anew(
    built, relabelled, tmp_path
):
    """The set lies elsewhere now: the same command there mends the view."""
    base = copy_of(built(), tmp_path / "base")
    first = relabelled(base, PLAIN)
    assert first.made
    assert not relabelled(base, PLAIN).made
    base.rename(tmp_path / "elsewhere")
    again = relabelled(tmp_path / "elsewhere", PLAIN)
    assert (again.made, again.path) == (True, first.path)
    assert ShardSet.open(again.path).base.where == str(tmp_path / "elsewhere")


def test_view_of_a_url_reads_by_ranges(built, relabelled, tmp_path, monkeypatch):
    """The base behind http: the same images; materialised, its shards come here once."""
    monkeypatch.setenv("GRANCTL_CACHE", str(tmp_path / "cache"))
    copy_of(built(), tmp_path / "www/set")
    server = RangeServer(tmp_path / "www")
    try:
        view = relabelled(server.url("set"), DROPS)
        assert not [path for path, _ in server.requests if path.endswith((".tar", ".parquet"))]
        opened = ShardSet.open(view.path)
        other = ShardSet.open(relabelled(built(), DROPS, "materialise", out=tmp_path / "m").path)
        check_equal(opened, other)
        assert [span for path, span in server.requests if path.endswith(".tar")]
        made = relabelled(server.url("set"), DROPS, "materialise").path
        assert all_bytes(made).keys() == all_bytes(other.root).keys()
        assert samples(made) == samples(other.root)
        spec = BuildSpec(source=str(view.path), holdout_frac=0)
        built_of_view = build_shards(Workspace(tmp_path / "w"), spec, None, Silent()).path
        assert ShardSet.open(built_of_view).label_counts == opened.label_counts
    finally:
        server.close()


def test_view_is_a_source_of_a_build(built, relabelled, tmp_path):
    """The images that it does not leave out, in another order, by another seed."""
    view = relabelled(built(), DROPS).path
    spec = BuildSpec(source=str(view), seed=9, order="stratified")
    found = ShardSet.open(build_shards(Workspace(tmp_path / "w"), spec, None, Silent()).path)
    ours = ShardSet.open(view)
    assert found.label_counts == ours.label_counts
    for split in ours.splits:
        assert sorted(images(found, split)) == sorted(images(ours, split))


def test_training_reads_a_view_like_a_set(built, relabelled, tmp_path):
    """A label map over all labels gives the images of the view their classes, and no others."""
    view = ShardSet.open(relabelled(built(), DROPS).path)
    labels = LabelMap.read(write_map(tmp_path / "cut.parquet", PLAIN))
    found = label_images(view, "train", labels)
    assert len(found.row) == 12
    assert found.dropped == 0
    reader = pickle.loads(pickle.dumps(ImageReader(view)))
    rows = view.rows("train")
    assert [reader.image(rows, i) for i in found.row.tolist()] == images(view, "train")
    reader.close()


def test_what_needs_tars_refuses_a_view(built, relabelled):
    """Upload and indexes for other readers: they would show what stands in the base's tars."""
    view = relabelled(built(), DROPS).path
    with pytest.raises(NoTarsError, match=r"upload: .* is a view of"):
        upload_shards(view, "s3://bucket/x", Silent())
    with pytest.raises(NoTarsError, match=r"readers: .* is a view of") as caught:
        export_indexes(ShardSet.open(view), ["timm"], Silent())
    assert f"--materialise --shards {view}" in caught.value.hint


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("view", 3, "view is no object"),
        ("view", {"path": 1, "beside": "", "content_digest": ""}, "view.path is no text"),
        ("view", {"path": "\0", "beside": "", "content_digest": ""}, "view.path is no text"),
        ("view", {"path": "SELF", "beside": ".", "content_digest": ""}, "one of a view"),
        ("classes", {"num_classes": 1, "of_label": [[0]]}, "classes.of_label is no list"),
        ("also", {"x": {"num_classes": 1, "of_label": [["a"]] * 6}}, "also.x.of_label has"),
    ],
)
def test_damaged_manifest_of_a_view_is_told(built, relabelled, field, value, problem):
    """Exit 3 with the field."""
    view = relabelled(built(), PLAIN).path
    manifest = json.loads((view / "manifest.json").read_text())
    text = json.dumps({**manifest, field: value}).replace("SELF", str(view))
    (view / "manifest.json").write_text(text)
    with pytest.raises(ManifestMismatchError, match=problem):
        ShardSet.open(view)


def test_rows_of_a_view_are_those_of_the_base_without_the_dropped(built, relabelled):
    """The places in the tars are the same; only rows are missing."""
    shards = built()
    view = ShardSet.open(relabelled(shards, DROPS).path)
    theirs, ours = shards.rows("train"), view.rows("train")
    kept = np.isin(np.array(shards.labels)[theirs.label], view.labels)
    for field in ("shard", "offset", "size"):
        assert getattr(theirs, field)[kept].tolist() == getattr(ours, field).tolist()
    assert Path(view.where).name == view.name
