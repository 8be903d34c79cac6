"""What one training does, what it needs, and how it ended: values for the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from granctl.train.batches import Piece
from granctl.train.images import Batch
from granctl.train.recipe import Augment, Optimizer
from granctl.train.schedule import Schedule

if TYPE_CHECKING:
    from torch import Tensor


class Shuffled(Protocol):
    """Training data that can be asked for any pieces of a training."""

    def __len__(self) -> int: ...

    def training(self, pieces: Iterable[Piece], augment: Augment, seed: int) -> Iterator[Batch]:
        """The images of these pieces, a pure function of (seed, epoch, position)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What one training does, apart from its data and network."""

    optimizer: Optimizer
    schedule: Schedule
    steps: int
    batch_size: int
    clip: float | None
    augment: Augment
    seed: int
    head_rate: float = 1.0
    """Learning rate of the head as a multiple of the optimizer's."""
    accumulate: int = 1
    """Parts of a step whose gradients are added up, to save memory."""
    ema: float | None = None
    """Decay of the moving average of the weights; None: there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """How a training ended."""

    train_loss: float
    """Mean over the steps of the last epoch."""
    images_seen: int
    """Images of all steps together; an image that is seen twice counts twice."""
    epochs: float
    """Passes over the training images."""
    skipped: int
    """Steps that were not taken, as their gradients were not finite."""


LossOf = Callable[[Any, Batch], "Tensor"]
"""(network, batch) -> scalar, the mean over the images of the batch, computed on the device."""
