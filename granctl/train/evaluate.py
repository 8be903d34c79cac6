"""Scores of a network on a split: every image exactly once, in order, without augmentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from granctl.train.device import autocast
from granctl.train.images import Images, normalised
from granctl.train.labelling import Labelling
from granctl.train.levels import Ladder
from granctl.train.predictions import Predictions, Taken
from granctl.train.tally import Hierarchy, Scores, Tally
from granctl.train.world import ALONE, World

if TYPE_CHECKING:
    import torch

__all__ = ["Evaluation", "Scores", "evaluated", "outputs", "score"]

_BATCH = 500

Batches = Iterable[tuple[NDArray[np.float32], NDArray[np.int64]]]
"""Logits of shape (b, K), of which a softmax (a sigmoid where an image has several classes) gives
the probabilities; and the images of a labelling that they belong to, shape (b,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What a network says of held-out images, counted and kept."""

    scores: Scores
    hierarchy: Hierarchy
    """Scores at every coarser level, and how far off the mistakes are."""
    predictions: Predictions
    """Of this process's images."""

    def record(self, *, probabilities: bool = True) -> dict[str, Any]:
        """The fields of a result: JSON types.

        Args:
            probabilities: whether the answers are some; if not, what is defined of these alone is
                null.
        """
        found = {**self.scores.record(), **self.hierarchy.record()}
        if not probabilities:
            found |= {"nll": None, "calibration_error": None}
            found["levels"] = [{**level, "nll": None} for level in found["levels"]]
        return found


def outputs(
    network: Any,
    images: Images,
    device: torch.device,
    *,
    features: bool = False,
    precision: str = "auto",
    batch_size: int = _BATCH,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Logits, or features, of every image once, and which images they are.

    Args:
        network: as `models.build` makes it, on the device; set to evaluation.
        images: what is shown.
        device: where the network is.
        features: the body's output instead of the head's.
        precision: the recipe's.
        batch_size: images that are shown at once.
    """
    import torch

    network.eval()
    images.load()
    images.progress.start("embed" if features else "evaluate", len(images), "images")
    for pixels, which in images.in_order(batch_size):
        with torch.inference_mode(), autocast(device, precision):
            shown = normalised(pixels, images.look, device)
            result = network.features(shown) if features else network(shown)
        yield result.float().cpu().numpy(), which
        images.progress.advance(len(which))
    images.progress.finish()


def evaluated(
    batches: Batches,
    labelling: Labelling,
    *,
    sigmoid: bool | None = None,
    ladder: Ladder | None = None,
    world: World = ALONE,
    probabilities: bool = True,
) -> Evaluation:
    """Scores and predictions; where several processes have a part of the images each, of all parts.

    Args:
        batches: each image of the labelling once, in any order.
        labelling: the truth; N images.
        sigmoid: whether each class has a probability of its own. None: where an image of the
            labelling has several classes.
        ladder: the coarser levels to score at, as `ladder_of` gives them.
        world: the processes.
        probabilities: whether the answers are some; else a level's answer is the class of the
            level in which the highest class lies.
    """
    own = labelling.multi_label if sigmoid is None else sigmoid
    taken = Taken(labelling, sigmoid=own)
    tally = Tally(
        labelling, ladder or Ladder(), sigmoid=own, ranks=taken.ranks, probabilities=probabilities
    )
    for logits, which in batches:
        taken.add(tally.add(logits, which))
    scores, hierarchy = tally.summed(world)
    predictions = replace(taken.all(), probabilities=probabilities)
    return Evaluation(scores=scores, hierarchy=hierarchy, predictions=predictions)


def score(
    batches: Batches, labelling: Labelling, world: World = ALONE, *, sigmoid: bool | None = None
) -> Scores:
    """The scores alone, and nothing is kept; arguments as `evaluated` has them."""
    own = labelling.multi_label if sigmoid is None else sigmoid
    tally = Tally(labelling, Ladder(), sigmoid=own)
    for logits, which in batches:
        tally.add(logits, which)
    return tally.summed(world)[0]
