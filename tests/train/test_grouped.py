"""The run's own head: which source class belongs to which target class, and what cannot."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from shapes import LABELS, NUM_TEST, label_map

from granctl.errors import DoesNotNestError, RunLabelsGoneError
from granctl.progress import Silent
from granctl.train.device import Machine
from granctl.train.evaluate import outputs
from granctl.train.grouping import group
from granctl.train.images import Images
from granctl.train.ownhead import OwnHead, own_head
from granctl.train.runs import Run
from granctl.train.targets import Target
from granctl.train.transfer import transfer
from granctl.train.transferspec import TransferSpec
from granctl.workspace import Workspace

PAIRS = label_map([[0], [0], [1], [1]], ("top", "bottom"))
CROSSED = label_map([[0], [1], [1], [2]], ("a", "mixed", "b"))


def grouping(source, target, outputs=None, classes=None, shards=None):
    return group(
        source, outputs or source.class_ids, target, classes or target.class_ids, shards, "test"
    )


def test_fine_classes_lie_under_coarse_ones(leaves):
    """Each of the four under its pair; the fifth has no label."""
    found = grouping(leaves, PAIRS)
    assert found.belongs.astype(int).tolist() == [[1, 0], [1, 0], [0, 1], [0, 1], [0, 0]]
    assert (found.split, found.unknown) == ((), ("n99999999",))


def test_a_class_across_target_classes_is_left_out_and_named():
    """The mixed class has a label of either pair; the others answer."""
    found = grouping(CROSSED, PAIRS)
    assert found.split == ("mixed",)
    assert found.used.tolist() == [True, False, True]
    assert found.reached.all()


def test_a_label_of_several_target_classes_gives_all_that_its_class_shares():
    """Source class x has labels of {0, 2} and {0, 1}: what all share is 0."""
    source = label_map([[0], [0], [1], [1]], ("x", "y"))
    target = label_map([[0, 2], [0, 1], [1], [1, 2]], ("p", "q", "r"))
    assert grouping(source, target).belongs.astype(int).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_a_label_the_target_does_not_know_is_placed_by_the_hierarchy():
    """A poodle and a corgi are dogs; a cat is not, nor does a dog lie under a poodle."""
    dog, cat, poodle, corgi = "n02084071", "n02121620", "n02113335", "n02112826"
    ids = (poodle, corgi, cat)
    source = label_map([[0], [1], [2]], ids, labels=ids)
    target = label_map([[0]], (dog,), labels=(dog,))
    found = grouping(source, target)
    assert found.used.tolist() == [True, True, False]
    assert (found.unknown, found.by_hierarchy) == ((cat,), 2)
    whole = label_map([[0], [1]], (dog, cat), labels=(dog, cat))
    with pytest.raises(DoesNotNestError, match="of 1 the target knows no label"):
        grouping(target, label_map([[0], [1]], (poodle, cat), labels=(poodle, cat)))
    assert grouping(source, whole).used.all()


def test_maps_of_images_are_joined_by_the_images(shards, leaves):
    """A class an image, by its checksum: each lies under the class of its label."""
    checksums = [bytes(one).decode() for one in shards.checksums("test")]
    ids = tuple(f"image-{i}" for i in range(len(checksums)))
    each = label_map([[i] for i in range(len(ids))], ids, labels=tuple(checksums), keyed_by="image")
    found = grouping(each, leaves, shards=shards)
    labels = np.array(shards.labels)[shards.rows("test").label]
    wanted = [leaves.index_of[label] for label in labels]
    assert found.belongs.argmax(1).tolist() == wanted
    with pytest.raises(DoesNotNestError, match="lie in several"):
        grouping(leaves, each, shards=shards)


def test_probabilities_of_either_head():
    """A softmax over the outputs that are read; or a sigmoid of each."""
    logits = np.array([[1.0, 3.0, 50.0]], dtype=np.float32)
    some = {"labels": PAIRS, "class_ids": ("top", "bottom")}
    soft = OwnHead(sigmoid=False, **some).probabilities(logits)
    assert soft.tolist() == [pytest.approx([0.11920292, 0.88079708])]
    each = OwnHead(sigmoid=True, **some).probabilities(logits)
    assert each.tolist() == [pytest.approx([0.73105858, 0.95257413])]


@pytest.fixture
def judged(tmp_path, shards):
    """`judged(run, target labels)` reads the head of the run."""

    def call(run, labels, **fields):
        target = Target(name="shapes", shards=shards, labels=labels)
        spec = TransferSpec(target=target, method="grouped", run=run, **fields)
        return transfer(Workspace(tmp_path / "workspace"), spec, None, Silent())

    return call


def test_summed_probabilities_are_those_of_relabelled_images(train, judged, shards, leaves):
    """Top-1 of two classes by hand from the outputs of four."""
    run = train(labels=leaves).path
    path = Path(Run.open(run).record["label_map"])
    path = path.rename(path.with_name("moved.parquet"))
    with pytest.raises(RunLabelsGoneError, match="is not in the workspace"):
        judged(run, PAIRS)
    result = judged(run, PAIRS, run_labels=path)
    found = json.loads(result.path.read_text())
    opened = Run.open(run)
    images = Images(
        shards=shards,
        split="test",
        row=np.arange(4 * NUM_TEST),
        look=opened.recipe.input,
        machine=Machine(),
        progress=Silent(),
    )
    shown = outputs(opened.network(Silent()), images, torch.device("cpu"))
    logits = np.concatenate([part for part, _ in shown])
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    said = share[:, :2].sum(1) < share[:, 2:].sum(1)
    labels = np.array(shards.labels)[shards.rows("test").label]
    right = said == np.isin(labels, LABELS[2:])
    assert (found["n"], found["correct"]) == (20, int(right.sum()))
    assert (found["steps"], found["train_loss"], found["train_images"]) == (0, None, 0)
    PAIRS.write(path.parent / "other.parquet")
    with pytest.raises(RunLabelsGoneError, match="is not the label map"):
        judged(run, PAIRS, run_labels=path.parent / "other.parquet")


def test_what_can_be_scored_is_scored_and_the_rest_is_said(train, judged, tmp_path, leaves):
    """Of four leaves two have a source class of their own: ten images are scored."""
    run = train(labels=CROSSED).path
    CROSSED.write(tmp_path / "crossed.parquet")
    found = judged(run, leaves, run_labels=tmp_path / "crossed.parquet").details
    grouped = found["grouping"]
    assert found["n"] == grouped["images_not_scored"] == 2 * NUM_TEST
    assert grouped["split"] == ["mixed"]
    assert (grouped["target_classes"], grouped["target_classes_reached"]) == (4, 2)
    assert 0 < grouped["probability_left_out"] < 1


def test_a_head_of_several_classes_an_image_is_read_too(train, judged, tmp_path):
    """Sigmoid outputs: x is all of top's labels, y all of bottom's, and both is everywhere."""
    several = label_map([[0, 2], [0, 2], [1, 2], [1, 2]], ("x", "y", "both"))
    run = train(labels=several).path
    several.write(tmp_path / "several.parquet")
    found = judged(run, PAIRS, run_labels=tmp_path / "several.parquet").details
    assert found["grouping"]["split"] == ["both"]
    assert found["n"] == 20
    assert found["top1"] >= 0.7


@pytest.mark.parametrize("role", ["also", "fine"])
def test_of_a_head_of_several_maps_one_is_read(train, judged, tmp_path, leaves, role):
    """Of levels the first block; of a fine map its classes, though coarse ones were told."""
    PAIRS.write(tmp_path / "pairs.parquet")
    leaves.write(tmp_path / "leaves.parquet")
    if role == "also":
        run = train(labels=leaves, also=(tmp_path / "pairs.parquet",)).path
    else:
        run = train(labels=PAIRS, fine=tmp_path / "leaves.parquet").path
    fine = own_head(Run.open(run), Workspace(tmp_path / "ws"), tmp_path / "leaves.parquet")
    assert fine.class_ids == LABELS
    assert fine.labels.digest == leaves.digest
    found = judged(run, PAIRS, run_labels=tmp_path / "leaves.parquet").details
    assert found["grouping"]["source_classes_used"] == 4
    assert found["top1"] >= 0.7
    with pytest.raises(RunLabelsGoneError, match="is not the label map"):
        judged(run, leaves, run_labels=tmp_path / "pairs.parquet")


def test_one_class_alone_is_no_answer(judged, train, tmp_path):
    """Of four leaves one has a source class: every image would be right, so it is refused."""
    lonely = label_map([[0], [1], [1], [1]], ("a", "rest"))
    lonely.write(tmp_path / "lonely.parquet")
    run = train(labels=lonely).path
    target = label_map([[0], [1], [2], [3]], LABELS)
    with pytest.raises(DoesNotNestError, match="answer for 1 of the 4 classes") as caught:
        judged(run, target, run_labels=tmp_path / "lonely.parquet")
    assert "1 lie in several of its classes (rest)" in caught.value.message


def test_further_sets_are_scored_as_the_target_is(train, judged, leaves, shapes_folder):
    """The same images again: those whose class no class of the run lies in are left out of both."""
    known = label_map([[0], [1], [2], [2]], ("a", "b", "rest"))
    result = judged(train(labels=known).path, leaves, score_on=(str(shapes_folder),)).details
    (also,) = result["also"].values()
    assert (result["n"], also["n"], also["images_not_scored"]) == (2 * NUM_TEST, 2 * NUM_TEST, 10)
    assert (also["correct"], also["top1"]) == (result["correct"], result["top1"])
