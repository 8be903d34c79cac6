"""What a linear read-out of frozen features tells: of all classes, and inside a coarse class."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granctl.train.linear import Standard

INVERSE_STRENGTH = 1.0
"""sklearn's C, of standardised features; the same for every network, so none is chosen."""
_MOST_STEPS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Inside:
    """Which fine classes are to be told apart inside each coarse class, by training images."""

    candidates: NDArray[np.bool_]
    """Shape (coarse classes, fine classes)."""
    commonest: NDArray[np.int64]
    """Shape (coarse classes,): the fine class with the most training images."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Readout:
    """Shares of held-out images whose fine class is read right."""

    fine: float
    """Of all fine classes."""
    inside: float | None
    """Of those of the image's coarse class, where it has two or more; None without such images."""
    uniform: float | None
    """What guessing among them gives."""
    commonest: float | None
    """What naming the one with the most training images gives."""
    num_inside: int
    """Images behind the three above."""
    converged: bool
    """Whether the regression came to its end."""


def inside_of(
    fine: NDArray[np.int64], coarse: NDArray[np.int64], num_fine: int, num_coarse: int
) -> Inside:
    """What the training images say of fine classes inside coarse ones; below 0: no class."""
    both = (fine >= 0) & (coarse >= 0)
    counts = np.zeros((num_coarse, num_fine), dtype=np.int64)
    np.add.at(counts, (coarse[both], fine[both]), 1)
    return Inside(candidates=counts > 0, commonest=counts.argmax(1))


def some_of_each(
    label: NDArray[np.int64], most: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Sorted places of at most so many images of each class; below 0: no class."""
    order = rng.permutation(np.flatnonzero(label >= 0))
    order = order[np.argsort(label[order], kind="stable")]
    _, first, count = np.unique(label[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(first, count)
    return np.sort(order[place < most])


def read_out(
    train: NDArray[np.float32],
    label: NDArray[np.int64],
    test: NDArray[np.float32],
    truth: NDArray[np.int64],
    coarse: NDArray[np.int64] | None = None,
    inside: Inside | None = None,
) -> Readout:
    """Trains a multinomial logistic regression and scores the held-out images.

    Args:
        train: shape (n, d), features of training images.
        label: shape (n,), their fine classes; two or more occur.
        test: shape (m, d), of held-out images.
        truth: shape (m,).
        coarse: shape (m,): their coarse classes, below 0: none.
        inside: what is told apart inside each of them.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    standard = Standard.of(train)
    train, test = train.copy(), test.copy()
    standard.apply(train)
    standard.apply(test)
    model = LogisticRegression(C=INVERSE_STRENGTH, max_iter=_MOST_STEPS)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(train.astype(np.float64), label)
    converged = not any(issubclass(one.category, ConvergenceWarning) for one in said)
    scores = model.decision_function(test.astype(np.float64))
    if scores.ndim == 1:  # of two classes sklearn gives the second one's
        scores = np.stack([-scores, scores], axis=1)
    classes = model.classes_
    right = float((classes[scores.argmax(1)] == truth).mean())
    if coarse is None or inside is None:
        return Readout(
            fine=right, inside=None, uniform=None, commonest=None, num_inside=0, converged=converged
        )
    allowed = inside.candidates[np.maximum(coarse, 0)][:, classes]
    counted = (coarse >= 0) & (allowed.sum(1) > 1)
    num = int(counted.sum())
    best = classes[np.where(allowed, scores, -np.inf).argmax(1)]
    guessed = inside.commonest[np.maximum(coarse, 0)]
    return Readout(
        fine=right,
        inside=float((best == truth)[counted].mean()) if num else None,
        uniform=float((1 / allowed[counted].sum(1)).mean()) if num else None,
        commonest=float((guessed == truth)[counted].mean()) if num else None,
        num_inside=num,
        converged=converged,
    )
