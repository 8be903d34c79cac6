"""Scores of a network on a split: every image exactly once, in order, without augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from granctl.train.device import autocast
from granctl.train.images import Images, normalised
from granctl.train.labelling import Labelling
from granctl.train.world import ALONE, World

if TYPE_CHECKING:
    import torch

_BATCH = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """How many images came out right."""

    top1: float
    """Share of the images whose highest-scored class is one of theirs."""
    mean_per_class: float
    """Mean over classes of the share of a class's images for which it is among the m
    highest-scored classes, m being the number of the image's classes (1 with one class each)."""
    n: int
    """Images that were scored."""
    correct: int
    """Images behind `top1`."""
    classes: int
    """Classes that occur among them."""


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


def score(
    batches: Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]],
    labelling: Labelling,
    world: World = ALONE,
) -> Scores:
    """Counts right answers; where several processes have a part of the images each, of all parts.

    Args:
        batches: logits of shape (b, K), and the images of the labelling that they belong to.
        labelling: the truth; N images.
        world: the processes.
    """
    import torch

    hits = np.zeros(labelling.num_classes, dtype=np.int64)
    correct = n = 0
    for logits, which in batches:
        hot = labelling.multi_hot(which) > 0
        num = hot.sum(1)
        ranked = np.argsort(-logits, axis=1, kind="stable")[:, : num.max()]
        correct += int(hot[np.arange(len(which)), ranked[:, 0]].sum())
        n += len(which)
        among = np.arange(ranked.shape[1])[None, :] < num[:, None]
        right = among & np.take_along_axis(hot, ranked, axis=1)
        hits += np.bincount(ranked[right], minlength=labelling.num_classes)
    parts = np.concatenate([hits, labelling.images_of_class(), [correct, n]])
    sums = world.total(torch.from_numpy(parts)).numpy()
    hits, counts = sums[: len(hits)], sums[len(hits) : -2]
    correct, n = (int(num) for num in sums[-2:])
    occurs = counts > 0
    return Scores(
        top1=correct / n,
        mean_per_class=float((hits[occurs] / counts[occurs]).mean()),
        n=n,
        correct=correct,
        classes=int(occurs.sum()),
    )
