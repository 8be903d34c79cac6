"""What every method of a transfer is given, and what it gives back to be scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from granctl.progress import Progress
from granctl.shards.index import ShardSet
from granctl.train.device import Machine, open_device
from granctl.train.evaluate import Batches, Scores, outputs, score
from granctl.train.images import Images
from granctl.train.labelling import Labelling
from granctl.train.objective import LossKind
from granctl.train.recipe import Recipe, Transfer
from granctl.train.transferspec import TransferSpec

if TYPE_CHECKING:
    import torch

    from granctl.train.further import Further
    from granctl.train.ownhead import OwnHead


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """A target's labelled images, its held-out images, and how to train or to measure."""

    spec: TransferSpec
    """What was asked."""
    shards: ShardSet
    held_out: str
    """The split of `test`."""
    train: Labelling
    several: bool
    """Whether any of the target's training images has several classes, among those that are
    taught or not: then each class has a probability of its own, whichever images a seed draws."""
    test: Labelling
    """Classes numbered as those of `train`."""
    recipe: Recipe
    """Model and input; the number of channels is resolved."""
    training: Transfer
    """With its augmentation and steps filled in; of a method that does not train, unused."""
    head: OwnHead | None
    """How the run's own head is read, where the method reads it."""
    body: Callable[[], Any]
    """A network to start from, new at each call, on the CPU, before it gets a new head."""
    seen: NDArray[np.bool_] | None
    """Of the training images: which the run was pretrained on; None where nobody knows, or where
    nothing is chosen on them."""
    further: tuple[Further, ...]
    """Held-out sets that the same classifier is scored on."""
    machine: Machine
    progress: Progress
    label: str

    @property
    def seed(self) -> int:
        """Every random choice follows from it."""
        return self.spec.seed

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return open_device(self.machine)

    def images(self, split: str, labelling: Labelling) -> Images:
        """The images of a labelling, ready to be asked for."""
        return Images(
            shards=self.shards,
            split=split,
            row=labelling.row,
            look=self.recipe.input,
            machine=self.machine,
            progress=self.progress,
        )

    @property
    def loss(self) -> LossKind:
        """What a training on the target minimises."""
        return "sigmoid" if self.several else "cross-entropy"

    @property
    def taught_on(self) -> Images:
        """The training images."""
        return self.images("train", self.train)

    @property
    def asked_of(self) -> Images:
        """The held-out images."""
        return self.images(self.held_out, self.test)

    def shown(self, network: Any, images: Images) -> Batches:
        """What the head of a network says of every image, each shown once, in order."""
        return outputs(network, images, self.device, precision=self.recipe.precision)

    def features(
        self, network: Any, images: Images, *, unit_rows_in_bytes: int = 0
    ) -> NDArray[Any]:
        """What the body of a network says of every image, each shown once: shape (n, F), float32.

        Args:
            network: on the device.
            images: which.
            unit_rows_in_bytes: above 0 each row has length 1, and the matrix is float16 where it
                would take more bytes than this as float32.
        """
        precision = self.recipe.precision
        matrix: NDArray[Any] = np.empty((0, 0), dtype=np.float32)
        for part, which in outputs(
            network, images, self.device, features=True, precision=precision
        ):
            if not matrix.size:
                size = len(images), part.shape[1]
                large = 0 < unit_rows_in_bytes < 4 * size[0] * size[1]
                matrix = np.empty(size, dtype=np.float16 if large else np.float32)
            length = np.linalg.norm(part, axis=1, keepdims=True) if unit_rows_in_bytes else 1.0
            matrix[which] = part / np.maximum(length, 1e-12)
        return matrix

    def judged(self, batches: Batches, labelling: Labelling | None = None) -> Scores:
        """The scores of some logits, and nothing kept: to choose by, and for curves.

        Args:
            batches: logits and the images that they belong to, each image once.
            labelling: the truth; None: the held-out images.
        """
        truth = self.test if labelling is None else labelling
        return score(batches, truth, sigmoid=self.several)

    def with_training(self, **changes: Any) -> Lesson:
        """The same lesson with values of its training changed."""
        return replace(self, training=replace(self.training, **changes))


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What a method says of the held-out images, and how it came to say it."""

    batches: Batches
    """Of every image of `test` once."""
    says: Callable[[Images], Batches]
    """What the same classifier says of any other images, in the same classes."""
    test: Labelling
    """The images that can be scored: the lesson's, or some of them."""
    scorable: Callable[[Labelling], Labelling] = lambda labelling: labelling
    """Those of other images that can be scored."""
    steps: int = 0
    """0: nothing was trained."""
    images_seen: int = 0
    """By all steps of the training that is scored."""
    train_loss: float | None = None
    probabilities: bool = True
    """Whether the softmax of the logits is one; else they are scores alone."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Further ones of the result: what was chosen, from what; a curve; what was left out."""
