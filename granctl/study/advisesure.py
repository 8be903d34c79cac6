"""How sure a ranking is: which candidates cannot be told from the first, and who may be best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granctl.study.summary import t_quantile

RESAMPLES = 20_000
_RESAMPLING_SEED = 20_230_316
"""The same advice must say the same: the resamples are part of the method."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Behind:
    """How far a candidate lies behind the first: fractions, with a 95 % interval."""

    mean: float
    low: float | None
    """None with one draw, or a score that is counted and not drawn."""
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sure:
    """A ranking of candidates by a score, and what can be said of it."""

    order: tuple[int, ...]
    """The candidates, best first; of equal means the one with fewer classes."""
    behind: tuple[Behind, ...]
    """Of each candidate, in their own order."""
    probability: tuple[float, ...] | None
    """That each would have the highest mean of the score; None where nothing was drawn twice."""
    tied: tuple[int, ...]
    """Candidates that cannot be told from the first, which is one of them, in `order`."""


def sure(scores: NDArray[np.float64], classes: Sequence[int], ratio: float) -> Sure:
    """Ranks by the mean over draws and says how sure that is.

    Draws that divide the same images anew are not independent, and the variance of their mean does
    not go to zero with their number J: it is (1 / J + ratio) times their variance, ratio being the
    images tested over those taught (Nadeau and Bengio, "Inference for the Generalization Error",
    Machine Learning 52, 2003, section 3). Runs of several seeds have ratio 0. Differences to the
    first are paired, their interval Student's; the probability is the share of means, drawn from
    the multivariate t with the draws' covariance and J - 1 degrees of freedom, that are highest.

    Args:
        scores: shape (J, candidates), J at least 1; a draw's are comparable with each other.
        classes: of each candidate.
        ratio: 0 for independent draws.
    """
    num, mean = len(scores), scores.mean(axis=0)
    order = tuple(np.lexsort((np.asarray(classes), -mean)).tolist())
    gaps = scores[:, [order[0]]] - scores
    if num < 2:
        behind = tuple(Behind(mean=g, low=None, high=None) for g in gaps[0].tolist())
        return Sure(order=order, behind=behind, probability=None, tied=_equal(order, gaps[0]))
    scale = 1 / num + ratio
    half = t_quantile(num - 1) * np.sqrt(scale * gaps.var(axis=0, ddof=1))
    middle = gaps.mean(axis=0)
    behind = tuple(
        Behind(mean=m, low=m - h, high=m + h)
        for m, h in zip(middle.tolist(), half.tolist(), strict=True)
    )
    return Sure(
        order=order,
        behind=behind,
        probability=tuple(_shares(scores, scale, order).tolist()),
        tied=tuple(i for i in order if middle[i] - half[i] <= 0),
    )


def _equal(order: Sequence[int], gaps: NDArray[np.float64]) -> tuple[int, ...]:
    return tuple(i for i in order if math.isclose(gaps[i], 0, abs_tol=1e-9))


def _shares(scores: NDArray[np.float64], scale: float, order: Sequence[int]) -> NDArray[np.float64]:
    """In which share of the drawn means each candidate is the highest; equals: first in `order`."""
    num = len(scores)
    rng = np.random.default_rng(_RESAMPLING_SEED)
    centred = (scores - scores.mean(axis=0)) / math.sqrt(num - 1)
    noise = rng.standard_normal((RESAMPLES, num)) @ centred
    noise /= np.sqrt(rng.chisquare(num - 1, size=RESAMPLES) / (num - 1))[:, None]
    drawn = (scores.mean(axis=0) + math.sqrt(scale) * noise)[:, list(order)]
    shares = np.zeros(len(order))
    # Equal columns differ by rounding.
    shares[list(order)] = (
        np.bincount(np.round(drawn, 12).argmax(axis=1), minlength=len(order)) / RESAMPLES
    )
    return shares
