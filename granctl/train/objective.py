"""What a training minimises over its labelled images, and the head bias it starts from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from granctl.errors import BadOptionError
from granctl.train import losses
from granctl.train.labelling import Labelling

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


def loss_function(
    kind: LossKind, labelling: Labelling, smoothing: float, device: torch.device
) -> Callable[[Tensor, Any], Tensor]:
    """The loss of logits_BK for the images of a batch, given as indices into the labelling."""
    import torch

    if kind == "sigmoid":

        def of_several(logits_BK: Tensor, images: Any) -> Tensor:
            hot_BK = torch.from_numpy(labelling.multi_hot(images)).to(device, non_blocking=True)
            return losses.sigmoid(logits_BK, hot_BK)

        return of_several
    class_of_image = labelling.main_class

    def of_one(logits_BK: Tensor, images: Any) -> Tensor:
        class_B = torch.from_numpy(class_of_image[images]).to(device, non_blocking=True)
        return losses.cross_entropy(logits_BK, class_B, smoothing)

    return of_one


def set_head_bias(head: Any, kind: LossKind, labelling: Labelling) -> None:
    """Starts a sigmoid head at each class's own share of the images; other heads stay as is."""
    import torch

    if kind == "sigmoid":
        share = labelling.images_of_class() / len(labelling)
        bias = torch.from_numpy(losses.log_odds(share, len(labelling)))
        with torch.no_grad():
            head.weight.zero_()
            head.bias.copy_(bias)
