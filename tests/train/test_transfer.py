"""Transfers: what is trained, what is counted, what the result says."""

import json

import numpy as np
import pytest
from shapes import LABELS, NUM_TEST, NUM_TRAIN, label_map

from granctl.errors import BadOptionError, NoSuchSplitError, TooFewImagesError, UnknownDataError
from granctl.progress import Silent
from granctl.train.evaluate import score
from granctl.train.labelling import label_images
from granctl.train.shots import few_of_each_class
from granctl.train.targets import Target, open_target
from granctl.train.transfer import transfer
from granctl.train.transferspec import TransferSpec
from granctl.workspace import Workspace


@pytest.fixture
def judge(tmp_path, shards, leaves):
    """`judge(method, run, **fields)` transfers to the four leaves."""
    target = Target(name="shapes@leaf", shards=shards, labels=leaves)

    def call(method, run=None, **fields):
        given = {"target": target, "method": method, "run": run, **fields}
        return transfer(Workspace(tmp_path / "workspace"), TransferSpec(**given), None, Silent())

    return call


@pytest.mark.parametrize("method", ["finetune", "linear"])
def test_a_result_says_what_was_measured_on_what(train, judge, method):
    """The file is what is printed; every number has its n, seed, split and origin."""
    run = train(
        labels=label_map(
            [[0], [0], [1], [1]], ("top", "bottom"), method="depth", params={"depth": 3}
        )
    )
    result = judge(method, run.path, per_class=6, seed=2)
    found = json.loads(result.path.read_text())
    assert found == result.record()
    assert found["n"] == 4 * NUM_TEST
    assert found["top1"] == found["correct"] / found["n"]
    assert found["train_images"] == 24
    assert (found["split"], found["seed"], found["per_class"]) == ("test", 2, 6)
    assert (found["target"], found["target_cut"], found["num_classes"]) == ("shapes@leaf", "toy", 4)
    assert found["source"]["cut"] == "depth-3"
    assert found["source"]["classes_present"] == 2
    assert found["source"]["run_digest"] == found["inputs"]["run"] == run.digest
    assert found["run"] == str(run.path)
    assert not judge(method, run.path, per_class=6, seed=2).made


def test_training_learns_what_is_easy(train, judge):
    """Brightness in one of four quarters, by each method."""
    run = train().path
    for method in ("finetune", "linear", "scratch"):
        assert judge(method, run, steps=60).details["top1"] >= 0.7, method


def test_scratch_needs_no_run_and_does_not_depend_on_one(train, judge, tiny):
    """The same numbers with a run to copy the architecture from, and without."""
    alone = judge("scratch", recipe=tiny(), per_class=5)
    assert alone.details["source"] is None
    assert alone.details["run"] is None
    assert "run" not in alone.details["inputs"]
    again = judge("scratch", train().path, per_class=5)
    assert (again.made, again.path) == (False, alone.path)


@pytest.mark.parametrize("method", ["finetune", "linear", "scratch"])
def test_a_vit_is_judged_at_another_resolution(train, judge, tiny, method):
    """Twice the side: positions are interpolated; the result says it, and is another."""
    vit = {"name": "small-vit", "width": 8, "depth": 2, "heads": 2, "patch": 4}
    recipe = tiny(**{"model": vit, "optimizer.lr": 0.005, f"{method}.resolution": 16})
    run = train(recipe=recipe).path
    large = judge(method, run, per_class=5)
    assert large.details["resolution"] == 16
    plain = judge(method, run, recipe=tiny(**{"model": vit, "optimizer.lr": 0.005}), per_class=5)
    assert plain.details["resolution"] == 8
    assert plain.path != large.path


def test_equal_transfers_are_equal_and_steps_are_as_asked(train, judge, tiny, tmp_path):
    """Bit for bit, in another place; another number of steps is another result."""
    run = train().path
    one = judge("finetune", run)
    metrics = (one.path.parent / "metrics.jsonl").read_text().splitlines()
    assert json.loads(metrics[-1])["step"] == one.details["steps"] == 12
    longer = judge("finetune", run, steps=15)
    assert longer.digest != one.digest
    assert longer.details["steps"] == 15
    one.path.unlink()
    (one.path.parent / "manifest.json").unlink()
    again = judge("finetune", run)
    assert again.made
    assert again.details["train_loss"] == one.details["train_loss"]
    assert again.details["correct"] == one.details["correct"]


def test_few_images_are_nested_and_balanced(shards, leaves):
    """Five of a class contain the two of the same seed; other seeds choose others."""
    labelling = label_images(shards, "train", leaves)
    two, five = (set(few_of_each_class(labelling, k, seed=1).tolist()) for k in (2, 5))
    assert two < five
    assert np.bincount(labelling.main_class[sorted(five)]).tolist() == [5] * 4
    assert five != set(few_of_each_class(labelling, 5, seed=2).tolist())
    with pytest.raises(TooFewImagesError) as caught:
        few_of_each_class(labelling, NUM_TRAIN + 1, seed=0)
    assert f"take --per-class {NUM_TRAIN}" in caught.value.hint


def test_scores_of_several_classes_against_a_slow_count(shards):
    """Top-1 is a hit on any class; a class counts among an image's as many highest scores."""
    labels = label_map([[0, 2], [1, 2], [0], [1, 0, 2]], ("a", "b", "c"))
    truth = label_images(shards, "test", labels)
    logits = np.random.default_rng(0).normal(size=(len(truth), 3)).astype(np.float32)
    parts = [(logits[i : i + 7], np.arange(i, min(i + 7, len(truth)))) for i in range(0, 20, 7)]
    found = score(iter(parts), truth)
    hits, totals, correct = [0, 0, 0], [0, 0, 0], 0
    for i, row in enumerate(logits):
        have = set(np.flatnonzero(truth.multi_hot(np.array([i]))[0]).tolist())
        ranked = sorted(range(3), key=lambda c: -row[c])
        correct += ranked[0] in have
        for c in have:
            totals[c] += 1
            hits[c] += c in ranked[: len(have)]
    assert (found.n, found.correct) == (20, correct)
    assert found.mean_per_class == pytest.approx(
        np.mean([h / t for h, t in zip(hits, totals, strict=True)])
    )


def test_targets_by_name_folder_and_cut(shards, shapes_folder, tmp_path):
    """A shard set, a folder that is built, a registered name; leaf, depth and level."""
    workspace = Workspace(tmp_path / "workspace")
    leaf = open_target(workspace, str(shapes_folder), Silent())
    assert leaf.labels.class_ids == LABELS
    assert leaf.labels.class_names[3] == "trouser"
    assert leaf.cut == "leaf"
    source = shapes_folder.parent.parent / "shapes"
    workspace.add_data("toys", source)
    coarse = open_target(workspace, "toys@depth-7", Silent())
    assert coarse.name == "toys@depth-7"
    assert coarse.shards.digest == shards.digest
    assert coarse.labels.num_classes < 4
    assert open_target(workspace, f"{source}@level-1", Silent()).cut == "level-1"
    with pytest.raises(BadOptionError, match="not NAME or NAME@CUT"):
        open_target(workspace, "toys@deep", Silent())
    with pytest.raises(UnknownDataError) as caught:
        open_target(workspace, "in1k", Silent())
    assert "granctl data add in1k FOLDER" in caught.value.hint


def test_a_target_without_held_out_images_is_refused(train, judge, shards, leaves):
    """Nothing is scored on images that were trained on."""
    manifest = {**shards.manifest, "splits": {"train": shards.manifest["splits"]["train"]}}
    part = type(shards)(root=shards.root, manifest=manifest, store=shards.store)
    with pytest.raises(NoSuchSplitError):
        judge("linear", train().path, target=Target(name="part", shards=part, labels=leaves))
