"""Losses over classes: cross-entropy for one class an image, sigmoid for several.

Shapes: B images, K classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def cross_entropy(
    logits_BK: Tensor, class_B: Tensor, smoothing: float = 0.0, *, each: bool = False
) -> Tensor:
    """Mean over images of -log softmax at the class.

    Args:
        logits_BK: any float type; computed in float32.
        class_B: int64, 0 <= class < K.
        smoothing: share of the target spread evenly over all K classes (Szegedy et al. 2016).
        each: one value an image, shape (B,), instead of their mean.
    """
    from torch.nn import functional

    reduction = "none" if each else "mean"
    return functional.cross_entropy(
        logits_BK.float(), class_B, label_smoothing=smoothing, reduction=reduction
    )


def sigmoid(logits_BK: Tensor, classes_BK: Tensor, *, each: bool = False) -> Tensor:
    """Binary cross-entropy of every class, summed over classes, mean over images.

    The sum, not the mean, over classes is what ImageNet-21k models were trained with
    (big_vision's sigmoid_xent): the gradient of a class does not shrink with the others' number.

    Args:
        logits_BK: any float type; computed in float32.
        classes_BK: 1 where the image has the class, else 0; any float type.
        each: one value an image, shape (B,), instead of their mean.
    """
    from torch.nn import functional

    if each:
        return functional.binary_cross_entropy_with_logits(
            logits_BK.float(), classes_BK.float(), reduction="none"
        ).sum(1)
    total = functional.binary_cross_entropy_with_logits(
        logits_BK.float(), classes_BK.float(), reduction="sum"
    )
    return total / len(logits_BK)


def log_odds(share_of_class: NDArray[np.float64], num_images: int) -> NDArray[np.float32]:
    """The head bias at which a sigmoid head starts out saying each class's own share.

    With 21,843 classes of equal share it is -9.99: the published -10. Without it the first steps
    only learn that most classes are absent.

    Args:
        share_of_class: shape (K,), share of the training images that have the class.
        num_images: training images; keeps shares of 0 and 1 finite, half an image away.
    """
    least = 0.5 / num_images
    share = np.clip(share_of_class, least, 1 - least)
    return np.log(share / (1 - share)).astype(np.float32)
