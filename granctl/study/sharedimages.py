"""Results scored anew on the images that all of them share, by the predictions that they kept.

A leak guard leaves other images out for one run than for another, and a run's own head answers for
some classes alone. Means and paired differences are of the same images, or of nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadPredictionsError, MixedResultsError, NoPredictionsError
from granctl.study.results import Result
from granctl.train.predictions import Kept, read_predictions

Checksums = NDArray[np.bytes_]

_OF_ITS_OWN_IMAGES = (
    "mean_per_class",
    "top5",
    "nll",
    "calibration_error",
    "classes",
    "levels",
    "mistakes",
)
"""Scores that are not counted anew, and could be read beside those of other images."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """Results of the same images."""

    results: tuple[Result, ...]
    """In the order in which they were given; where their images differed `top1`, `correct` and `n`
    are of those that all have, and the other scores, those of a result's own images, are gone."""
    left_out: int
    """Images that some of the results were scored on and others were not."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Said:
    """Which images a result was scored on, and whether it was right."""

    checksums: Checksums
    right: NDArray[np.bool_]
    class_ids: tuple[str, ...]


def on_shared_images(results: Sequence[Result]) -> Shared:
    """Scores results anew on the images that all have; predictions are read only where they differ.

    Args:
        results: of one target, at least one.

    Raises:
        MixedResultsError: they are of different images or classes, and a result keeps no
            predictions, or none of the images is in all of them.
        BadPredictionsError: predictions were damaged, or are another result's.
    """
    if not _may_differ(results):
        return Shared(results=tuple(results), left_out=0)
    said = [_said(result, results) for result in results]
    for result, own in zip(results, said, strict=True):
        if own.class_ids != said[0].class_ids:
            problem = f"{results[0]['path']} and {result['path']} are of different classes"
            raise MixedResultsError(f"target {result['target']}: {problem}")
    shared, left_out = shared_checksums([own.checksums for own in said])
    if not len(shared):
        raise MixedResultsError(f"{_numbers(results)}: no image is in all of the results")
    if not left_out:
        return Shared(results=tuple(results), left_out=0)
    again = (_rescored(r, own, shared) for r, own in zip(results, said, strict=True))
    return Shared(results=tuple(again), left_out=left_out)


def shared_checksums(several: Sequence[Checksums]) -> tuple[Checksums, int]:
    """The checksums that all have, sorted, each once; and how many images are not of these.

    An image that one of them has more often than another counts as not shared.

    Args:
        several: dtype S32; each of any length.
    """
    counted = [np.unique(sums, return_counts=True) for sums in several]
    every, place = np.unique(np.concatenate([sums for sums, _ in counted]), return_inverse=True)
    counts = np.concatenate([num for _, num in counted])
    most, least = np.zeros(len(every), np.int64), np.full(len(every), np.iinfo(np.int64).max)
    np.maximum.at(most, place, counts)
    np.minimum.at(least, place, counts)
    in_all = (np.bincount(place, minlength=len(every)) == len(several)) & (most == least)
    return every[in_all], int(most[~in_all].sum())


def kept_of(result: Result) -> Kept:
    """The predictions of a result.

    Raises:
        NoPredictionsError: it has none.
        BadPredictionsError: they were damaged, or are another result's.
    """
    named: Mapping[str, Any] = result.get("predictions") or {}
    command = str((result.get("provenance") or {}).get("command", "granctl transfer"))
    path = Path(result["path"]).parent / str(named.get("file", "predictions.parquet"))
    if not named:
        raise NoPredictionsError(path, command)
    kept = read_predictions(path, command)
    if kept.content_digest != named["digest"] or kept.result_digest != result["digest"]:
        raise BadPredictionsError(path, "it is not the file that result.json names", command)
    return kept


def _may_differ(results: Sequence[Result]) -> bool:
    """Whether the results can be of different images."""
    alike = {(r["n"], (r.get("inputs") or {}).get("target_shards")) for r in results}
    return len(results) > 1 and (len(alike) > 1 or any(map(_left_out, results)))


def _left_out(result: Result) -> bool:
    """Whether images of the split were not scored for a reason that other results may not have."""
    leaked, grouping = result.get("leaked") or {}, result.get("grouping") or {}
    guarded = bool(leaked.get("images")) and not leaked.get("kept")
    return guarded or bool(grouping.get("images_not_scored"))


def _said(result: Result, results: Sequence[Result]) -> _Said:
    try:
        kept = kept_of(result)
    except NoPredictionsError as error:
        problem = f"{result['path']} keeps no predictions to score those anew that all results have"
        raise MixedResultsError(f"{_numbers(results)}; {problem}", error.hint) from error
    answers = kept.answers
    return _Said(checksums=kept.checksums, right=answers.right, class_ids=answers.class_ids)


def _numbers(results: Sequence[Result]) -> str:
    first = results[0]
    other = next((r for r in results if r["n"] != first["n"]), results[-1])
    return (
        f"target {first['target']} was measured on different images: n is {first['n']} in"
        f" {first['path']} and {other['n']} in {other['path']}"
    )


def _rescored(result: Result, said: _Said, shared: Checksums) -> Result:
    right = said.right[np.isin(said.checksums, shared)]
    correct, num = int(right.sum()), len(right)
    kept = {name: value for name, value in result.items() if name not in _OF_ITS_OWN_IMAGES}
    return {**kept, "top1": correct / num, "correct": correct, "n": num}
