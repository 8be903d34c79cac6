"""Losses over classes: one an image, several, one a level, or a coarse one under a fine head.

Shapes: B images, K classes or outputs of the head, L levels.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def levels(
    logits_BK: Tensor,
    class_BL: Tensor,
    sizes: Sequence[int],
    weights: Sequence[float],
    smoothing: float = 0.0,
    *,
    each: bool = False,
) -> Tensor:
    """Semantic softmax: a softmax of its own for the classes of each level, mean over images.

    The loss of an image is the sum over levels of weight x cross-entropy in the level's block of
    outputs. A level at which it has no class adds nothing, and the image still counts in the mean:
    so the loss of a batch is the mean over its images however they are shared out, and a level
    that few images have would count little, were it not for its weight (`level_weights`).

    Source: Ridnik et al., ImageNet-21K Pretraining for the Masses, arXiv 2104.10972; as in their
    code (Alibaba-MIIL/ImageNet21K, src_files/semantic/semantic_loss.py).

    Args:
        logits_BK: any float type; computed in float32. The blocks stand one after another.
        class_BL: int64, 0 <= class < size of the level, within its block; -1: none there.
        sizes: classes of each level; their sum is K.
        weights: of each level.
        smoothing: share of the target spread evenly over the classes of a level.
        each: one value an image, shape (B,), instead of their mean.
    """
    import torch
    from torch.nn import functional

    total = logits_BK.new_zeros(len(logits_BK)).float()
    blocks = torch.split(logits_BK.float(), list(sizes), dim=1)
    for block, class_B, weight in zip(blocks, class_BL.unbind(1), weights, strict=True):
        total = total + weight * functional.cross_entropy(
            block, class_B, ignore_index=-1, label_smoothing=smoothing, reduction="none"
        )
    return total if each else total.mean()


MOST_LEVEL_WEIGHT = 20.0
"""As in Ridnik et al.'s code (max_normalization_factor): a level of few labels stays bounded."""


def level_weights(class_of_label: NDArray[np.int64]) -> NDArray[np.float64]:
    """By how much each level counts: labels over labels that have a class there, at most 20.

    Were the images spread evenly over the labels, each level would weigh the same in the mean over
    all images. Ridnik et al. count so too, in labels, not images: their factor of a level of the
    hierarchy is the number of all labels over that of the labels which lie at least so deep, at
    most 20 (Alibaba-MIIL/ImageNet21K, src_files/semantic/semantics.py,
    normalization_factor_list; to arXiv 2104.10972).

    Args:
        class_of_label: shape (labels, L), at least one label; -1: no class at that level.

    Returns:
        shape (L,).

    Example:
        >>> level_weights(np.array([[0, 0], [1, 0], [2, -1], [3, -1]])).tolist()
        [1.0, 2.0]
    """
    num_of_level = (class_of_label >= 0).sum(0)
    share: NDArray[np.float64] = np.maximum(num_of_level, 1) / len(class_of_label)
    return (1.0 / share).clip(max=MOST_LEVEL_WEIGHT)


def marginal(
    logits_BK: Tensor,
    class_B: Tensor,
    coarse_of_fine_K: Tensor,
    smoothing: float = 0.0,
    *,
    each: bool = False,
) -> Tensor:
    """Mean over images of -log of the summed probability of the fine classes in a coarse one.

    -log sum_{k in class} softmax(logits)_k = logsumexp over all - logsumexp over the class, which
    is stable. It takes a few times B x K numbers, whatever the number of coarse classes, and adds
    nothing up in an order that a device may change (a scatter on CUDA would).

    With smoothing s it is (1 - s) x that + s x the mean of -log softmax over all K fine classes:
    the target spread evenly over the head's classes, as `cross_entropy` does. Where every coarse
    class has one fine class, both losses are the same.

    Source: the likelihood of an inner node under a flat softmax over leaves, as in Valmadre,
    Hierarchical classification at multiple operating points, arXiv 2210.10929 (jvlmdr/hiercls,
    hier_torch.py:FlatSoftmaxNLL). The smoothing is ours.

    Args:
        logits_BK: any float type; computed in float32.
        class_B: int64, the coarse class of each image; each has a fine class.
        coarse_of_fine_K: int64, the coarse class of each output.
        smoothing: share of the target spread evenly over all K fine classes.
        each: one value an image, shape (B,), instead of their mean.
    """
    logits_BK = logits_BK.float()
    # Without what all logits of an image share, the difference of the two sums loses no digits.
    logits_BK = logits_BK - logits_BK.detach().amax(1, keepdim=True)
    outside_BK = coarse_of_fine_K[None, :] != class_B[:, None]
    inside_B = logits_BK.masked_fill(outside_BK, float("-inf")).logsumexp(1)
    all_B = logits_BK.logsumexp(1)
    loss_B = all_B - inside_B
    if smoothing:
        loss_B = (1.0 - smoothing) * loss_B + smoothing * (all_B - logits_BK.mean(1))
    return loss_B if each else loss_B.mean()


def coarse_scores(
    logits: NDArray[np.float32], coarse_of_fine: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The log of the summed probability of each coarse class, but for a constant an image.

    Args:
        logits: shape (b, K), of the fine classes.
        coarse_of_fine: shape (K,), 0 <= coarse < C, each of them at least once.

    Returns:
        shape (b, C): its softmax is the coarse classes' probabilities.
    """
    order = np.argsort(coarse_of_fine, kind="stable")
    coarse = coarse_of_fine[order]
    starts = np.flatnonzero(np.diff(coarse, prepend=-1))
    fine = logits[:, order]
    top = np.maximum.reduceat(fine, starts, axis=1)
    fine = np.exp(fine - top[:, coarse])
    return top + np.log(np.add.reduceat(fine, starts, axis=1))


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
