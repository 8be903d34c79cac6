"""What a representation is like, in numbers: separation of classes, rank, likeness of two.

Features come piece by piece; what is kept of them is sums in float64. N images, d numbers each, K
groups of images.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class Groups:
    """Sums over the images of each group: enough for every measure of separation."""

    def __init__(self, num: int, dim: int) -> None:
        self.images = np.zeros(num, dtype=np.int64)
        """Shape (K,)."""
        self.sums = np.zeros((num, dim))
        """Shape (K, d): of the features."""
        self.units = np.zeros((num, dim))
        """Shape (K, d): of the features, each image's scaled to length 1; zeros stay zeros."""
        self.squares = np.zeros(num)
        """Shape (K,): of the squared lengths."""

    def add(self, matrix: NDArray[np.float32], group: NDArray[np.int64]) -> None:
        """Adds images.

        Args:
            matrix: shape (b, d).
            group: shape (b,), which group each is of; those below 0 are left out.
        """
        rows = np.asarray(matrix, dtype=np.float64)[group >= 0]
        group = group[group >= 0]
        squares = np.einsum("ij,ij->i", rows, rows)
        lengths = np.sqrt(squares)[:, None]
        self.images += np.bincount(group, minlength=len(self.images))
        self.squares += np.bincount(group, weights=squares, minlength=len(self.images))
        order = np.argsort(group, kind="stable")
        present, first = np.unique(group[order], return_index=True)
        if len(present):
            units = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
            self.sums[present] += np.add.reduceat(rows[order], first, axis=0)
            self.units[present] += np.add.reduceat(units[order], first, axis=0)

    def merged(self, into: NDArray[np.int64], num: int) -> Groups:
        """Groups of groups.

        Args:
            into: shape (K,): which of the `num` new groups each is a part of; below 0: of none.
            num: of new groups.
        """
        found, kept = Groups(num, self.sums.shape[1]), into >= 0
        for name in ("images", "sums", "units", "squares"):
            np.add.at(getattr(found, name), into[kept], getattr(self, name)[kept])
        return found

    def only(self, which: NDArray[np.bool_]) -> Groups:
        """Some of the groups."""
        found = Groups(0, self.sums.shape[1])
        found.images, found.sums = self.images[which], self.sums[which]
        found.units, found.squares = self.units[which], self.squares[which]
        return found


def class_separation(groups: Groups) -> float | None:
    """How far apart classes lie: R2 = 1 - within / total of mean cosine distances.

    `within` is the mean over classes of the mean distance of pairs of one class, `total` that of
    pairs of any two classes, each class counting alike ("class separation" of Kornblith et al.
    2021, arXiv 2010.16402). A pair's cosine distance is 1 less a product of unit vectors, so both
    follow from the mean unit vectors u_k: within = 1 - mean_k |u_k|^2, total = 1 - |mean_k u_k|^2.

    Returns:
        0 (no class is told from the others) to 1; None with fewer than two classes with images,
        or where all images are alike.
    """
    groups = groups.only(groups.images > 0)
    if len(groups.images) < 2:
        return None
    means = groups.units / groups.images[:, None]
    within = 1 - float(np.einsum("ij,ij->", means, means)) / len(means)
    middle = means.mean(0)
    total = 1 - float(middle @ middle)
    return 1 - within / total if total > 1e-12 else None


def scatter(groups: Groups) -> tuple[float, float]:
    """Sums of squared distances: of the classes' means from the mean, and of images from theirs.

    The traces of the scatter matrices between and within classes (Fisher's).
    """
    groups = groups.only(groups.images > 0)
    own = float((np.einsum("ij,ij->i", groups.sums, groups.sums) / groups.images).sum())
    whole = groups.sums.sum(0)
    num = int(groups.images.sum())
    between = own - float(whole @ whole) / num if num else 0.0
    return max(between, 0.0), max(float(groups.squares.sum()) - own, 0.0)


def variance_ratio(parts: Iterable[Groups]) -> float | None:
    """Variance between classes over variance within them, summed over several sets of classes.

    Returns:
        0 or more; None without two classes in any set, or where nothing varies within classes.
    """
    found = [scatter(groups) for groups in parts if (groups.images > 0).sum() > 1]
    between, within = (sum(values) for values in zip(*found, strict=True)) if found else (0, 0)
    return between / within if within > 0 else None


class Moments:
    """Sums of features and of their products, of one network or across two."""

    def __init__(self, dim: int, other: int) -> None:
        self.num = 0
        self.sum, self.other_sum = np.zeros(dim), np.zeros(other)
        self.products = np.zeros((dim, other))

    def add(self, matrix: NDArray[np.float32], other: NDArray[np.float32]) -> None:
        """Adds images: their features, shape (b, d), and those of the other network, (b, e)."""
        left, right = np.asarray(matrix, np.float64), np.asarray(other, np.float64)
        self.num += len(left)
        self.sum += left.sum(0)
        self.other_sum += right.sum(0)
        self.products += left.T @ right

    @property
    def centred(self) -> NDArray[np.float64]:
        """Shape (d, e): X'Y of features whose means over the images are taken away."""
        found: NDArray[np.float64] = self.products - np.outer(
            self.sum, self.other_sum / max(self.num, 1)
        )
        return found


def effective_rank(own: NDArray[np.float64]) -> float:
    """How many directions the features take up, 1 to d: exp of the entropy of singular values.

    The singular values of the centred N x d matrix, made to sum to 1 (Roy & Vetterli 2007, "The
    effective rank", EUSIPCO).

    Args:
        own: shape (d, d): X'X of centred features, whose eigenvalues are their squares.

    Returns:
        0 where nothing varies.
    """
    values = np.sqrt(np.clip(np.linalg.eigvalsh((own + own.T) / 2), 0, None))
    values = values[values > values.max(initial=0.0) * 1e-7]  # below it is rounding, squared
    if not len(values):
        return 0.0
    share = values / values.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def linear_cka(
    own: NDArray[np.float64], other: NDArray[np.float64], cross: NDArray[np.float64]
) -> float | None:
    """How alike two representations of the same images are, 0 to 1, whatever their axes.

    |X'Y|^2 / (|X'X| |Y'Y|), Frobenius norms of centred features (Kornblith et al. 2019, arXiv
    1905.00414): rotations and one scale change nothing. Exact, not by minibatches.

    Args:
        own: shape (d, d), X'X.
        other: shape (e, e), Y'Y.
        cross: shape (d, e), X'Y.

    Returns:
        None where one of them does not vary.
    """
    below = float(np.linalg.norm(own) * np.linalg.norm(other))
    return float((cross**2).sum()) / below if below > 0 else None
