"""What a training minimises over its labelled images, and the head bias it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError
from granctl.train import losses
from granctl.train.device import autocast
from granctl.train.heads import Head
from granctl.train.images import Batch, normalised
from granctl.train.labelling import Labelling
from granctl.train.mixing import Mix, erased, mix_of, mixed
from granctl.train.recipe import Augment, Input

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LossKind = Literal["cross-entropy", "sigmoid", "levels", "marginal"]
_OPTION_OF_LOSS = {"levels": "--also", "marginal": "--fine"}


def loss_kind(
    asked: Literal["auto"] | LossKind, labelling: Labelling, head: Head | None = None
) -> LossKind:
    """What is minimised: levels or marginal where several label maps teach.

    Of one map: sigmoid where an image has several classes, cross-entropy where none has, unless
    one of them is asked for.

    Raises:
        BadOptionError: what was asked for does not fit the label maps.
    """
    if head is not None:
        if asked not in ("auto", head.loss_kind):
            option = _OPTION_OF_LOSS[head.loss_kind]
            problem = f"{asked} has no use for the maps of {option}"
            raise BadOptionError("loss", problem, f"say --set loss={head.loss_kind}")
        return head.loss_kind
    if asked == "auto":
        return "sigmoid" if labelling.multi_label else "cross-entropy"
    if asked in _OPTION_OF_LOSS:
        option = _OPTION_OF_LOSS[asked]
        problem = f"{asked} takes more than one label map"
        raise BadOptionError("loss", problem, f"give another one with {option}")
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
    """Classes of the images; K of them, unless there is a `head`."""
    kind: LossKind
    smoothing: float
    look: Input
    """What the network is shown."""
    augment: Augment
    seed: int
    device: torch.device
    head: Head | None = None
    """How its outputs are to be read where several label maps teach; None: one a class."""
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
        weight = torch.from_numpy(mix.weight).to(self.device, non_blocking=True)
        return (weight * own + (1.0 - weight) * other).mean()

    def _shown(self, batch: Batch) -> tuple[Tensor, Mix | None]:
        pixels = normalised(batch.pixels, self.look, self.device)
        pixels = erased(pixels, batch.piece, self.augment, self.seed)
        mix = mix_of(batch.piece, self.augment, self.look.resolution, self.seed)
        return (pixels if mix is None else mixed(pixels, mix)), mix

    def _loss(self, logits_BK: Tensor, images: NDArray[np.int64], *, each: bool) -> Tensor:
        import torch

        if self.kind == "sigmoid":
            hot = torch.zeros(logits_BK.shape, device=self.device)
            image, classes = map(self._there, self.labelling.pairs(images))
            hot[image, classes] = 1.0
            return losses.sigmoid(logits_BK, hot, each=each)
        if self.head is not None:
            target = self._there(self.head.target(self.labelling, images))
            return self.head.loss(logits_BK, target, self.smoothing, each=each)
        classes = self._there(self.labelling.main_class_of(images))
        return losses.cross_entropy(logits_BK, classes, self.smoothing, each=each)

    def _there(self, numbers: NDArray[np.int64]) -> Tensor:
        import torch

        return torch.from_numpy(numbers).to(self.device, non_blocking=True)


def set_head_bias(head: Any, kind: LossKind, labelling: Labelling) -> None:
    """Starts a sigmoid head at each class's own share of the images; other heads stay as is."""
    import torch

    if kind == "sigmoid":
        share = labelling.images_of_class() / len(labelling)
        bias = torch.from_numpy(losses.log_odds(share, len(labelling)))
        with torch.no_grad():
            head.weight.zero_()
            head.bias.copy_(bias)
