"""How sure a ranking is: which candidates cannot be told from the first, and who may be best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.study.estimates import t_quantile

RESAMPLES = 20_000
_ROUNDING = 1e-9
_RESAMPLING_SEED = 20_230_316
"""The same advice must say the same: the resamples are part of the method."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Behind:
    """How far a candidate lies behind the highest score: fractions, with a 95 % interval."""

    mean: float
    low: float | None
    """None with one draw, or a score that is counted and not drawn."""
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sure:
    """A ranking of candidates by a score, and what can be said of it."""

    order: tuple[int, ...]
    """The candidates, best first: those in `tied`, then the others by their means."""
    highest: int
    """The candidate with the highest mean."""
    behind: tuple[Behind, ...]
    """Of each candidate, in their own order."""
    probability: tuple[float, ...] | None
    """That each would have the highest mean of the score; None where nothing was drawn twice."""
    tied: tuple[int, ...]
    """Candidates that cannot be told from the highest, which is one of them, in `order`."""


def sure(
    scores: NDArray[np.float64],
    classes: Sequence[int],
    ratio: float,
    others: NDArray[np.float64] | None = None,
) -> Sure:
    """Ranks by the mean over draws and says how sure that is.

    Candidates that cannot be told from the highest are ranked among themselves by another score:
    the order of their means is chance.

    Draws that divide the same images anew are not independent, and the variance of their mean does
    not go to zero with their number J: it is (1 / J + ratio) times their variance, ratio being the
    images tested over those taught (Nadeau and Bengio, "Inference for the Generalization Error",
    Machine Learning 52, 2003, section 3). Runs of several seeds have ratio 0. Differences to the
    highest are paired, their interval Student's; the probability is the share of means, drawn from
    the multivariate t with the draws' covariance and J - 1 degrees of freedom, that are highest.

    Args:
        scores: shape (J, candidates), J at least 1; a draw's are comparable with each other.
        classes: of each candidate.
        ratio: 0 for independent draws.
        others: the other score, shape (candidates,); None: there is none. Equal candidates stand
            by their classes, the fewest first.
    """
    num, mean = len(scores), scores.mean(axis=0)
    by_mean = tuple(np.lexsort((np.asarray(classes), -mean)).tolist())
    second = mean if others is None else others
    gaps = scores[:, [by_mean[0]]] - scores

    def ranked(behind: tuple[Behind, ...], limit: NDArray[np.float64], shares: Any) -> Sure:
        within = [i for i in by_mean if limit[i] <= _ROUNDING]
        within.sort(key=lambda i: (-round(float(second[i]), 12), classes[i]))
        rest = [i for i in by_mean if i not in within]
        return Sure(
            order=(*within, *rest),
            highest=by_mean[0],
            behind=behind,
            probability=shares,
            tied=tuple(within),
        )

    if num < 2:
        counted = tuple(Behind(mean=g, low=None, high=None) for g in gaps[0].tolist())
        return ranked(counted, gaps[0], None)
    scale = 1 / num + ratio
    half = t_quantile(num - 1) * np.sqrt(scale * gaps.var(axis=0, ddof=1))
    middle = gaps.mean(axis=0)
    behind = tuple(
        Behind(mean=m, low=m - h, high=m + h)
        for m, h in zip(middle.tolist(), half.tolist(), strict=True)
    )
    return ranked(behind, middle - half, tuple(_shares(scores, scale, by_mean).tolist()))


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
