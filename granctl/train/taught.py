"""One training on a target and what it says of others, by any of the three methods."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from granctl.progress import Progress
from granctl.shards.index import ShardSet
from granctl.train import models
from granctl.train.device import Machine, open_device
from granctl.train.evaluate import Batches, outputs
from granctl.train.images import Images
from granctl.train.keeping import Keeping
from granctl.train.labelling import Labelling
from granctl.train.linear import FeatureRows, standardised, zero_head
from granctl.train.loop import fit
from granctl.train.metrics import METRICS_NAME, MetricsLog
from granctl.train.objective import Objective, loss_kind, set_head_bias
from granctl.train.plan import Fitted, Plan, Shuffled
from granctl.train.recipe import Augment, Recipe, Transfer
from granctl.train.runs import CHECKPOINTS

_CHECKPOINT_EVERY_S = 60.0
"""Most transfers are shorter and write only the last; a longer one loses a minute at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """A target's labelled images, its held-out images, and how to train."""

    shards: ShardSet
    held_out: str
    train: Labelling
    test: Labelling
    """Classes numbered as those of `train`."""
    recipe: Recipe
    """Model and input; the number of channels is resolved."""
    training: Transfer
    """With its augmentation filled in."""
    method: Literal["finetune", "linear", "scratch"]
    seed: int
    machine: Machine
    progress: Progress
    label: str

    def images(self, split: str, labelling: Labelling) -> Images:
        """The images of a labelling, ready to be asked for."""
        return Images(
            shards=self.shards,
            split=split,
            row=labelling.row,
            look=self.recipe.input,
            machine=self.machine,
            progress=self.progress,
        )

    @property
    def plan(self) -> Plan:
        """The training as the loop takes it."""
        return Plan(
            optimizer=self.training.optimizer,
            schedule=self.training.schedule,
            steps=self.training.steps,
            batch_size=self.training.batch_size,
            clip=self.training.clip,
            augment=self.training.augment or Augment(),
            seed=self.seed,
            head_rate=self.training.head_rate,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How the training ended and what came out says of the held-out images."""

    fitted: Fitted
    batches: Batches
    """To be gone through once, while the network is there."""


def taught(lesson: Lesson, folder: Path, identity: str, network: Any) -> Outcome:
    """Trains `network` in place on the lesson and asks it; writes metrics into `folder`.

    Raises:
        NonFiniteLossError: the loss went out of range.
    """
    network.to(open_device(lesson.machine))
    by = _head_alone if lesson.method == "linear" else _whole_network
    return by(lesson, folder, identity, network)


def _whole_network(lesson: Lesson, folder: Path, identity: str, network: Any) -> Outcome:
    device = open_device(lesson.machine)
    kind = loss_kind("auto", lesson.train)
    if lesson.method == "finetune":
        models.with_new_head(network, lesson.train.num_classes)
    set_head_bias(network.head, kind, lesson.train)
    network.to(device)
    images = lesson.images("train", lesson.train)
    if lesson.plan.augment.kind != "resized-crop":
        images.load()
    fitted = _fit(lesson, network, images, folder, identity)
    test = lesson.images(lesson.held_out, lesson.test)
    seen = outputs(network, test, device, precision=lesson.recipe.precision)
    return Outcome(fitted=fitted, batches=seen)


def _head_alone(lesson: Lesson, folder: Path, identity: str, network: Any) -> Outcome:
    import torch

    device = open_device(lesson.machine)

    def features(split: str, labelling: Labelling) -> NDArray[np.float32]:
        images = lesson.images(split, labelling)
        seen = outputs(network, images, device, features=True, precision=lesson.recipe.precision)
        return np.concatenate([m for m, _ in seen])

    train, test = standardised(
        features("train", lesson.train), features(lesson.held_out, lesson.test)
    )
    head = zero_head(train.shape[1], lesson.train.num_classes)
    set_head_bias(head, loss_kind("auto", lesson.train), lesson.train)
    head.to(device)
    fitted = _fit(lesson, head, FeatureRows(train), folder, identity)
    with torch.inference_mode():
        logits = head.eval()(torch.from_numpy(test).to(device)).cpu().numpy()
    return Outcome(fitted=fitted, batches=[(logits, np.arange(len(logits)))])


def _fit(lesson: Lesson, network: Any, data: Shuffled, folder: Path, identity: str) -> Fitted:
    device = open_device(lesson.machine)
    return fit(
        network,
        data,
        lesson.plan,
        Objective(
            labelling=lesson.train,
            kind=loss_kind("auto", lesson.train),
            smoothing=lesson.training.label_smoothing,
            look=None if lesson.method == "linear" else lesson.recipe.input,
            augment=lesson.plan.augment,
            seed=lesson.seed,
            device=device,
            precision=lesson.recipe.precision,
        ),
        device,
        log=MetricsLog(folder / METRICS_NAME),
        keeping=Keeping(
            folder=folder / CHECKPOINTS,
            run_digest=identity,
            epoch_s=_CHECKPOINT_EVERY_S,
            every_s=_CHECKPOINT_EVERY_S,
        ),
        progress=lesson.progress,
        label=lesson.label,
    )
