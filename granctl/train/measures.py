"""Measures of answers as pure functions of arrays: ranks, losses, margins, calibration.

`logits` are float32 of shape (b, K); `hot` is bool of the same shape, true for each class that an
image has, at least one an image. With `sigmoid` each class has a probability of its own, without
it they are those of a softmax.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 15
"""Of the calibration error, as in Guo et al. (2017)."""
_FEW = 8
"""Up to so many ranks, one look at all classes a rank is faster than sorting them."""

_LEAST = 1e-12
"""Probability that is as good as none, or its complement, where each class has its own."""

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


def log_probabilities(logits: Floats, *, sigmoid: bool) -> Floats:
    """Natural logarithm of each class's probability, -inf where it is 0; shape and type stay.

    Logits of float64 are computed in it.
    """
    if sigmoid:
        return _log_sigmoid(logits)
    shifted = logits - logits.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1, keepdims=True, dtype=np.float64)
    found: Floats = shifted - np.log(total).astype(logits.dtype)
    return found


def logits_of(log_probability: Floats, *, sigmoid: bool) -> Floats:
    """Logits that have these probabilities: the way back, but for rounding."""
    if not sigmoid:
        return log_probability
    with np.errstate(divide="ignore"):
        other = np.log(-np.expm1(log_probability.astype(np.float64)))
    found: Floats = (log_probability - other).astype(np.float32)
    return found


def logits_of_shares(share: NDArray[np.float64], *, sigmoid: bool) -> Floats:
    """Logits of probabilities; that of 0 is minus infinity, as no number is its likelihood.

    Args:
        share: of each class, shape (b, K).
        sigmoid: each is a probability of its own, kept 1e-12 away from 0 and 1; else they add up
            to 1, but for a factor (a row of zeros says nothing: all classes are alike).
    """
    if sigmoid:
        logits = np.log(np.maximum(share, _LEAST)) - np.log(np.maximum(1.0 - share, _LEAST))
    else:
        with np.errstate(divide="ignore"):
            logits = np.log(share)
        logits[~(share > 0).any(axis=1)] = 0.0
    return logits.astype(np.float32)


def best_first(logits: Floats, most: int) -> NDArray[np.int64]:
    """The `most` highest classes of each row, best first; of equals the lower number first.

    Shape (b, min(most, K)).
    """
    most = min(most, logits.shape[1])
    if most > _FEW:
        return np.argsort(-logits, axis=1, kind="stable")[:, :most]
    left, rows = logits.copy(), np.arange(len(logits))
    found = np.empty((len(logits), most), dtype=np.int64)
    taken = np.zeros(logits.shape, dtype=bool)
    for rank in range(most):
        best = left.argmax(axis=1)
        lowest = left[rows, best] == -np.inf  # the others of the row are as low: the first is next
        best[lowest] = (~taken[lowest]).argmax(axis=1)
        found[:, rank] = best
        left[rows, best], taken[rows, best] = -np.inf, True
    return found


def losses(logits: Floats, hot: Bools, *, sigmoid: bool) -> NDArray[np.float64]:
    """Negative log-likelihood of each image in nats: shape (b,); inf where the truth has none.

    Softmax: -log of the probability that the answer is one of the image's classes. Sigmoid: the
    sum over all classes of -log of the probability that the class is there, or is not, as it is.
    """
    if sigmoid:
        signed = np.where(hot, logits, -logits)
        answers: NDArray[np.float64] = -_log_sigmoid(signed).sum(axis=1, dtype=np.float64)
        return answers
    logp = log_probabilities(logits, sigmoid=False)
    own = np.where(hot, np.exp(logp.astype(np.float64)), 0).sum(axis=1)
    one = hot.sum(axis=1) == 1
    with np.errstate(divide="ignore"):
        found: NDArray[np.float64] = -np.log(own)
    found[one] = -logp[one][hot[one]]  # exact where the probability is below what exp can give
    return found


def margins(logp: Floats, hot: Bools) -> NDArray[np.float64]:
    """The image's best class less the best of the others, in nats: (b,); 0 with no others.

    Positive where the answer is right.
    """
    own = np.where(hot, logp, -np.inf).max(axis=1).astype(np.float64)
    other = np.where(hot, -np.inf, logp).max(axis=1).astype(np.float64)
    neither = (hot.all(axis=1)) | (np.isneginf(own) & np.isneginf(other))
    with np.errstate(invalid="ignore"):
        return np.where(neither, 0.0, own - other)


def calibration_sums(confidence: NDArray[np.floating], right: Bools) -> NDArray[np.float64]:
    """What a calibration error is made of, to be added up over parts: shape (3, NUM_BINS).

    Args:
        confidence: shape (b,), the probability of the highest class.
        right: shape (b,), whether it is one of the image's.

    Returns:
        Images, the sum of their confidence, and how many are right, in each of NUM_BINS bins of
        equal width; a bin has its upper end and not its lower one.
    """
    bins = np.ceil(confidence.astype(np.float64) * NUM_BINS).astype(np.int64) - 1
    bins = bins.clip(0, NUM_BINS - 1)
    parts = (np.ones(len(bins)), confidence, right)
    return np.stack([np.bincount(bins, weights=p, minlength=NUM_BINS) for p in parts])


def calibration_error(sums: NDArray[np.float64]) -> float:
    """Mean over images of |share that is right - mean confidence| of the image's bin: a fraction.

    The expected calibration error of Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern
    Neural Networks" (ICML 2017), equation 3; `sums` as `calibration_sums` gives them.
    """
    images, confidence, right = sums
    return float(np.abs(right - confidence).sum() / images.sum())


def _log_sigmoid(logits: Floats) -> Floats:
    found: Floats = -np.logaddexp(np.float32(0), -logits)
    return found
