"""A target's held-out images judged: scores, coarser levels, and the predictions kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from granctl.progress import Progress
from granctl.train.evaluate import Batches, Evaluation, evaluated
from granctl.train.labelling import Labelling
from granctl.train.levels import ladder_of
from granctl.train.predictions import PREDICTIONS_NAME, Kept
from granctl.train.targets import Target
from granctl.workspace import Workspace


def judged(
    workspace: Workspace,
    target: Target,
    labelling: Labelling,
    batches: Batches,
    *,
    sigmoid: bool,
    progress: Progress,
    probabilities: bool = True,
) -> Evaluation:
    """Scores and predictions of held-out images; says why no levels are scored, where none are.

    Args:
        workspace: where the taxonomy of the target is looked for.
        target: whose label map the classes are of.
        labelling: the images that are scored, each once.
        batches: what was said of them, in any order.
        sigmoid: whether each class has a probability of its own.
        progress: is told how far it is.
        probabilities: whether what was said are some.
    """
    ladder = ladder_of(workspace, target.labels, labelling.class_ids, sigmoid=sigmoid)
    if ladder.note:
        progress.note(f"no coarser levels are scored: {ladder.note}")
    return evaluated(
        batches, labelling, sigmoid=sigmoid, ladder=ladder, probabilities=probabilities
    )


def keep(
    folder: Path,
    identity: str,
    evaluation: Evaluation,
    target: Target,
    split: str,
    labelling: Labelling,
) -> dict[str, Any]:
    """Writes the predictions into a result's folder; what the result says of them.

    Args:
        folder: the result's.
        identity: its digest.
        evaluation: as `judged` gives it.
        target: whose images they are.
        split: which of them.
        labelling: the images of the split that were judged.

    Raises:
        OutputNotWritableError: no space, read-only, no permission.
    """
    kept = Kept(
        answers=evaluation.predictions,
        checksums=target.shards.checksums(split)[labelling.row],
        split=split,
        shards_digest=target.shards.digest,
        labels_digest=target.labels.digest,
        result_digest=identity,
    )
    kept.write(folder / PREDICTIONS_NAME)
    return kept.record()
