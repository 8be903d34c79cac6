"""Nearest neighbours: the classes of the most similar training images vote; nothing is trained.

As DINO weighs them (Caron et al., arXiv 2104.14294, appendix F.1; facebookresearch/dino,
eval_knn.py; Wu et al., arXiv 1805.01978): each of the k neighbours votes with exp(s / T), s being
the cosine of the angle between the features. Shapes: N training images, Q others, F features.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from granctl.errors import TooFewImagesError
from granctl.train.evaluate import Batches
from granctl.train.images import Images
from granctl.train.labelling import Labelling
from granctl.train.lesson import Answer, Lesson
from granctl.train.measures import logits_of_shares

if TYPE_CHECKING:
    import torch

HALVED_ABOVE = 1 << 30
"""Bytes of float32 above which the training images' features are kept as float16."""
_QUERIES, _ROWS = 1024, 32_768
"""Compared at once: 128 MiB of similarities, beside as many rows as float32."""


def check_neighbours(lesson: Lesson) -> None:
    """Checks that there are so many training images.

    Raises:
        TooFewImagesError: there are fewer than neighbours.
    """
    k, num = lesson.spec.k, len(lesson.train)
    if num < k:
        raise TooFewImagesError("--k", k, f"the target has {num} training images", num)


def knn(lesson: Lesson, _folder: Path, _identity: str) -> Answer:
    """Votes of the nearest training images."""
    spec = lesson.spec
    network = lesson.body().to(lesson.device)
    train = lesson.features(network, lesson.taught_on, unit_rows_in_bytes=HALVED_ABOVE)

    def says(images: Images) -> Batches:
        rows = lesson.features(network, images, unit_rows_in_bytes=HALVED_ABOVE)
        how = spec.k, spec.temperature, lesson.device
        return voted(train, lesson.train, rows, *how, sigmoid=lesson.several)

    return Answer(
        batches=says(lesson.asked_of),
        says=says,
        test=lesson.test,
        fields={"k": spec.k, "temperature": spec.temperature, "features": str(train.dtype)},
    )


def voted(
    train: NDArray[np.float32] | NDArray[np.float16],
    labelling: Labelling,
    queries: NDArray[np.float32] | NDArray[np.float16],
    k: int,
    temperature: float,
    device: torch.device,
    *,
    sigmoid: bool,
) -> Batches:
    """Logits of each class's share of the votes, for other images.

    An image of several classes votes for each of them.

    Args:
        train: features of the labelled images, shape (N, F), rows of length 1.
        labelling: their classes; K of them.
        queries: shape (Q, F), rows of length 1.
        k: neighbours that vote, at most N.
        temperature: T, above 0; the smaller, the more the nearest count.
        device: where it is computed; `train` stays where it is.
        sigmoid: whether each class has a probability of its own.

    Yields:
        shape (b, K), and which of the Q they belong to.
    """
    for begin in range(0, len(queries), _QUERIES):
        which = np.arange(begin, min(begin + _QUERIES, len(queries)))
        similarity, nearest = neighbours(train, queries[which], k, device)
        vote = np.exp((similarity - similarity[:, :1]) / temperature)
        place, classes = labelling.pairs(nearest.ravel())
        votes = np.zeros((len(which), labelling.num_classes))
        np.add.at(votes, (place // k, classes), vote.ravel()[place])
        yield logits_of_shares(votes / vote.sum(1, keepdims=True), sigmoid=sigmoid), which


def neighbours(
    train: NDArray[np.float32] | NDArray[np.float16],
    queries: NDArray[np.float32] | NDArray[np.float16],
    k: int,
    device: torch.device,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The k most similar rows of each query, most similar first; rows are taken in chunks.

    Args:
        train: shape (N, F), rows of length 1; float16 is computed with as float32.
        queries: shape (b, F), rows of length 1.
        k: at most N.
        device: where it is computed.

    Returns:
        similarity and index, shape (b, k) both.
    """
    import torch

    asked = torch.from_numpy(queries).to(device).float()
    best = torch.empty(len(asked), 0, device=device)
    index = torch.empty(len(asked), 0, dtype=torch.int64, device=device)
    with torch.inference_mode():
        for begin in range(0, len(train), _ROWS):
            rows = torch.from_numpy(train[begin : begin + _ROWS]).to(device).float()
            similarity = asked @ rows.T
            some, place = similarity.topk(min(k, len(rows)), dim=1)
            both = torch.cat([best, some], 1), torch.cat([index, place + begin], 1)
            best, order = both[0].topk(min(k, both[0].shape[1]), dim=1)
            index = both[1].gather(1, order)
    return best.double().cpu().numpy(), index.cpu().numpy()
