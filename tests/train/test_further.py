"""Further held-out sets: joined by labels whatever their order, ReaL by its definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fake_imagenet as fake
import numpy as np
import pytest
import shapes
from told import Told

from granctl.errors import (
    AllTaughtError,
    BadOptionError,
    LabelsNotInMapError,
    RealLabelsError,
    UnknownDataError,
)
from granctl.progress import Silent
from granctl.shards.datasets import add_data_set
from granctl.shards.index import ShardSet
from granctl.shards.origins import origins
from granctl.train.evaluate import score
from granctl.train.further import further_sets
from granctl.train.labelling import label_images
from granctl.train.real import entries_of, real_labelling
from granctl.train.targets import Target, open_target
from granctl.train.transfer import transfer
from granctl.train.transferspec import TransferSpec
from granctl.workspace import Workspace

WNIDS = fake.some_wnids(12)
VAL = 5


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A small ImageNet-1k, V2 and ReaL are registered."""
    root = tmp_path_factory.mktemp("further")
    found = Workspace(root / "workspace")
    fake.write_facts(found.root, WNIDS, 2, VAL)
    for name, place in (
        ("in1k", fake.write_tars(root / "in1k", WNIDS, 2, VAL)),
        ("in1k-v2", fake.write_v2(root / "v2", WNIDS)),
        ("in1k-real", fake.write_real(root / "real", WNIDS, VAL)),
    ):
        add_data_set(found, name, place, Silent())
    return found


@pytest.fixture
def target(space: Workspace) -> Target:
    """Each label its own class."""
    return open_target(space, "in1k", Silent())


def _opened(space: Workspace, target: Target, *names: str) -> Any:
    ids = label_images(target.shards, "train", target.labels).class_ids
    return further_sets(space, names, target, ids, None, "checksum", Silent())


def test_real_is_scored_by_its_definition(space: Workspace, target: Target) -> None:
    """Right if the highest-scored class is any of an image's; images without one are left out."""
    (real,) = _opened(space, target, "in1k-real")
    logits = np.random.default_rng(0).normal(size=(len(WNIDS) * VAL, len(WNIDS)))
    names = origins(target.shards, "val")
    lists = fake.real_lists(WNIDS, VAL)
    right = counted = 0
    for row, name in enumerate(names):
        labels = lists[int(name[-len("00000001.JPEG") : -len(".JPEG")]) - 1]
        if labels:
            counted += 1
            right += int(np.argmax(logits[row])) in labels
    batch = logits[real.labelling.row].astype(np.float32), np.arange(len(real.labelling))
    found = score(iter([batch]), real.labelling)
    assert (found.n, found.correct) == (counted, right)
    assert real.labelling.dropped == len(lists) - counted
    assert 0 < right < counted


def test_a_perfect_answer_is_right_on_real_whatever_the_order(
    space: Workspace, target: Target
) -> None:
    """The validation images' own labels are among ReaL's here, so the truth scores 1."""
    (real,) = _opened(space, target, "in1k-real")
    truth = label_images(target.shards, "val", target.labels)
    hot = truth.multi_hot(np.arange(len(truth)))[real.labelling.row]
    found = score(iter([(hot, np.arange(len(hot)))]), real.labelling)
    assert found.top1 == 1.0


def test_real_under_a_coarser_target(space: Workspace, target: Target) -> None:
    """An image has the classes of all its labels, each once."""
    halves = tuple("ab"[i % 2] for i in range(len(WNIDS)))
    labels = shapes.label_map([[i % 2] for i in range(len(WNIDS))], ("a", "b"), labels=WNIDS)
    place = space.data_folder("in1k-real") / "real.json"
    found = real_labelling(target.shards, "val", place, WNIDS, labels, ("a", "b"))
    lists = fake.real_lists(WNIDS, VAL)
    for image in range(len(found)):
        ours = {found.class_ids[c] for c in found.pairs(np.array([image]))[1].tolist()}
        assert ours == {halves[n] for n in lists[found.key[image]]}
    one = real_labelling(target.shards, "val", place, WNIDS, labels, ("b",))
    assert one.class_ids == ("b",)
    assert len(one) == sum(any(n % 2 for n in some) for some in lists)


def test_numbers_of_the_file_names_are_the_entries(tmp_path: Path) -> None:
    """Not the place in a list: images may be missing."""
    path = tmp_path / "real.json"
    names = ["val/ILSVRC2012_val_00000003.JPEG", "ILSVRC2012_val_00000001.JPEG"]
    assert entries_of(names, 3, path).tolist() == [2, 0]
    with pytest.raises(RealLabelsError, match="about 2 images, and there is one of number 3"):
        entries_of(names, 2, path)
    with pytest.raises(RealLabelsError, match="1 images have no number") as caught:
        entries_of([*names, "val/000000005"], 3, path)
    assert "official release" in caught.value.hint


def test_v2_is_joined_by_labels(space: Workspace, target: Target) -> None:
    """Folder 10 is the eleventh class; the same images as shards of another order score equal."""
    (v2,) = _opened(space, target, "in1k-v2")
    assert (v2.split, len(v2.labelling)) == ("val", len(WNIDS) * fake.V2_PER_CLASS)
    names = origins(v2.shards, "val")
    numbers = [int(name.split("/")[0]) for name in names]
    assert [WNIDS[n] for n in numbers] == [
        v2.labelling.class_ids[c] for c in v2.labelling.main_class.tolist()
    ]
    turned = Target(
        name="turned",
        shards=target.shards,
        labels=shapes.label_map(
            [[len(WNIDS) - 1 - i] for i in range(len(WNIDS))], WNIDS[::-1], labels=WNIDS
        ),
    )
    (other,) = _opened(space, turned, "in1k-v2")
    assert other.labelling.class_ids == WNIDS[::-1]
    ids = [part.class_ids[c] for part in (other.labelling,) for c in part.main_class.tolist()]
    assert ids == [WNIDS[n] for n in numbers]


def test_a_folder_of_some_classes_is_scored_whole(
    space: Workspace, target: Target, tmp_path: Path
) -> None:
    """No part of it is kept back; a label that is no class of the target is refused."""
    for i in (3, 5):
        for j in range(4):
            fake.write(tmp_path / "few" / WNIDS[i] / f"{j}.jpg", fake.jpeg(i, j, 9))
    (few,) = _opened(space, target, str(tmp_path / "few"))
    assert (few.name, few.split, len(few.labelling)) == ("few", "train", 8)
    assert few.labelling.class_ids == WNIDS
    fake.write(tmp_path / "few" / "n00000007" / "a.jpg", fake.jpeg(7))
    with pytest.raises(LabelsNotInMapError, match="n00000007"):
        _opened(space, target, str(tmp_path / "few"))


def test_what_cannot_be_scored_is_refused(space: Workspace, target: Target) -> None:
    """A set twice, one that is not there, and a map of single images."""
    with pytest.raises(BadOptionError, match="in1k-v2 stands twice"):
        _opened(space, target, "in1k-v2", "in1k-v2")
    with pytest.raises(UnknownDataError, match="in1k-v3"):
        _opened(space, target, "in1k-v3")
    sums = [s.decode() for s in target.shards.checksums("train").tolist()]
    by_image = shapes.label_map([[0]] * len(sums), ("a",), labels=tuple(sums), keyed_by="image")
    with pytest.raises(BadOptionError, match="single images"):
        further_sets(
            space,
            ("in1k-v2",),
            Target(name="x", shards=target.shards, labels=by_image),
            ("a",),
            None,
            "checksum",
            Silent(),
        )


@pytest.mark.parametrize("method", ["linear", "finetune"])
def test_a_set_that_is_the_held_out_one_scores_as_it(
    train: Any, shards: ShardSet, leaves: Any, tmp_path: Path, method: str
) -> None:
    """The same network sees both: the target's test images under another name."""
    source = shapes.write_shapes(tmp_path / "shapes") / "test"
    target = Target(name="shapes@leaf", shards=shards, labels=leaves)
    run = train().path
    spec = TransferSpec(target=target, method=method, run=run, score_on=(str(source),))  # type: ignore[arg-type]
    found = transfer(Workspace(tmp_path / "workspace"), spec, None, Silent()).details
    also = found["also"]["test"]
    for field in ("top1", "n", "correct", "mean_per_class"):
        assert also[field] == found[field], field
    assert also["leaked"] == {"images": 0, "by": "checksum", "kept": False}
    assert also["asked"] == str(source)


def test_training_images_of_the_target_are_not_scored_in_a_further_set(
    train: Any, shards: ShardSet, leaves: Any, tmp_path: Path
) -> None:
    """Two of the six were taught: the count, the warning; `keep` scores them, grouped all."""
    root = shapes.write_shapes(tmp_path / "shapes")
    for label in shapes.LABELS[:2]:
        for place, name in (("train", "00"), ("test", "00"), ("test", "01")):
            path = tmp_path / "mixed" / label / f"{place}-{name}.png"
            fake.write(path, (root / place / label / f"{name}.png").read_bytes())
    space, told = Workspace(tmp_path / "workspace"), Told()
    leaves.write(space.place("label-map", "m", leaves.digest, ".parquet"))
    target = Target(name="shapes@leaf", shards=shards, labels=leaves)
    given: dict[str, Any] = {"target": target, "run": train().path}
    given |= {"score_on": (str(tmp_path / "mixed"),), "method": "linear", "leaks": "keep"}
    kept = transfer(space, TransferSpec(**given), None, Silent()).details["also"]["mixed"]
    assert (kept["n"], kept["trained_on"]) == (6, 2)
    given |= {"method": "grouped"}
    head = transfer(space, TransferSpec(**given), None, Silent()).details["also"]["mixed"]
    assert (head["n"], head["trained_on"]) == (6, 0)
    given |= {"method": "scratch", "leaks": "checksum", "steps": 1}
    found = transfer(space, TransferSpec(**given), None, told).details["also"]["mixed"]
    assert (found["n"], found["trained_on"]) == (4, 2)
    assert any("warning: 2 of 6 images of mixed" in note for note in told.notes), told.notes
    for path in (tmp_path / "mixed").rglob("test-*.png"):
        path.unlink()
    with pytest.raises(AllTaughtError, match="all 2 images") as caught:
        transfer(Workspace(tmp_path / "new"), TransferSpec(**given), None, Silent())
    assert "--leaks keep" in caught.value.hint


def test_how_a_runs_classes_cover_the_targets_stands_in_the_result(
    train: Any, shards: ShardSet, leaves: Any, tmp_path: Path
) -> None:
    """The map is where it was, or found by digest; where it is gone there is a note, and no map."""
    run = train()
    space = Workspace(tmp_path / "workspace")
    spec = TransferSpec(
        target=Target(name="shapes@leaf", shards=shards, labels=leaves),
        method="linear",
        run=run.path,
    )
    found = transfer(space, spec, tmp_path / "there", Silent()).details["source_map"]
    assert (found["classes"], found["same"], found["none"]) == (5, 4, 1)  # one has no label
    Path(run.details["label_map"]).unlink()
    told = Told()
    assert transfer(space, spec, tmp_path / "gone", told).details["source_map"] is None
    assert any("label map of the run is not there" in note for note in told.notes)
    leaves.write(space.place("label-map", "leaves", leaves.digest, ".parquet"))
    again = transfer(space, spec, tmp_path / "again", Silent()).details["source_map"]
    assert again == found


def test_a_class_without_training_images_is_not_scored(space: Workspace, tmp_path: Path) -> None:
    """Its held-out images are counted as dropped."""
    for i, split in ((0, "train"), (2, "train"), (0, "val"), (1, "val")):
        for j in range(2):
            path = tmp_path / "part" / split / WNIDS[i] / f"{j}.jpg"
            fake.write(path, fake.jpeg(i, j, len(split)))
    part = open_target(space, str(tmp_path / "part"), Silent())
    train = label_images(part.shards, "train", part.labels)
    test = label_images(part.shards, "val", part.labels, train.class_ids)
    assert train.class_ids == (WNIDS[0], WNIDS[2])
    assert (len(test), test.dropped) == (2, 2)
