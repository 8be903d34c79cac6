"""What holds of relabels under any maps."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from generated_images import LABELS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from relabelled_sets import image_of, said, samples, tars

from granctl.progress import Silent
from granctl.shards.build.buildspec import BuildSpec
from granctl.shards.build.write import build_shards
from granctl.shards.classes import ClassLookup
from granctl.shards.index import ShardSet
from granctl.shards.relabel.relabel import relabel_shards
from granctl.shards.relabel.relabelspec import How, RelabelSpec
from granctl.workspace import Workspace

Map = Sequence[tuple[int, ...]]

CLASSES = st.lists(st.integers(0, 30_000), min_size=1, max_size=12, unique=True).map(tuple)
"""Of one label: up to twelve, which may be more than a .json of one block has spaces for."""
MAPS = st.lists(CLASSES, min_size=6, max_size=6)
DROPPING = st.lists(st.one_of(st.just(()), CLASSES), min_size=6, max_size=6).filter(any)
QUICK = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def lookup(classes: Map) -> ClassLookup:
    """A map as its values; equal classes have equal digests."""
    return ClassLookup(
        digest=str(classes),
        class_of=dict(zip(LABELS, classes, strict=True)),
        num_classes=30_001,
        list_name="toy",
    )


@pytest.fixture(scope="module")
def base(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images under no map."""
    spec = BuildSpec(source=str(images), shard_images=5)
    return build_shards(Workspace(tmp_path_factory.mktemp("w")), spec, None, Silent()).path


def relabel(shards: Path, classes: Map, how: How, out: Path | None = None) -> Path:
    """Relabels into a folder that is made anew, or in place."""
    if out is not None:
        shutil.rmtree(out, ignore_errors=True)
    spec = RelabelSpec(shards=shards, classes=lookup(classes), how=how, out=out)
    return relabel_shards(Workspace(shards.parent), spec, Silent()).path


def record(folder: Path) -> tuple:
    """Shards, index and what the manifest says, as values."""
    manifest = ShardSet.open(folder).manifest
    return tars(folder), {k: v for k, v in manifest.items() if k != "view"}


@QUICK
@given(MAPS, MAPS)
def test_relabel_under_a_and_then_b_is_relabel_under_b(base, tmp_path, a, b):
    """By new shards twice, by a view and new shards, in place twice: always the same set."""
    once = record(relabel(base, b, "materialise", tmp_path / "once"))
    first = relabel(base, a, "materialise", tmp_path / "first")
    assert record(relabel(first, b, "materialise", tmp_path / "second")) == once
    view = relabel(base, a, "view", tmp_path / "view")
    assert record(relabel(view, b, "materialise", tmp_path / "second")) == once
    shutil.rmtree(tmp_path / "changed", ignore_errors=True)
    shutil.copytree(base, tmp_path / "changed")
    relabel(tmp_path / "changed", a, "in-place")
    assert record(relabel(tmp_path / "changed", b, "in-place")) == once


@QUICK
@given(DROPPING)
def test_view_and_new_shards_hold_the_same_images(base, tmp_path, classes):
    """Whatever is dropped: one digest, one list of keys, the images of the source."""
    made = relabel(base, classes, "materialise", tmp_path / "made")
    view = ShardSet.open(relabel(base, classes, "view", tmp_path / "view"))
    new = ShardSet.open(made)
    assert view.digest == new.digest
    assert view.label_counts == new.label_counts
    for split in new.splits:
        assert view.keys(split).tolist() == new.keys(split).tolist() == list(samples(made, split))
    before = samples(base)
    for key, sample in samples(made).items():
        assert image_of(sample) == image_of(before[key])
        wanted = classes[LABELS.index(said(sample)["label"])]
        assert said(sample)["classes"] == list(wanted)
        assert said(sample)["cls"] == wanted[0]


@QUICK
@given(MAPS)
def test_relabel_to_the_builds_own_map_gives_the_builds_bytes(images, base, tmp_path, classes):
    """From a set under no map, new shards are those that a build under the map writes."""
    shutil.rmtree(tmp_path / "built", ignore_errors=True)
    spec = BuildSpec(source=str(images), shard_images=5, classes=lookup(classes))
    built = build_shards(Workspace(tmp_path), spec, tmp_path / "built", Silent()).path
    assert tars(relabel(base, classes, "materialise", tmp_path / "new")) == tars(built)
    own = relabel(built, classes, "materialise", tmp_path / "again")
    assert record(own) == record(built)
