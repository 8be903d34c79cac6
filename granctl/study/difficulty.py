"""Hard images: whether the gain of finer pretraining lies where coarse-trained networks fail.

An image is as hard under a seed as it was, on average, for the pretrainings of one cut (the judge)
under all other seeds: no network judges the images that it, or one that began as it did, is scored
on. Images are sorted by difficulty into bins of equal size, seed by seed, and every source is
scored in each bin.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from granctl.errors import (
    BadOptionError,
    NoSuchSourceError,
    OtherPredictionsError,
    TooFewSeedsError,
)
from granctl.progress import Progress
from granctl.study.estimates import estimate
from granctl.study.figures import panel_title
from granctl.study.pairing import pair_of
from granctl.study.resampling import RESAMPLING_SEED, half_widths, image_sums
from granctl.study.results import Result
from granctl.study.sharedimages import kept_of, shared_checksums
from granctl.study.summary import Panel, Point
from granctl.train.predictions import Kept

By = Literal["loss", "margin", "mistakes"]
_SCORES = "its answers are scores, no probabilities, and have no loss"
_OTHERS = "take --by margin or mistakes"
Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class DifficultySpec:
    """What `granctl report --difficulty` is asked."""

    cut: str
    """The source whose pretrainings judge, as `depth-5`: the coarse one; what the report calls it,
    or its label map's own name where no other source of a panel has that."""
    by: By = "loss"
    """`loss`: mean negative log-likelihood. `margin`: mean log-probability of the best other class
    less that of the true one. `mistakes`: share of wrong answers."""
    bins: int = 5

    @classmethod
    def from_options(cls, cut: str | None, by: str | None, bins: int | None) -> Self | None:
        """What the options of a command line mean; None where no cut is to judge.

        Raises:
            BadOptionError: one that has no use without a cut, or cannot be used.
        """
        for option, value in (("--by", by), ("--bins", bins)):
            if cut is None and value is not None:
                raise BadOptionError(
                    option, "it says how images are judged", "add --difficulty CUT"
                )
        if cut is None:
            return None
        asked: dict[str, Any] = {"by": by, "bins": bins}
        spec = cls(cut=cut, **{key: value for key, value in asked.items() if value is not None})
        spec.check()
        return spec

    def check(self) -> None:
        """Checks the values.

        Raises:
            BadOptionError: one of them cannot be used.
        """
        if self.by not in get_args(By):
            known = ", ".join(get_args(By))
            raise BadOptionError("--by", f"there is no measure {self.by!r}", f"take {known}")
        if self.bins < 2:
            raise BadOptionError("--bins", f"{self.bins} is below 2", "take 2 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranged:
    """A mean over seeds with its 95 % interval (`resampling.py`); fractions."""

    mean: float
    low: float | None
    """None with one seed."""
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class BinRow:
    """One source on the images of one bin, of the hard bins together, or of all."""

    bin: str
    """`1` (the easiest) and so on, `hard`, or `all`."""
    images: int
    difficulty: tuple[float, float]
    """The least and the greatest, mean over seeds; nats, or a share for `mistakes`."""
    top1: float
    """Mean over seeds."""
    top1_sd: float | None
    gain: Ranged | None
    """top-1 less the judging cut's, paired by image and seed; None for that cut itself."""
    share: Ranged | None
    """Of the gain over all images, the part that lies here; None where that gain cannot be told
    from none: a part of next to nothing says nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRows:
    """One source in every bin."""

    point: Point
    seeds: int
    """Seeds that it shares with the judging cut."""
    rows: tuple[BinRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DifficultyPanel:
    """Every source of one panel by difficulty."""

    panel: Panel
    spec: DifficultySpec
    hard_bins: int
    """The hardest half of the bins, rounded down."""
    sources: tuple[SourceRows, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """What one result said of each image, the images sorted by checksum."""

    seed: Any
    """As results are paired by it (`pairing.py`)."""
    run_seed: int | None
    right: NDArray[np.bool_]
    loss: NDArray[np.float32]
    margin: NDArray[np.float32]

    def only(self, which: NDArray[np.bool_]) -> _Seen:
        """Of some of the images."""
        parts = {name: getattr(self, name)[which] for name in ("right", "loss", "margin")}
        return replace(self, **parts)

    def difficulty(self, by: By) -> Matrix:
        given = {"loss": self.loss, "margin": -self.margin, "mistakes": ~self.right}
        return given[by].astype(np.float64)


def by_difficulty(
    panels: Sequence[Panel], spec: DifficultySpec, progress: Progress
) -> tuple[DifficultyPanel, ...]:
    """Scores the sources of each panel that has the judging cut; the others are noted.

    Raises:
        BadOptionError: more bins than images, or a loss of answers that are scores alone.
        NoSuchSourceError: no panel has the cut.
        TooFewSeedsError: it has pretrainings of two seeds in no panel.
        NoPredictionsError: a result keeps none.
        BadPredictionsError: they were damaged, or are another result's.
        OtherPredictionsError: results of one panel share no images, or are of different classes.
    """
    found, scores, known = [], list[Panel](), dict[str, None]()
    too_few: TooFewSeedsError | None = None
    for panel in panels:
        known |= dict.fromkeys(p.cut for p in panel.points if p.classes_present is not None)
        judge = _judging_point(panel, spec.cut)
        if spec.by == "loss" and not all(_are_probabilities(p) for p in panel.points):
            scores.append(panel)
            progress.note(f"{panel_title(panel)}: {_SCORES}: left out of difficulty; {_OTHERS}")
        elif judge is not None:
            try:
                found.append(_panel(panel, replace(spec, cut=judge)))
            except TooFewSeedsError as error:
                too_few = too_few or error
                progress.note(f"{error.message}: left out of difficulty")
        else:
            progress.note(f"no source {spec.cut} on {panel_title(panel)}: left out of difficulty")
    if not found and too_few is not None:
        raise too_few
    if not found and any(_judging_point(panel, spec.cut) for panel in scores):
        raise BadOptionError("--by", f"loss: {_SCORES}", _OTHERS)
    if not found:
        raise NoSuchSourceError(spec.cut, list(known))
    return tuple(found)


def _judging_point(panel: Panel, cut: str) -> str | None:
    """The point that is called so, or the one whose label map is; None: there is none, or several.

    It is no line of public weights, nor the target alone.
    """
    ours = [p for p in panel.points if p.classes_present is not None]
    called = [p.cut for p in ours if p.cut == cut]
    own = [p.cut for p in ours if {r["source"]["cut"] for r in p.results} == {cut}]
    return called[0] if called else own[0] if len(own) == 1 else None


def _are_probabilities(point: Point) -> bool:
    """Whether what the results of a point kept are some."""
    told = (r.get("predictions") or {} for r in point.results)
    return all(one.get("probabilities", point.method != "fewshot") for one in told)


def equal_bins(
    difficulty: Matrix, checksums: NDArray[np.bytes_], num_bins: int
) -> NDArray[np.int64]:
    """The bin of each image, 0 the easiest, of sizes that differ by 1 at most: shape (N,).

    Equal difficulties are ordered by checksum.
    """
    order = np.lexsort((checksums, difficulty))
    bins = np.empty(len(order), dtype=np.int64)
    bins[order] = np.arange(len(order)) * num_bins // len(order)
    return bins


def _panel(panel: Panel, spec: DifficultySpec) -> DifficultyPanel:
    seen, checksums = _seen_of(panel)
    if spec.bins > len(checksums):
        most = f"take {len(checksums)} or fewer"
        problem = f"{spec.bins} bins for {len(checksums)} images"
        raise BadOptionError("--bins", problem, most)
    judge = next(i for i, p in enumerate(panel.points) if p.cut == spec.cut)
    seeds = sorted({s.seed for s in seen[judge]})
    difficulty = {seed: _judged(panel, spec, seed, seen, judge) for seed in seeds}
    bins = {seed: equal_bins(d, checksums, spec.bins) for seed, d in difficulty.items()}
    reference = _right_by_seed(seen[judge])
    sources = []
    for index, point in enumerate(panel.points):
        right = _right_by_seed(seen[index])
        shared = [seed for seed in seeds if seed in right]
        if shared:
            rows = _rows(
                np.stack([right[s] for s in shared]),
                None if index == judge else np.stack([reference[s] for s in shared]),
                np.stack([bins[s] for s in shared]),
                np.stack([difficulty[s] for s in shared]),
                spec.bins,
            )
            sources.append(SourceRows(point=point, seeds=len(shared), rows=rows))
    return DifficultyPanel(panel=panel, spec=spec, hard_bins=spec.bins // 2, sources=tuple(sources))


def _right_by_seed(seen: Sequence[_Seen]) -> dict[Any, Matrix]:
    """Seed -> shape (N,), whether the answer is right; of several label maps a seed, the mean."""
    values: dict[int, list[NDArray[np.bool_]]] = defaultdict(list)
    for one in seen:
        values[one.seed].append(one.right)
    return {seed: np.mean(rights, axis=0) for seed, rights in values.items()}


def _judged(
    panel: Panel,
    spec: DifficultySpec,
    seed: int,
    seen: Sequence[Sequence[_Seen]],
    judge: int,
) -> Matrix:
    """How hard each image was for the judging cut under all seeds but this one: shape (N,)."""
    begun = {s.run_seed for point in seen for s in point if s.seed == seed} - {None}
    others = [s for s in seen[judge] if s.seed != seed and s.run_seed not in begun]
    if not others:
        seeds = sorted({s.run_seed for s in seen[judge] if s.run_seed is not None})
        raise TooFewSeedsError(spec.cut, panel_title(panel), seeds)
    with np.errstate(invalid="ignore"):  # no probability at all under one seed, all under another
        found: Matrix = np.mean([s.difficulty(spec.by) for s in others], axis=0)
    return np.nan_to_num(found, nan=0.0, posinf=np.inf, neginf=-np.inf)


def _rows(
    right: Matrix, reference: Matrix | None, bins: NDArray[np.int64], hard: Matrix, num: int
) -> tuple[BinRow, ...]:
    """The rows of one source; all arrays of shape (S, N)."""
    groups = [(str(b + 1), [b]) for b in range(num)]
    groups += [("hard", list(range(num - num // 2, num))), ("all", list(range(num)))]
    inside = np.stack([(bins == b).astype(np.float32) for b in range(num)], axis=1)  # (S, B, N)
    member = np.array([[b in of for b in range(num)] for _, of in groups], dtype=np.float64)
    images = inside.sum(axis=2) @ member.T  # (S, groups)
    top1 = np.einsum("sbn,sn->sb", inside, right) @ member.T / images
    gains = None if reference is None else _gains(right - reference, inside, member)
    found = []
    for g, (name, of) in enumerate(groups):
        chosen = [hard[s][np.isin(bins[s], of)] for s in range(len(right))]
        ends = [float(np.mean([end(d) for d in chosen])) for end in (np.min, np.max)]
        spread = estimate(top1[:, g].tolist())
        row = BinRow(
            bin=name,
            images=round(float(images[:, g].mean())),
            difficulty=(ends[0], ends[1]),
            top1=spread.mean,
            top1_sd=spread.sd,
            gain=None if gains is None else gains[0][g],
            share=None if gains is None else gains[1][g],
        )
        found.append(row)
    return tuple(found)


def _gains(
    gain: Matrix, inside: NDArray[np.float32], member: Matrix
) -> tuple[list[Ranged], list[Ranged | None]]:
    """Gain in each group of bins and its share of the whole gain, with intervals.

    A share a/b has the interval of a - share x b, divided by b (the delta method).

    Args:
        gain: shape (S, N).
        inside: shape (S, B, N), which images are in which bin.
        member: shape (groups, B), the last group is all bins.
    """
    num_seeds, num_bins, num_images = inside.shape
    columns = np.concatenate([inside * gain[:, None, :], inside], axis=1).reshape(-1, num_images)
    given = np.ascontiguousarray(columns.T.astype(np.float32))
    drawn = image_sums(given, np.random.default_rng(RESAMPLING_SEED))
    whole = columns.sum(axis=1, dtype=np.float64)[None]
    sums = np.concatenate([whole, drawn]).reshape(-1, num_seeds, 2 * num_bins)  # the first: as is
    gained, images = sums[..., :num_bins] @ member.T, sums[..., num_bins:] @ member.T
    by_seed = gained / np.maximum(images, 1)
    num = images[0].mean(axis=0)
    gains = _ranged(by_seed[0].mean(axis=0), by_seed, num)
    whole_gain = float(gained[0, :, -1].mean())
    if whole_gain == 0 or _holds_zero(gains[-1]):
        return gains, [None] * len(member)
    share = gained[0].mean(axis=0) / whole_gain
    moved = _ranged(share, (gained - share * gained[..., -1:]) / whole_gain, num)
    return gains, [*moved[:-1], Ranged(mean=1.0, low=None, high=None)]


def _holds_zero(value: Ranged) -> bool:
    return value.low is not None and value.high is not None and value.low <= 0 <= value.high


def _ranged(mean: Matrix, by_seed: Matrix, images: Matrix) -> list[Ranged]:
    """Means (groups,) with intervals; by_seed (1 + R, S, groups), the first as measured."""
    if by_seed.shape[1] < 2:
        return [Ranged(mean=m, low=None, high=None) for m in mean.tolist()]
    half = half_widths(by_seed[0], by_seed[1:], images)
    ends = zip(mean.tolist(), half.tolist(), strict=True)
    return [Ranged(mean=m, low=m - h, high=m + h) for m, h in ends]


# --- what the results kept ------------------------------------------------------------------------


def _seen_of(panel: Panel) -> tuple[list[list[_Seen]], NDArray[np.bytes_]]:
    """What every result of each point said of the images that all share; their sorted checksums."""
    first: tuple[Result, Kept] | None = None
    found: list[list[tuple[NDArray[np.bytes_], _Seen]]] = []
    for point in panel.points:
        found.append([])
        for result in point.results:
            kept = kept_of(result)
            first = first or (result, kept)
            _check_alike(first, (result, kept))
            found[-1].append(_seen(result, kept))
    every = [sums for own in found for sums, _ in own]
    shared, _ = shared_checksums(every)
    paths = [Path(r["path"]) for point in panel.points for r in point.results]
    if not len(shared):
        raise OtherPredictionsError(paths[0], paths[-1], "are of different images")
    seen = [[one.only(np.isin(sums, shared)) for sums, one in own] for own in found]
    return seen, every[0][np.isin(every[0], shared)]


def _seen(result: Result, kept: Kept) -> tuple[NDArray[np.bytes_], _Seen]:
    """The checksums, sorted, and what was said in their order."""
    answers, order = kept.answers, np.argsort(kept.checksums, kind="stable")
    seen = _Seen(
        seed=pair_of(result),
        run_seed=(result.get("source") or {}).get("run_seed"),
        right=answers.right[order],
        loss=answers.loss[order],
        margin=answers.margin[order],
    )
    return kept.checksums[order], seen


def _check_alike(first: tuple[Result, Kept], other: tuple[Result, Kept]) -> None:
    if first[1].answers.class_ids != other[1].answers.class_ids:
        paths = Path(first[0]["path"]), Path(other[0]["path"])
        raise OtherPredictionsError(*paths, "are of different classes")
