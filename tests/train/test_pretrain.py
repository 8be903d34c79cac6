"""Pretraining repeats bit for bit, goes on bit for bit, and stops when it must."""

import json

import numpy as np
import pytest
import torch
from shapes import LABELS, NUM_TRAIN, label_map
from told import Told

from granctl.errors import (
    NoCheckpointError,
    NonFiniteLossError,
    OutputExistsError,
    TooFewImagesError,
    UnfinishedRunError,
)
from granctl.progress import Silent
from granctl.train import checkpoint
from granctl.train.runs import Run

TIMES = ("images_per_s", "waiting_frac", "memory_mb")
STEPS = 4 * 5
"""4 epochs of 48 images in batches of at most 10."""


def _metrics(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]


def _weights(folder):
    run = Run.open(folder)
    found, _ = checkpoint.newest(folder / "checkpoints", run.digest, Silent())
    return found.state


def _same(one, other):
    """Whether two states are equal bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


class _Killed(Silent):
    """Ctrl-C when so many images of training are done."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.training = False

    def start(self, label: str, total: int, unit: str) -> None:
        """Counts the training alone."""
        self.training = label.startswith("pretrain")

    def advance(self, num: int = 1, note: str = "") -> None:
        """Counts down."""
        self.left -= num if self.training else 0
        if self.left < 0:
            raise KeyboardInterrupt


def test_two_equal_runs_are_equal_bit_for_bit(train):
    """Weights, optimizer and metrics; another seed differs."""
    one, other, third = train("one"), train("other"), train("third", seed=1)
    assert one.digest == other.digest != third.digest
    assert _same(_weights(one.path), _weights(other.path))
    assert _metrics(one.path) == _metrics(other.path)
    assert not _same(_weights(one.path), _weights(third.path))


@pytest.mark.parametrize("after", [5, 50, 100, 130, 191])
def test_a_killed_run_goes_on_bit_for_bit(train, after):
    """Killed in any epoch, the same command ends where an undisturbed run does."""
    whole = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("killed", progress=_Killed(after))
    with pytest.raises(UnfinishedRunError):
        Run.open(whole.path.parent / "killed")
    told = Told()
    resumed = train("killed", progress=told)
    assert resumed.made
    assert any("going on after epoch" in note for note in told.notes) == (after >= 48)
    assert _same(_weights(resumed.path), _weights(whole.path))
    assert _metrics(resumed.path) == _metrics(whole.path)
    assert resumed.details == whole.details


def test_a_damaged_newest_checkpoint_costs_an_epoch_and_nothing_else(train):
    """The run goes on from the one before, says so, and ends the same."""
    whole = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("killed", progress=_Killed(150))
    newest = sorted((whole.path.parent / "killed" / "checkpoints").iterdir())[-1]
    (newest / "state.pt").write_bytes(b"damaged")
    told = Told()
    resumed = train("killed", progress=told)
    assert any("damaged checkpoint" in note for note in told.notes)
    assert any("going on after epoch 2" in note for note in told.notes)
    assert _same(_weights(resumed.path), _weights(whole.path))


def test_a_whole_run_is_found_and_nothing_is_done(train):
    """The same path and record; `made` is false."""
    first, again = train(), train()
    assert (first.made, again.made) == (True, False)
    assert first.path == again.path
    assert first.details == again.details


def test_the_record_says_what_was_trained(train):
    """Both numbers of classes, images, steps, the loss and a score on held-out images."""
    details = train().details
    assert (details["classes_present"], details["classes_total"]) == (4, 5)
    assert details["images"] == 4 * NUM_TRAIN
    assert details["images_seen"] == 4 * 4 * NUM_TRAIN
    assert details["steps"] == STEPS
    assert details["loss"] == "cross-entropy"
    assert details["held_out"]["n"] == 20
    assert details["held_out"]["top1"] > 0.7, "four quarters of brightness are easy"
    assert details["train_loss"] < 1.0


def test_several_classes_a_label_are_learnt_with_the_sigmoid(train):
    """Each image is scored by all its classes."""
    several = label_map([[0, 2], [1, 2], [0, 3], [1, 3]], ("left", "right", "up", "down"))
    details = train(labels=several).details
    assert details["loss"] == "sigmoid"
    assert details["multi_label"]
    assert details["held_out"]["top1"] > 0.8
    assert details["held_out"]["mean_per_class"] > 0.6


def test_a_map_keyed_by_image_is_learnt(train, shards):
    """There is no held-out score: the map knows training images alone."""
    sums = [c.decode() for c in shards.checksums("train")]
    classes = [[int(i)] for i in np.arange(len(sums)) % 2]
    labels = label_map(classes, ("a", "b"), labels=tuple(sums), keyed_by="image")
    details = train(labels=labels).details
    assert details["classes_present"] == 2
    assert details["held_out"] is None


def test_part_of_the_images_is_chosen_by_the_seed(train):
    """As many as asked for; more than there are is refused."""
    assert train("a", images=30).details["images"] == 30
    with pytest.raises(TooFewImagesError, match="48 images have a class"):
        train("b", images=49)


def test_a_loss_that_is_not_finite_stops_the_run_before_it_is_saved(train, tiny, tmp_path):
    """Three steps are skipped; no checkpoint holds what came after."""
    recipe = tiny(**{"optimizer.name": "sgd", "optimizer.lr": 1e30})
    with pytest.raises(NonFiniteLossError, match="not finite in three steps in a row"):
        train("run", recipe=recipe)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_out_that_holds_something_else_is_left_alone(train):
    """Another seed is another run."""
    train("run")
    with pytest.raises(OutputExistsError):
        train("run", seed=1)


def test_a_run_without_a_whole_checkpoint_cannot_be_used(train):
    """Both are damaged: says what is wrong with each."""
    run = train()
    for place in (run.path / "checkpoints").iterdir():
        (place / "state.pt").write_bytes(b"damaged")
    with pytest.raises(NoCheckpointError) as caught:
        Run.open(run.path).network(Silent())
    assert caught.value.message.count("its bytes are not those that were saved") == 2


def test_a_run_serves_its_last_weights_only(train):
    """The checkpoint before the last is for going on, not for use in place of the run."""
    run = train()
    newest = sorted((run.path / "checkpoints").iterdir())[-1]
    (newest / "state.pt").write_bytes(b"damaged")
    with pytest.raises(NoCheckpointError, match="the newest whole one has 15 steps"):
        Run.open(run.path).network(Silent())


def test_labels_are_those_of_the_shapes(shards):
    """The fixture's labels are the shard set's."""
    assert shards.labels == LABELS
