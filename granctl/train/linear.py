"""A linear head on frozen features: the images are shown to the network once, then rows suffice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.shards.order import permuted
from granctl.train.batches import Piece
from granctl.train.images import Batch
from granctl.train.recipe import Augment


class FeatureRows:
    """Features of images as training data; `training` as `Images` has it."""

    def __init__(self, matrix: NDArray[np.float32]) -> None:
        self._matrix = matrix

    def __len__(self) -> int:
        return len(self._matrix)

    def training(
        self,
        pieces: Iterable[Piece],
        augment: Augment,  # noqa: ARG002  # features cannot be augmented
        seed: int,
    ) -> Iterator[Batch]:
        """The rows of some pieces, in random order within each epoch."""
        import torch

        for piece in pieces:
            images = permuted(piece.positions, len(self), seed, piece.epoch)
            yield Batch(torch.from_numpy(self._matrix[images]), images, piece)


def zero_head(num_features: int, num_classes: int) -> Any:
    """A linear layer of zeros: logistic regression has one optimum, and starts from none."""
    from torch import nn

    head = nn.Linear(num_features, num_classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def standardised(
    train: NDArray[np.float32], others: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both matrices with each column's mean over `train` at 0 and its deviation at 1.

    So one learning rate fits the features of any network. A column that never changes becomes 0.
    """
    mean, sd = train.mean(0), train.std(0)
    scale = np.where(sd > 1e-6, 1 / np.maximum(sd, 1e-6), 0.0).astype(np.float32)
    return (train - mean) * scale, (others - mean) * scale
