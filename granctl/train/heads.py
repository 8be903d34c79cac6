"""What the outputs of a head stand for where several label maps teach it together.

`Levels`: the classes of every map, block after block, each block with a softmax of its own.
`Fine`: the classes of a finer map under one softmax; a class of the map is the sum of its fine
ones. Shapes: b images of a batch, L levels, K outputs, C classes of the map that is scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from granctl.train import losses
from granctl.train.labelling import Labelling

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One label map of several, and which of its classes have images."""

    role: Literal["labels", "also", "fine"]
    """The option that named it."""
    name: str
    """Of the cut, as `depth-5`."""
    digest: str
    class_ids: tuple[str, ...]
    """The map's id of each class that is present: a number of it is a place in here."""
    class_names: tuple[str, ...]
    classes_total: int
    """Classes that the map knows."""
    images: int
    """Of the split, that have a class in it."""

    def record(self) -> dict[str, Any]:
        """As it stands in the run's details."""
        return {
            "role": self.role,
            "name": self.name,
            "labels_digest": self.digest,
            "classes_present": len(self.class_ids),
            "classes_total": self.classes_total,
            "images": self.images,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Levels:
    """A head of several levels: the classes of each map in a block, the scored map's first."""

    parts: tuple[Part, ...]
    """One a level."""
    table: NDArray[np.int64]
    """Shape (entries of the first map, L): the class of an entry within each block; -1: none."""
    weights: tuple[float, ...]
    """Of each level, by `losses.level_weights`."""

    loss_kind: Literal["levels"] = "levels"

    @property
    def sizes(self) -> list[int]:
        """Outputs of each block."""
        return [len(part.class_ids) for part in self.parts]

    @property
    def num_outputs(self) -> int:
        """K."""
        return sum(self.sizes)

    @property
    def name(self) -> str:
        """All cuts in a word, as `leaf+depth-5`."""
        return "+".join(part.name for part in self.parts)

    @property
    def class_ids(self) -> tuple[str, ...]:
        """Shape (K,): the id in its own map of what each output stands for."""
        return tuple(name for part in self.parts for name in part.class_ids)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Shape (K,)."""
        return tuple(name for part in self.parts for name in part.class_names)

    def target(self, labelling: Labelling, images: NDArray[np.int64]) -> NDArray[np.int64]:
        """Shape (b, L): the class of each of these images at each level; -1: none there."""
        return self.table[labelling.key[images]]

    def loss(self, logits_BK: Tensor, target_BL: Tensor, smoothing: float, *, each: bool) -> Tensor:
        """The semantic softmax, a scalar, or with `each` of shape (b,)."""
        return losses.levels(logits_BK, target_BL, self.sizes, self.weights, smoothing, each=each)

    def scores(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Shape (b, C): of the first map's classes, from shape (b, K)."""
        return logits[:, : self.sizes[0]]

    def record(self) -> dict[str, Any]:
        """As it stands in the run's details."""
        maps = [
            {**part.record(), "weight": weight}
            for part, weight in zip(self.parts, self.weights, strict=True)
        ]
        return {"name": self.name, "outputs": self.num_outputs, "maps": maps}


@dataclass(frozen=True, kw_only=True, eq=False)
class Fine:
    """A head of fine classes; of an image only the coarse class around its own is told."""

    coarse: Part
    fine: Part
    coarse_of_fine: NDArray[np.int64]
    """Shape (K,): the coarse class of each fine one; each of the C occurs."""

    loss_kind: Literal["marginal"] = "marginal"

    @property
    def num_outputs(self) -> int:
        """K."""
        return len(self.fine.class_ids)

    @property
    def name(self) -> str:
        """Both cuts in a word, as `depth-5/leaf`."""
        return f"{self.coarse.name}/{self.fine.name}"

    @property
    def class_ids(self) -> tuple[str, ...]:
        """Shape (K,): the fine map's id of what each output stands for."""
        return self.fine.class_ids

    @property
    def class_names(self) -> tuple[str, ...]:
        """Shape (K,)."""
        return self.fine.class_names

    def target(self, labelling: Labelling, images: NDArray[np.int64]) -> NDArray[np.int64]:
        """Shape (b,): the coarse class of each of these images."""
        return labelling.main_class_of(images)

    def loss(self, logits_BK: Tensor, target_B: Tensor, smoothing: float, *, each: bool) -> Tensor:
        """The marginal likelihood, a scalar, or with `each` of shape (b,)."""
        import torch

        coarse_of_fine = torch.from_numpy(self.coarse_of_fine).to(logits_BK.device)
        return losses.marginal(logits_BK, target_B, coarse_of_fine, smoothing, each=each)

    def scores(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Shape (b, C): of the coarse classes, by their summed probabilities, from shape (b, K)."""
        return losses.coarse_scores(logits, self.coarse_of_fine)

    def record(self) -> dict[str, Any]:
        """As it stands in the run's details."""
        maps = [self.coarse.record(), self.fine.record()]
        return {"name": self.name, "outputs": self.num_outputs, "maps": maps}


Head = Levels | Fine


def own_scores(
    head: Head | None, batches: Iterable[tuple[NDArray[np.float32], NDArray[np.int64]]]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Scores of the scored map's classes from batches of (outputs, images), as `score` takes them.

    Args:
        head: None: the outputs are the map's classes.
        batches: outputs of shape (b, K), and the images that they belong to.
    """
    for logits, which in batches:
        yield (logits if head is None else head.scores(logits)), which
