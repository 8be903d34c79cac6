"""Few-shot accuracy in closed form: ridge regression from frozen features onto the classes.

As big_vision's few-shot evaluator defines it (google-research/big_vision,
evaluators/fewshot_lsr.py, commit 1475d53): the chosen images' features are standardised, with 1e-5
added to the deviation; a constant feature of 100 is the bias, so large that it is hardly penalised;
an image's classes are 1 and all others -1; the penalty is 2 ** 10 by default, as in
configs/common_fewshot.py, and chosen on nothing.
"""

from __future__ import annotations

import statistics
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


def fewshot(lesson: Lesson, _folder: Path, _identity: str) -> Answer:
    """Mean and deviation over draws, for each number of shots.

    What is scored in full is the first draw of the most shots.

    Raises:
        TooFewImagesError: a class has fewer images than shots; says how many.
    """
    spec = lesson.spec
    most = max(spec.shots)
    few_of_each_class(lesson.train, most, spec.seed, option="--shots")  # before it takes long
    network = lesson.body().to(lesson.device)
    train = lesson.features(network, "train", lesson.train)
    test = lesson.features(network, lesson.held_out, lesson.test)
    rows = []
    kept: list[tuple[NDArray[np.float32], NDArray[np.int64]]] = []
    for shots in sorted(spec.shots):
        draws = []
        for draw in range(spec.draws):
            chosen = few_of_each_class(lesson.train, shots, spec.seed, draw, option="--shots")
            said = regressed(train[chosen], lesson.train.only(chosen), test, spec.ridge)
            if (shots, draw) == (most, 0):
                kept = list(said)
                said = kept
            draws.append(lesson.judged(said).top1)
        rows.append(_row(shots, draws))
    return Answer(
        batches=kept,
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


def regressed(
    train: NDArray[np.float32], labelling: Labelling, test: NDArray[np.float32], ridge: float
) -> Batches:
    """Scores of the classes for other images: w of least |X w - Y|^2 + ridge |w|^2, applied.

    Args:
        train: features, shape (n, F).
        labelling: classes of the n images; K of them.
        test: features, shape (m, F).
        ridge: the penalty, above 0.

    Yields:
        scores of shape (b, K), about -1 to 1, and which of the m images they belong to.
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
    weight = solve(gram, moment, assume_a="pos")
    for begin in range(0, len(test), _ROWS):
        x = _with_bias(test[begin : begin + _ROWS], mean, sd)
        yield (x @ weight).astype(np.float32), np.arange(begin, begin + len(x))


def _with_bias(
    rows: NDArray[np.float32], mean: NDArray[np.float64], sd: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.pad((rows - mean) / sd, ((0, 0), (0, 1)), constant_values=_BIAS)
