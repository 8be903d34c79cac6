"""What neurons respond to and point at, and whether the loss finds the samples made hard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from granctl.theory.network import Network

Floats = NDArray[np.floating]


def responses(network: Network, features: Floats, shares: Sequence[Floats]) -> list[float]:
    """By level: the mean response of an output to the features of its own class.

    The response of F_c to a feature v is sum_r ReLU(<w_cr, v> + b_cr). An output with several
    features of a level (the coarse ones have k subclasses) counts each by the share of its
    training samples that show it.

    Args:
        network: C classes.
        features: (features, d), level by level.
        shares: by level (C, nodes of that level), as `labels.composition` gives them.
    """
    before = features @ network.weights
    if network.bias is not None:
        before = before + network.bias
    by_class = np.maximum(before, 0) @ network.membership
    found, begin = [], 0
    for share in shares:
        of_level = by_class[begin : begin + share.shape[1]]
        found.append(float((of_level.T * share).sum() / network.classes))
        begin += share.shape[1]
    return found


def ratio(by_level: Sequence[float]) -> float | None:
    """(response to subclass features) / (response to common ones); None where the second is 0."""
    return by_level[-1] / by_level[0] if by_level[0] > 0 else None


def alignment(
    network: Network, features: Floats, level_sizes: Sequence[int]
) -> tuple[float, list[float]]:
    """The mean of each neuron's largest cosine with any feature; whose feature that is.

    Returns:
        The mean cosine, and by level the share of neurons whose nearest feature is of it.
    """
    lengths = np.sqrt(np.square(network.weights).sum(axis=0))
    cosines = features @ network.weights / np.maximum(lengths, np.finfo(lengths.dtype).tiny)
    level = np.repeat(np.arange(len(level_sizes)), level_sizes)[cosines.argmax(axis=0)]
    counts = np.bincount(level, minlength=len(level_sizes))
    return float(cosines.max(axis=0).mean()), [float(c) for c in counts / len(level)]


def auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """The chance that a positive sample scores above a negative one, ties counting one half.

    Example:
        >>> auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
        0.875
    """
    values, place = np.unique(scores, return_inverse=True)
    below_positive = np.bincount(place[~positive], minlength=len(values))
    positives = np.bincount(place[positive], minlength=len(values))
    under = np.cumsum(below_positive) - below_positive
    won = (positives * (under + 0.5 * below_positive)).sum()
    return float(won / (positives.sum() * below_positive.sum()))
