"""A linear head on frozen features: each image is shown once, then a grid of heads is trained.

The best head of the grid is chosen on a part of the training images that was held out; a head of
its rate and decay is then trained on all training images, and that one is scored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from granctl.errors import NonFiniteLossError
from granctl.train.batches import num_batches
from granctl.train.evaluate import Batches
from granctl.train.headgrid import Heads, Knobs, judge_heads, train_heads
from granctl.train.holdout import HoldOut, hold_out
from granctl.train.images import Images
from granctl.train.labelling import Labelling
from granctl.train.lesson import Answer, Lesson
from granctl.train.metrics import METRICS_NAME, MetricsLog
from granctl.train.objective import LossKind
from granctl.train.recipe import Probe

if TYPE_CHECKING:
    import torch

_RATES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_DECAYS = (0.0, 0.01, 0.1, 1.0, 10.0)
_ROWS = 65_536
_TESTED = 4096
_LEAST_STEPS = 1000


def linear(lesson: Lesson, folder: Path, _identity: str) -> Answer:
    """Trains heads on the features of the target's images.

    Raises:
        NonFiniteLossError: the chosen head's loss went out of range.
    """
    training = cast(Probe, lesson.training)
    network = lesson.body().to(lesson.device)
    train = lesson.features(network, lesson.taught_on)
    standard = Standard.of(train)
    standard.apply(train)
    knobs = grid(training)
    chosen, selection = _choose(lesson, training, train, knobs)
    log = MetricsLog(folder / METRICS_NAME)
    log.cut_back(0)

    def told(step: int, losses: list[float]) -> None:
        if losses:
            log.write(step=step, loss=losses[0])

    kind = lesson.loss
    heads = train_heads(
        train, lesson.train, kind, [chosen], training, lesson.seed, lesson.device, told
    )
    if not np.isfinite(heads.losses[0]):
        raise NonFiniteLossError(training.steps, training.steps)
    epochs, rest = divmod(training.steps, num_batches(len(lesson.train), training.batch_size))
    seen = epochs * len(lesson.train)
    seen += len(lesson.train) * rest // num_batches(len(lesson.train), training.batch_size)

    def says(images: Images) -> Batches:
        rows = lesson.features(network, images)
        standard.apply(rows)
        return _said(heads, rows, lesson)

    return Answer(
        batches=says(lesson.asked_of),
        says=says,
        test=lesson.test,
        steps=training.steps,
        images_seen=seen,
        train_loss=heads.losses[0],
        fields={"selection": selection},
    )


def grid(training: Probe) -> list[Knobs]:
    """Rate and decay of every head that is tried: each rate with each decay.

    Where the recipe lists none, they are multiples of the optimizer's own.

    Example:
        >>> from granctl.train.recipe import load_recipe
        >>> len(grid(load_recipe("embedded-resnet").linear))
        40
    """
    own = training.optimizer
    rates = training.rates or tuple(times * own.lr for times in _RATES)
    decays = training.decays
    if decays is None:
        decays = tuple(dict.fromkeys(times * own.weight_decay for times in _DECAYS))
    return [Knobs(float(f"{lr:.6g}"), float(f"{d:.6g}")) for lr, d in product(rates, decays)]


def steps_of_heads(training: Probe, num_images: int) -> int:
    """Steps of a training of heads: the recipe's, where they are not too many passes.

    More than `most_epochs` passes over the images are not taken, unless they are 1,000 steps or
    fewer: so heads cost little beside the features, whatever the number of images.
    """
    of_epoch = num_batches(num_images, training.batch_size)
    return min(training.steps, max(training.most_epochs * of_epoch, _LEAST_STEPS))


@dataclass(frozen=True, kw_only=True, eq=False)
class Standard:
    """What makes each column's mean over the training images 0, and its deviation 1.

    So one learning rate fits the features of any network. A column that never changes becomes 0.
    """

    mean: NDArray[np.float32]
    """Shape (F,)."""
    scale: NDArray[np.float32]
    """Shape (F,)."""

    @classmethod
    def of(cls, train: NDArray[np.float32]) -> Standard:
        """From the training images' features, shape (N, F)."""
        parts = [train[i : i + _ROWS] for i in range(0, len(train), _ROWS)]
        mean = sum(part.sum(0, dtype=np.float64) for part in parts) / len(train)
        variance = sum(((part - mean) ** 2).sum(0) for part in parts) / len(train)
        sd = np.sqrt(variance)
        scale = np.where(sd > 1e-6, 1 / np.maximum(sd, 1e-6), 0.0)
        return cls(mean=np.asarray(mean, dtype=np.float32), scale=scale.astype(np.float32))

    def apply(self, matrix: NDArray[np.float32]) -> None:
        """Changes features in place."""
        np.subtract(matrix, self.mean, out=matrix)
        np.multiply(matrix, self.scale, out=matrix)


def _choose(
    lesson: Lesson, training: Probe, features: NDArray[np.float32], knobs: list[Knobs]
) -> tuple[Knobs, dict[str, Any]]:
    """The knobs to train all images with, and the record of how they were chosen."""
    parts = hold_out(lesson.train, lesson.spec.held_out, lesson.seed, lesson.seen)
    record: dict[str, Any] = {"held_out": parts.record(), "on": "training images"}
    if len(knobs) == 1 or not len(parts.held):
        chosen = knobs[0] if len(knobs) == 1 else _own(training)
        why = "one pair of values" if len(knobs) == 1 else "every class has one image"
        record |= {"tried": [], "chosen": _values(chosen), "why": why}
        record["held_out"] |= {"images": 0, "images_trained_on": len(lesson.train)}
        return chosen, record
    told = _progress_of(lesson, training.steps, len(knobs))
    kind = lesson.loss
    how = training, lesson.seed, lesson.device
    chosen, found = best_of(features, lesson.train, kind, parts, knobs, *how, told)
    lesson.progress.finish()
    tried = [
        {**_values(each), "top1": top1, "loss": loss if np.isfinite(loss) else None}
        for each, (top1, loss) in zip(knobs, found, strict=True)
    ]
    chosen_row = tried[knobs.index(chosen)]
    return chosen, record | {"tried": tried, "chosen": chosen_row, "why": "best top1"}


def best_of(
    features: NDArray[np.float32],
    labelling: Labelling,
    kind: LossKind,
    parts: HoldOut,
    knobs: list[Knobs],
    training: Probe,
    seed: int,
    device: torch.device,
    told: Callable[[int, list[float]], None] | None = None,
) -> tuple[Knobs, list[tuple[float, float]]]:
    """Trains a grid of heads on one part and judges it on the other.

    Returns:
        the best: by top-1, then by the loss, then the first; and top-1 and loss of each.

    Raises:
        NonFiniteLossError: no head has a loss that is a number.
    """
    fit, held = labelling.only(parts.fit), labelling.only(parts.held)
    heads = train_heads(features[parts.fit], fit, kind, knobs, training, seed, device, told)
    found = judge_heads(heads, features[parts.held], held, kind, device)
    best = min(range(len(knobs)), key=lambda i: (-found[i][0], found[i][1], i))
    if not np.isfinite(found[best][1]):
        raise NonFiniteLossError(training.steps, training.steps)
    return knobs[best], found


def _own(training: Probe) -> Knobs:
    return Knobs(training.optimizer.lr, training.optimizer.weight_decay)


def _values(knobs: Knobs) -> dict[str, Any]:
    return {"optimizer.lr": knobs.lr, "optimizer.weight_decay": knobs.decay}


def _progress_of(lesson: Lesson, steps: int, num: int) -> Callable[[int, list[float]], None]:
    lesson.progress.start(f"{num} heads: {lesson.label}", steps, "steps")

    def told(_step: int, _losses: list[float]) -> None:
        lesson.progress.advance(1)

    return told


def _said(heads: Heads, test: NDArray[np.float32], lesson: Lesson) -> Batches:
    import torch

    for begin in range(0, len(test), _TESTED):
        part = test[begin : begin + _TESTED]
        with torch.inference_mode():
            logits = heads.logits(torch.from_numpy(part).to(lesson.device), 0)
        yield logits.cpu().numpy(), np.arange(begin, begin + len(part))
