"""Few-shot accuracy in closed form: ridge regression from frozen features onto the classes.

As big_vision's few-shot evaluator defines it (google-research/big_vision,
evaluators/fewshot_lsr.py, commit 1475d53): the chosen images' features are standardised, with 1e-5
added to the deviation; a constant feature of 100 is the bias, so large that it is hardly penalised;
an image's classes are 1 and all others -1; the penalty is 2 ** 10 by default, as in
configs/common_fewshot.py, and chosen on nothing.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.train.evaluate import Batches
from granctl.train.labelling import Labelling
from granctl.train.lesson import Answer, Lesson
from granctl.train.shots import few_of_each_class

_BIAS = 100.0
_ROWS = 8192


def check_shots(lesson: Lesson) -> None:
    """Checks that there are so many images of each class.

    Raises:
        TooFewImagesError: a class has fewer images than shots; says how many.
    """
    few_of_each_class(lesson.train, max(lesson.spec.shots), lesson.seed, option="--shots")


def fewshot(lesson: Lesson, _folder: Path, _identity: str) -> Answer:
    """Mean and deviation over draws, for each number of shots.

    What is scored in full is the first draw of the most shots.
    """
    spec = lesson.spec
    most = max(spec.shots)
    network = lesson.body().to(lesson.device)
    train = lesson.features(network, lesson.taught_on)
    test = lesson.features(network, lesson.asked_of)
    rows = []
    first: Ridge | None = None
    for shots in sorted(set(spec.shots)):
        draws = []
        for draw in range(spec.draws):
            chosen = few_of_each_class(lesson.train, shots, spec.seed, draw, option="--shots")
            ridge = Ridge.of(train[chosen], lesson.train.only(chosen), spec.ridge)
            if (shots, draw) == (most, 0):
                first = ridge
            draws.append(lesson.judged(ridge.says(test)).top1)
        rows.append(_row(shots, draws))
    assert first is not None  # the most shots are among the shots
    return Answer(
        batches=first.says(test),
        says=lambda images: first.says(lesson.features(network, images)),
        test=lesson.test,
        probabilities=False,
        fields={"shots": rows, "draws": spec.draws, "ridge": spec.ridge},
    )


def _row(shots: int, draws: list[float]) -> dict[str, Any]:
    deviation = statistics.stdev(draws) if len(draws) > 1 else None
    return {
        "shots": shots,
        "top1_mean": statistics.fmean(draws),
        "top1_sd": deviation,
        "draws": draws,
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class Ridge:
    """Regression of the classes on features; K classes, F features."""

    mean: NDArray[np.float64]
    """Shape (F,), of the training images."""
    sd: NDArray[np.float64]
    """Shape (F,), and 1e-5."""
    weight: NDArray[np.float64]
    """Shape (F + 1, K): w of least |X w - Y|^2 + ridge |w|^2; the last row is the bias / 100."""

    @classmethod
    def of(cls, train: NDArray[np.float32], labelling: Labelling, ridge: float) -> Ridge:
        """In closed form.

        Args:
            train: features, shape (n, F).
            labelling: classes of the n images; K of them.
            ridge: the penalty, above 0.
        """
        from scipy.linalg import solve

        mean, sd = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64) + 1e-5
        width, num_classes = train.shape[1] + 1, labelling.num_classes
        gram, moment = np.zeros((width, width)), np.zeros((width, num_classes))
        for begin in range(0, len(train), _ROWS):
            which = np.arange(begin, min(begin + _ROWS, len(train)))
            x = _with_bias(train[which], mean, sd)
            gram += x.T @ x
            moment += x.T @ (2.0 * labelling.multi_hot(which) - 1.0)
        gram[np.diag_indices(width)] += ridge
        return cls(mean=mean, sd=sd, weight=solve(gram, moment, assume_a="pos"))

    def says(self, rows: NDArray[np.float32]) -> Batches:
        """Scores of shape (b, K), about -1 to 1, of the rows of features, shape (m, F)."""
        for begin in range(0, len(rows), _ROWS):
            x = _with_bias(rows[begin : begin + _ROWS], self.mean, self.sd)
            yield (x @ self.weight).astype(np.float32), np.arange(begin, begin + len(x))


def _with_bias(
    rows: NDArray[np.float32], mean: NDArray[np.float64], sd: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.pad((rows - mean) / sd, ((0, 0), (0, 1)), constant_values=_BIAS)
