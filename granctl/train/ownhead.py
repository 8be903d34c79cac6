"""How the head of a run is read: which outputs, what they stand for, and their probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import RunLabelsGoneError
from granctl.train.lookup import find_map, map_of_run
from granctl.train.measures import log_probabilities
from granctl.train.runs import Run
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnHead:
    """The part of a run's head that is read, and what its outputs mean."""

    labels: LabelMap
    """The map of its classes."""
    class_ids: tuple[str, ...]
    """Of each of the S outputs that are read; they are the head's first."""
    sigmoid: bool
    """Whether each output is a probability of its own."""

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Shape (b, S), from all outputs of the head."""
        own = logits[:, : len(self.class_ids)].astype(np.float64)
        return np.exp(log_probabilities(own, sigmoid=self.sigmoid))


def own_labels_digest(run: Run) -> str:
    """The digest of the label map whose classes the head's outputs are; of levels the first."""
    record: Mapping[str, Any] = run.record
    if record["loss"] == "marginal":
        return str(record["head"]["maps"][1]["labels_digest"])
    return str(record["labels_digest"])


def own_head(run: Run, workspace: Workspace, given: Path | None) -> OwnHead:
    """How a run's head is read: of several levels the first, of a fine map its classes.

    Args:
        run: a whole run.
        workspace: where its label map is looked for.
        given: the label map's file, where it is not in the workspace.

    Raises:
        RunLabelsGoneError: it is not there, or another one was given.
    """
    record, ids = run.record, tuple(run.manifest["class_ids"])
    digest = own_labels_digest(run)
    if record["loss"] == "levels":
        ids = ids[: record["head"]["maps"][0]["classes_present"]]
    if given is not None:
        labels = LabelMap.read(given)
        if labels.digest != digest:
            raise RunLabelsGoneError(run.root, digest, given)
    else:
        found = find_map(workspace, digest)
        labels_found = found[1] if found else map_of_run(run, workspace)
        if labels_found is None or labels_found.digest != digest:
            raise RunLabelsGoneError(run.root, digest, None)
        labels = labels_found
    return OwnHead(labels=labels, class_ids=ids, sigmoid=record["loss"] == "sigmoid")
