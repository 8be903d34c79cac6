"""What `granctl pretrain` is asked, looked up: inputs opened, identity, place; loads no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from granctl.errors import TooFewImagesError
from granctl.provenance import digest, plain
from granctl.shards.index import ShardSet
from granctl.shards.order import permuted
from granctl.train.batches import num_batches
from granctl.train.heads import Head
from granctl.train.images import resolved
from granctl.train.labelling import Labelling
from granctl.train.maps import Maps
from granctl.train.recipe import Recipe
from granctl.workspace import FolderState, Workspace, begin_folder, folder_state

SCHEMA = 1
TRAIN = "train"


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainSpec:
    """What `granctl pretrain` is asked."""

    shards: Path
    labels: Path
    recipe: Recipe
    seed: int = 0
    """Weights, order and augmentation follow from it."""
    images: int | None = None
    """Train on this many of the images that have a class, chosen by the seed; None: all."""
    also: tuple[Path, ...] = ()
    """Label maps of further levels, which teach at once (loss levels)."""
    fine: Path | None = None
    """The label map of the head's classes, sums of which are `labels`' (loss marginal)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A pretraining that is asked for: what it is, and where it belongs."""

    shards: ShardSet
    maps: Maps
    recipe: Recipe
    """With its channels resolved."""
    seed: int
    images: int | None
    inputs: Mapping[str, str]
    """Role -> digest."""
    folder: Path
    digest: str
    """Identity of the run."""

    @property
    def record(self) -> dict[str, Any]:
        """As spec.json has it."""
        return {"recipe": plain(self.recipe), "seed": self.seed, "images": self.images}

    @cached_property
    def labelled(self) -> tuple[Labelling, Head | None]:
        """The images that are trained on and their classes; how several maps' head is read.

        Raises:
            LabelsNotInMapError, OtherImagesError, NothingToLearnError: they do not fit the map.
            SeveralClassesError, NotNestedError: several maps do not fit each other.
            TooFewImagesError: there are fewer than were asked for.
        """
        found, head = self.maps.labelled(self.shards, TRAIN)
        return _chosen(found, self.images, self.seed), head

    @property
    def num_images(self) -> int:
        """That are trained on."""
        return len(self.labelled[0])

    @property
    def num_outputs(self) -> int:
        """Of the network's head."""
        labelling, head = self.labelled
        return head.num_outputs if head else labelling.num_classes

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self.recipe.epochs * num_batches(self.num_images, self.recipe.batch_size)

    def state(self) -> FolderState:
        """Whether the run's folder is there, and whole.

        Raises:
            OutputExistsError: it holds something else.
        """
        return folder_state(self.folder, self.digest)

    def begin(self) -> None:
        """Makes the run's folder with its spec.json."""
        begin_folder(self.folder, self.digest, self.record, self.inputs)


def ask(workspace: Workspace, spec: PretrainSpec, out: Path | None) -> Asked:
    """Opens the inputs, and says which run it is and where it belongs.

    Raises:
        GranctlError: an input is missing or damaged.
    """
    shards, maps = ShardSet.open(spec.shards), Maps.read(spec.labels, spec.also, spec.fine)
    look = resolved(spec.recipe.input, shards, TRAIN)
    recipe = dataclasses.replace(spec.recipe, input=look)
    inputs = {"shards": shards.digest, **maps.digests}
    run_digest = _identity(recipe, spec, inputs)
    place = out.absolute() if out else workspace.place("run", recipe.name, run_digest)
    return Asked(
        shards=shards,
        maps=maps,
        recipe=recipe,
        seed=spec.seed,
        images=spec.images,
        inputs=inputs,
        folder=place,
        digest=run_digest,
    )


def _identity(recipe: Recipe, spec: PretrainSpec, inputs: Mapping[str, str]) -> str:
    """What the numbers of a run depend on; a recipe's name and sentence are no part of it."""
    table = {k: v for k, v in plain(recipe).items() if k not in ("name", "about")}
    asked = {"recipe": table, "seed": spec.seed, "images": spec.images}
    return digest({"kind": "run", "schema": SCHEMA, **asked, "inputs": inputs})


def _chosen(labelling: Labelling, images: int | None, seed: int) -> Labelling:
    """A random part of the images, or all; the classes stay numbered as those of all."""
    if images is None:
        return labelling
    num = len(labelling)
    if not 1 <= images <= num:
        problem = f"{num} images have a class"
        raise TooFewImagesError("--images", images, problem, num)
    chosen = permuted(np.arange(images, dtype=np.int64), num, seed, 0)
    return labelling.only(np.sort(chosen))
