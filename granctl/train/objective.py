"""What a training minimises over its labelled images, and the head bias it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError
from granctl.train import losses
from granctl.train.device import autocast
from granctl.train.images import Batch, normalised
from granctl.train.labelling import Labelling
from granctl.train.mixing import Mix, erased, mix_of, mixed
from granctl.train.recipe import Augment, Input

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LossKind = Literal["cross-entropy", "sigmoid"]


def loss_kind(asked: Literal["auto", "cross-entropy", "sigmoid"], labelling: Labelling) -> LossKind:
    """Sigmoid where an image has several classes, cross-entropy else, unless one is asked for.

    Raises:
        BadOptionError: cross-entropy was asked for, and images have several classes.
    """
    if asked == "auto":
        return "sigmoid" if labelling.multi_label else "cross-entropy"
    if asked == "cross-entropy" and labelling.multi_label:
        raise BadOptionError(
            "loss",
            "cross-entropy takes one class an image, and the label map gives several",
            "take sigmoid or auto, or cut with a policy of one parent: `--policy first`",
        )
    return asked


@dataclass(frozen=True, kw_only=True, eq=False)
class Objective:
    """The loss of a network over a batch: what it is shown, and what it should have said."""

    labelling: Labelling
    """Classes of the images; K of them."""
    kind: LossKind
    smoothing: float
    look: Input | None
    """None: the batches are no pixels but features."""
    augment: Augment
    seed: int
    device: torch.device
    precision: str = "auto"
    """The recipe's."""

    def __call__(self, network: Any, batch: Batch) -> Tensor:
        """The mean over the batch's images: a scalar."""
        shown, mix = self._shown(batch)
        with autocast(self.device, self.precision):
            logits_BK = network(shown)
        if mix is None:
            return self._loss(logits_BK, batch.images, each=False)
        import torch

        own = self._loss(logits_BK, batch.images, each=True)
        other = self._loss(logits_BK, batch.images[mix.partner], each=True)
        weight = torch.from_numpy(mix.weight).to(self.device)
        return (weight * own + (1.0 - weight) * other).mean()

    def _shown(self, batch: Batch) -> tuple[Tensor, Mix | None]:
        if self.look is None:
            return batch.pixels.to(self.device), None
        pixels = normalised(batch.pixels, self.look, self.device)
        pixels = erased(pixels, batch.piece, self.augment, self.seed)
        mix = mix_of(batch.piece, self.augment, self.look.resolution, self.seed)
        return (pixels if mix is None else mixed(pixels, mix)), mix

    def _loss(self, logits_BK: Tensor, images: NDArray[np.int64], *, each: bool) -> Tensor:
        import torch

        if self.kind == "sigmoid":
            hot = torch.from_numpy(self.labelling.multi_hot(images))
            return losses.sigmoid(logits_BK, hot.to(self.device, non_blocking=True), each=each)
        classes = torch.from_numpy(self._main_class[images]).to(self.device, non_blocking=True)
        return losses.cross_entropy(logits_BK, classes, self.smoothing, each=each)

    @cached_property
    def _main_class(self) -> NDArray[np.int64]:
        return self.labelling.main_class


def set_head_bias(head: Any, kind: LossKind, labelling: Labelling) -> None:
    """Starts a sigmoid head at each class's own share of the images; other heads stay as is."""
    import torch

    if kind == "sigmoid":
        share = labelling.images_of_class() / len(labelling)
        bias = torch.from_numpy(losses.log_odds(share, len(labelling)))
        with torch.no_grad():
            head.weight.zero_()
            head.bias.copy_(bias)
