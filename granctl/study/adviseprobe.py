"""A cheap stand-in for pretraining on a cut: the directions of given features that it asks for.

Pretraining is played by ridge regression. On a part of the source's images it learns to foretell
the cut's classes from features X of any network; W are its weights. From then on an image is seen
as [X, X W], both parts scaled to one mean square: a network goes on seeing what it saw, and the
scores of its classes are brought to the fore. A second ridge regression learns the target's classes
from these, on a few labelled images, and is scored on others, which neither saw. A cut that is too
coarse brings too few directions to the fore (W has a column a class); one whose classes are noise,
or have few images, brings the wrong ones, and the second, which has few images, must find the right
ones alone.

All that the second regression needs are inner products, X (I + c W W^T) X^T. So however many
classes there are, the cut acts through a d x d matrix only: it is a metric on the features.
Penalties are chosen by leave-one-out errors, which ridge regression has in closed form (Allen,
Technometrics 16, 1974). Shapes: n images, d features, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granctl.errors import NothingToReadOutError
from granctl.progress import Progress

Matrix = NDArray[np.float64]
Ints = NDArray[np.int64]
PENALTIES = 10.0 ** np.arange(-5, 3.5, 0.5)
"""That are tried, in units of the mean eigenvalue of X^T X."""
METHOD = 2
"""Grows when the same arguments give other scores; part of the advice's identity."""
SOURCE_SHARE = 0.75
"""Of the source's images, in each draw, that play the pretraining where the target has the same."""
_TINY = float(np.finfo(np.float64).tiny)
_SMALLEST = 1e-10
"""Directions whose part of the metric is below this share of the largest are rounding."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Classes:
    """Which classes images have, as pairs."""

    image: Ints
    """Shape (P,): ascending; an image without a class is in no pair."""
    number: Ints
    """Shape (P,): 0 <= number < num."""
    num: int

    def of(self, images: Ints, total: int) -> tuple[Ints, Classes]:
        """Those of these images that have a class, and their pairs numbered in that order.

        Args:
            images: ascending.
            total: images that there are, at least the greatest of `self.image` + 1.
        """
        chosen = np.zeros(total, bool)
        chosen[images] = True
        kept = chosen[self.image]
        present, image = np.unique(self.image[kept], return_inverse=True)
        return present, Classes(image=image, number=self.number[kept], num=self.num)


@dataclass(frozen=True, kw_only=True, eq=False)
class Space:
    """Centred rows in their principal directions: what every ridge regression on them shares."""

    mean: Matrix
    """Shape (d,)."""
    basis: Matrix
    """Shape (d, d): eigenvectors of X^T X."""
    values: Matrix
    """Shape (d,): its eigenvalues, from 0."""
    rows: Matrix
    """Shape (n, d): the centred rows times `basis`."""

    @classmethod
    def of(cls, rows: Matrix) -> Space:
        """Of at least one row."""
        mean = rows.mean(axis=0)
        centred = rows - mean
        values, basis = np.linalg.eigh(centred.T @ centred)
        return cls(mean=mean, basis=basis, values=values.clip(min=0), rows=centred @ basis)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ridge:
    """A ridge regression on one-hot classes (several ones for an image of several classes)."""

    weights: Matrix
    """Shape (d, K), in the directions of its `Space`."""
    mean: Matrix
    """Shape (K,): added to what the centred rows give."""


def ridge(space: Space, classes: Classes) -> Ridge:
    """The ridge regression with the least squared leave-one-out error of `PENALTIES`.

    The error of image i, left out, is its residual over 1 - h_i, h being the diagonal of the hat
    matrix; the sum over classes is taken without an array of n x K.
    """
    num = len(space.rows)
    sums = _sums_by_class(space.rows, classes)  # (d, K)
    mean = np.bincount(classes.number, minlength=classes.num) / num
    gram, on_mean = sums @ sums.T, sums @ mean
    several = np.bincount(classes.image, minlength=num).astype(np.float64)
    of_mean = np.bincount(classes.image, weights=mean[classes.number], minlength=num)
    own = np.zeros((num, space.rows.shape[1]))
    order = np.argsort(classes.number, kind="stable")
    np.add.at(own, classes.image[order], sums.T[classes.number[order]])
    squares = space.rows**2
    least, best = np.inf, 1.0
    unit = max(float(space.values.mean()), _TINY)
    for penalty in PENALTIES * unit:
        shrunk = 1 / (space.values + penalty)
        scaled = space.rows * shrunk
        residual = several - 2 * of_mean + mean @ mean
        residual -= 2 * ((scaled * own).sum(1) - scaled @ on_mean)
        residual += ((scaled @ gram) * scaled).sum(1)
        left = np.maximum(1 - 1 / num - squares @ shrunk, 1e-6)
        error = float((residual / left**2).mean())
        if error < least:
            least, best = error, float(penalty)
    return Ridge(weights=sums / (space.values + best)[:, None], mean=mean)


def _sums_by_class(rows: Matrix, classes: Classes) -> Matrix:
    """Shape (d, K): the sum over the images of each class."""
    order = np.argsort(classes.number, kind="stable")
    present, first = np.unique(classes.number[order], return_index=True)
    sums = np.zeros((classes.num, rows.shape[1]))
    if len(first):
        sums[present] = np.add.reduceat(rows[classes.image[order]], first, axis=0)
    return sums.T


def metric_root(space: Space, taught: Ridge) -> Matrix:
    """Rows times it are what is seen after pretraining: shape (d, d + r), r <= min(d, K).

    The first d columns are the features as they are, the others have the inner products of the
    class scores; each part has a mean square of 1 over the rows of `space`.
    """
    values, vectors = np.linalg.eigh(taught.weights @ taught.weights.T)
    kept = values > _SMALLEST * max(values.max(initial=0.0), _TINY)
    scores = vectors[:, kept] * np.sqrt(values[kept])
    num = len(space.rows)
    of_scores = float((space.values @ scores**2).sum()) / num
    of_rows = float(space.values.sum()) / num
    parts = [np.eye(len(space.values)) / np.sqrt(max(of_rows, _TINY))]
    parts.append(scores / np.sqrt(max(of_scores, _TINY)))
    root: Matrix = space.basis @ np.concatenate(parts, axis=1)
    return root


def read_out(taught: Matrix, classes: Ints, num: int, asked: Matrix) -> Ints:
    """The class of each asked row by a ridge regression on the taught rows.

    Args:
        taught: shape (n, r).
        classes: shape (n,).
        num: of classes.
        asked: shape (q, r).

    Returns:
        Shape (q,).
    """
    space = Space.of(taught)
    pairs = Classes(image=np.arange(len(taught)), number=classes, num=num)
    found = ridge(space, pairs)
    scores = ((asked - space.mean) @ space.basis) @ found.weights + found.mean
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class ProbeData:
    """What the probe is asked about: features, and the classes of the candidates and the target."""

    source: Matrix
    """Shape (n, d): standardised features of the source's images."""
    candidates: Sequence[Classes]
    """Of the source's images."""
    target: Matrix | None
    """Shape (m, d), standardised as `source`; None: the source's images are the target's."""
    classes: Ints
    """Shape (m,): the target's class of each target image, -1 for none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Probed:
    """What the probe found; fractions."""

    scores: Matrix
    """Shape (draws, candidates)."""
    plain: Matrix
    """Shape (draws,): with the features as they are."""
    ratio: float
    """Scored images over those that teach (and pretrain, where the target is of the same images),
    for intervals over repeated divisions; at most 1."""


def probe(data: ProbeData, *, per_class: int, draws: int, seed: int, progress: Progress) -> Probed:
    """Top-1 on the target after each candidate.

    Of a large target as many images are scored, by chance, as teach.

    Args:
        data: features and classes.
        per_class: labelled target images a class that teach, at most half of a class.
        draws: times that the images are divided anew; all candidates share each division.
        seed: of the divisions.
        progress: told each draw.

    Raises:
        NothingToReadOutError: too few of the target's images are left for a read-out.
    """
    total, target = len(data.source), data.source if data.target is None else data.target
    scores, plain = np.zeros((draws, len(data.candidates))), np.zeros(draws)
    ratios = []
    progress.start("probe", draws, "draws")
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        pretrains, asked = np.arange(total), np.arange(len(data.classes))
        if data.target is None:
            shuffled, cut = rng.permutation(total), round(SOURCE_SHARE * total)
            pretrains, asked = np.sort(shuffled[:cut]), np.sort(shuffled[cut:])
        teaches, scored = divided(data.classes, asked, per_class, rng)
        taught = len(teaches) + (data.target is None) * len(pretrains)
        if len(scored) > taught:  # `sure` takes ratios far above 1 for no knowledge at all
            scored = np.sort(rng.choice(scored, taught, replace=False))
        ratios.append(len(scored) / taught)
        reader = Reader(target=target, classes=data.classes, teaches=teaches, scored=scored)
        plain[draw] = reader.top1(np.eye(target.shape[1]))
        spaces: dict[bytes, Space] = {}
        for i, candidate in enumerate(data.candidates):
            present, classes = candidate.of(pretrains, total)
            if (key := present.tobytes()) not in spaces:
                spaces[key] = Space.of(data.source[present])
            space = spaces[key]
            scores[draw, i] = reader.top1(metric_root(space, ridge(space, classes)))
        progress.advance()
    progress.finish()
    return Probed(scores=scores, plain=plain, ratio=float(np.mean(ratios)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Reader:
    """Target images that teach and others that are scored."""

    target: Matrix
    classes: Ints
    teaches: Ints
    scored: Ints

    def top1(self, root: Matrix) -> float:
        """Share of the scored images that are told right, seen through `root`, shape (d, r)."""
        known, number = np.unique(self.classes[self.teaches], return_inverse=True)
        taught, asked = self.target[self.teaches] @ root, self.target[self.scored] @ root
        told = known[read_out(taught, number, len(known), asked)]
        return float((told == self.classes[self.scored]).mean())


def divided(
    classes: Ints, images: Ints, per_class: int, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Images that teach and images that are scored; of a class of one image it is scored.

    Raises:
        NothingToReadOutError: no image would teach.
    """
    images = rng.permutation(images[classes[images] >= 0])
    order = np.argsort(classes[images], kind="stable")
    images = images[order]
    _, first, sizes = np.unique(classes[images], return_index=True, return_counts=True)
    rank = np.arange(len(images)) - np.repeat(first, sizes)
    teaches = rank < np.repeat(np.minimum(sizes // 2, per_class), sizes)
    if not teaches.any():
        raise NothingToReadOutError(len(images))
    return np.sort(images[teaches]), np.sort(images[~teaches])
