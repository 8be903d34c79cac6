"""Answers counted batch by batch into sums that several processes can add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import listing
from granctl.provenance import plain
from granctl.train import measures
from granctl.train.labelling import Labelling
from granctl.train.levels import Ladder, Level, apart, summed
from granctl.train.measures import NUM_BINS
from granctl.train.world import World

TOP = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """How many images came out right, and how well the probabilities fit."""

    top1: float
    """Share of the images whose highest-scored class is one of theirs."""
    top5: float | None
    """Share with one of theirs among the 5 highest; None with 5 classes or fewer, where all have.
    """
    mean_per_class: float
    """Mean over classes of the share of a class's images for which it is among the m
    highest-scored classes, m being the number of the image's classes (1 with one class each)."""
    nll: float | None
    """Mean negative log-likelihood in nats; None where a truth was given no probability at all.
    With several classes an image, of all K answers yes or no together."""
    calibration_error: float
    """Expected calibration error of the highest class's probability, a fraction (see
    `measures.calibration_error`)."""
    n: int
    """Images that were scored."""
    correct: int
    """Images behind `top1`."""
    classes: int
    """Classes that occur among them."""

    def record(self) -> dict[str, Any]:
        """JSON types."""
        found: dict[str, Any] = plain(self)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelScores:
    """The same answers at a coarser level: probabilities summed into its classes."""

    cut: str
    classes: int
    """Classes of the level that the target's classes lie in."""
    top1: float | None
    """Of the images whose class lies in the level; None without any."""
    nll: float | None
    """In nats; None also where a truth was given no probability at all."""
    n: int
    left_out: int
    """Classes of the target that lie in several of the level's, or in none; their images are not
    scored, and the probability that an answer gives them counts for no class."""
    left_out_because: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mistakes:
    """How far off in the tree the wrong answers are (the right ones being at distance 0)."""

    n: int
    """Wrong answers."""
    measured: int
    """Those whose two classes are nodes with an ancestor in common; the numbers below are of them.
    """
    severity: float | None
    """Mean height of the lowest common hypernym of truth and answer over the mistakes: edges down
    to the farthest class of the target (Bertinetto et al., 2020)."""
    edges: float | None
    """Mean edges from truth to answer through that hypernym."""
    distance: float | None
    """Mean height over all images, right answers at 0: their hierarchical distance @1."""
    by_depth: tuple[dict[str, int], ...]
    """`{"depth": d, "n": mistakes whose lowest common hypernym lies d edges below the root}`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hierarchy:
    """What the target's tree says of the answers."""

    levels: tuple[LevelScores, ...]
    mistakes: Mistakes | None
    taxonomy: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """JSON types: `levels`, `mistakes`, `taxonomy`."""
        found: dict[str, Any] = plain(self)
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """One batch of answers beside the truth, b images."""

    which: NDArray[np.int64]
    logp: NDArray[np.float32]
    """Shape (b, K), in nats."""
    top: NDArray[np.int64]
    """Shape (b, m): the highest classes, best first."""
    loss: NDArray[np.float64]
    margin: NDArray[np.float64]


class Tally:
    """Counts answers, a batch at a time; `summed` gives what they come to."""

    def __init__(
        self,
        labelling: Labelling,
        ladder: Ladder,
        *,
        sigmoid: bool,
        ranks: int = TOP,
        probabilities: bool = True,
    ) -> None:
        self._truth, self._ladder, self._sigmoid = labelling, ladder, sigmoid
        self._probabilities = probabilities
        self._ranks = max(ranks, TOP)
        self._hits = np.zeros(labelling.num_classes, dtype=np.int64)
        self._bins = np.zeros((3, NUM_BINS))
        self._sums = np.zeros(5)
        """correct, n, among the first 5, loss, images with infinite loss."""
        self._levels = np.zeros((len(ladder.levels), 4))
        """correct, n, loss, images with infinite loss."""
        self._wrong: list[NDArray[np.int64]] = []

    def add(self, logits: NDArray[np.float32], which: NDArray[np.int64]) -> Answers:
        """Counts logits of shape (b, K) of these images of the labelling."""
        hot = self._truth.multi_hot(which) > 0
        num = hot.sum(1)
        top = measures.best_first(logits, max(self._ranks, int(num.max(initial=1))))
        is_own = np.take_along_axis(hot, top, axis=1)
        among = np.arange(top.shape[1])[None, :] < num[:, None]
        self._hits += np.bincount(top[is_own & among], minlength=self._truth.num_classes)
        logp = measures.log_probabilities(logits, sigmoid=self._sigmoid)
        loss = measures.losses(logits, hot, sigmoid=self._sigmoid)
        right = is_own[:, 0]
        confidence = np.exp(logp[np.arange(len(which)), top[:, 0]])
        self._bins += measures.calibration_sums(confidence, right)
        near = is_own[:, :TOP].any(axis=1)
        self._sums += [right.sum(), len(which), near.sum(), *_finite(loss)]
        if self._ladder.places is not None:
            self._climb(logp, which, top[:, 0], right)
        margin = measures.margins(logp, hot)
        return Answers(which=which, logp=logp, top=top, loss=loss, margin=margin)

    def _climb(
        self,
        logp: NDArray[np.float32],
        which: NDArray[np.int64],
        answer: NDArray[np.int64],
        right: NDArray[np.bool_],
    ) -> None:
        truth = self._truth.main_class_of(which)
        if self._probabilities:
            probability = np.exp(logp.astype(np.float64))
        else:  # sums of scores mean nothing: the level's answer is where the answer lies
            probability = np.zeros(logp.shape)
            probability[np.arange(len(which)), answer] = 1.0
        for sums, level in zip(self._levels, self._ladder.levels, strict=True):
            own = level.class_of[truth]
            nests = own >= 0
            own = own[nests]
            coarse = summed(probability[nests], level)
            first = coarse.argmax(axis=1)
            with np.errstate(divide="ignore"):
                loss = -np.log(coarse[np.arange(len(own)), own])
            sums += [(first == own).sum(), len(own), *_finite(loss)]
        self._wrong.append(np.stack([truth[~right], answer[~right]]))

    def summed(self, world: World) -> tuple[Scores, Hierarchy]:
        """The scores over the images of all processes."""
        import torch

        histogram, far = self._distances()
        counts = self._truth.images_of_class()
        parts = [self._hits, counts, self._bins, self._sums, self._levels, histogram, far]
        flat = np.concatenate([np.asarray(p, np.float64).ravel() for p in parts])
        total = world.total(torch.from_numpy(flat)).numpy()
        ends = np.cumsum([p.size for p in parts])[:-1]
        hits, counts, bins, sums, levels, histogram, far = np.split(total, ends)
        correct, n = int(sums[0]), int(sums[1])
        occurs = counts > 0
        scores = Scores(
            top1=correct / n,
            top5=float(sums[2] / n) if self._truth.num_classes > TOP else None,
            mean_per_class=float((hits[occurs] / counts[occurs]).mean()),
            nll=_mean(sums[3], sums[4], n),
            calibration_error=measures.calibration_error(bins.reshape(3, NUM_BINS)),
            n=n,
            correct=correct,
            classes=int(occurs.sum()),
        )
        rows = levels.reshape(-1, 4)
        hierarchy = Hierarchy(
            levels=tuple(map(_level_scores, self._ladder.levels, rows)),
            mistakes=self._mistakes(n - correct, n, histogram, far),
            taxonomy=self._ladder.record(),
        )
        return scores, hierarchy

    def _distances(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mistakes by the depth of the lowest common hypernym; sums of height and edges."""
        places = self._ladder.places
        if places is None:
            return np.zeros(0), np.zeros(0)
        depths = int(places.ancestry.longest.max()) + 1
        wrong = np.concatenate([np.zeros((2, 0), np.int64), *self._wrong], axis=1)
        depth, height, edges = apart(places, wrong[0], wrong[1])
        known = depth >= 0
        histogram = np.bincount(depth[known], minlength=depths).astype(np.float64)
        return histogram, np.array([height[known].sum(), edges[known].sum()], dtype=np.float64)

    def _mistakes(
        self, wrong: int, n: int, histogram: NDArray[np.float64], far: NDArray[np.float64]
    ) -> Mistakes | None:
        if self._ladder.places is None:
            return None
        num = int(histogram.sum())
        height, edges = (float(x) for x in far)
        at = np.flatnonzero(histogram).tolist()
        return Mistakes(
            n=wrong,
            measured=num,
            severity=height / num if num else None,
            edges=edges / num if num else None,
            distance=height / (n - wrong + num) if n - wrong + num else None,
            by_depth=tuple({"depth": d, "n": int(histogram[d])} for d in at),
        )


def _level_scores(level: Level, sums: NDArray[np.float64]) -> LevelScores:
    n, out = int(sums[1]), level.left_out
    because = f"in several classes of the level, or no nodes: {listing(out)}" if out else None
    return LevelScores(
        cut=level.cut,
        classes=len(level.class_ids),
        top1=float(sums[0] / n) if n else None,
        nll=_mean(sums[2], sums[3], n),
        n=n,
        left_out=len(out),
        left_out_because=because,
    )


def _finite(loss: NDArray[np.float64]) -> tuple[float, int]:
    """The sum of the finite losses, and how many are not."""
    finite = np.isfinite(loss)
    return float(loss[finite].sum()), int((~finite).sum())


def _mean(total: float, infinite: float, n: int) -> float | None:
    return float(total / n) if n and not infinite else None
