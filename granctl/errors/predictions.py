"""Faults of predictions that were kept, and of what is asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from granctl.errors.root import DataError, UserError, did_you_mean, near

_AGAIN = "remove the folder of that result and transfer again"


class NoPredictionsError(UserError):
    """A result whose predictions were not kept, or are gone."""

    def __init__(self, path: Path, command: str = "granctl transfer") -> None:
        super().__init__(f"predictions not found: {path}", f"{_AGAIN}: `{command}`")


class BadPredictionsError(DataError):
    """A file of predictions that was damaged, or belongs to another result."""

    def __init__(self, path: Path, problem: str, command: str = "granctl transfer") -> None:
        super().__init__(f"{path}: {problem}", f"{_AGAIN}: `{command}`")


class NotKeptError(UserError):
    """A question about all classes, to a file that keeps the highest ones only."""

    def __init__(self, images: int, classes: int, kept: int) -> None:
        super().__init__(
            f"of {images} images under {classes} classes only the {kept} highest"
            " log-probabilities of each were kept",
            "the scores over all classes stand in result.json",
        )


class NoSuchSourceError(UserError):
    """A cut that is to judge how hard images are, and no result was pretrained on it."""

    def __init__(self, cut: str, known: Sequence[str]) -> None:
        super().__init__(
            f"--difficulty {cut}: none of the results was pretrained on it",
            did_you_mean(near(cut, known), f"cuts among the results: {', '.join(known)}"),
        )


class TooFewSeedsError(UserError):
    """Images that are to be judged by other seeds than the one they are scored under."""

    def __init__(self, cut: str, panel: str, seeds: Sequence[int]) -> None:
        has = f"seed {seeds[0]} alone" if len(seeds) == 1 else f"{len(seeds)} seeds"
        super().__init__(
            f"--difficulty {cut}: on {panel} it has {has}; images are judged by pretrainings of"
            " other seeds than the one scored, so it takes two",
            f"pretrain and transfer {cut} under one more --seed",
        )


class OtherPredictionsError(UserError):
    """Results of one target whose predictions are of different images or classes."""

    def __init__(self, first: Path, second: Path, problem: str) -> None:
        super().__init__(
            f"{first} and {second} {problem}",
            "name the results that belong together: `granctl report RESULT ...`",
        )
