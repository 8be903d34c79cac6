"""Budgets that make sources comparable: epochs of equal compute, and training alone for as much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from granctl.shards.index import ShardSet
from granctl.study.studyfile import Study
from granctl.train.asked import TRAIN, PretrainSpec, ask
from granctl.train.recipe import Recipe, Transfer
from granctl.train.sizes import FORWARD_AND_BACKWARD, Size, recipe_size
from granctl.workspace import Workspace


def fair_epochs(epochs: int, reference: int, images: int, size: Size) -> int:
    """Epochs that cost as many operations as `epochs` of `reference` images without a head.

    A head of many classes costs what a body costs in small networks; epochs are whole, so what is
    equal is so to half an epoch.

    Args:
        epochs: of the recipe.
        reference: images of the study.
        images: images of this source.
        size: of the network with this source's head.

    Example:
        >>> half = Size(weights=0, buffers=0, body_flops=10, head_flops=10, num_features=1)
        >>> fair_epochs(8, 1000, 1000, half), fair_epochs(8, 1000, 500, half)
        (4, 8)
    """
    budget = epochs * reference * size.body_flops
    return max(round(budget / (images * (size.body_flops + size.head_flops))), 1)


def with_fair_epochs(workspace: Workspace, spec: PretrainSpec, reference: int | None) -> Recipe:
    """The recipe of a pretraining, its epochs those of `fair_epochs`.

    Args:
        workspace: where the run would be.
        spec: the pretraining, by the recipe as it stands.
        reference: images of the study; None: the train split's.

    Raises:
        GranctlError: an input is missing or damaged.
        ValueError: the network is one of timm's, which `Study` refuses.
    """
    asked = ask(workspace, spec, None)
    size = recipe_size(asked.recipe, asked.num_outputs)
    if size is None:
        raise ValueError(f"the size of {asked.recipe.model.name} is not known")
    of_all = reference or ShardSet.open(Path(spec.shards)).num_images(TRAIN)
    epochs = fair_epochs(spec.recipe.epochs, of_all, asked.num_images, size)
    return replace(spec.recipe, epochs=epochs)


def alone_steps(study: Study, recipe: Recipe) -> int | None:
    """Steps of training on a target alone; None: the recipe's.

    Pretraining is counted in images, for its batches may have another size; with `same-compute` in
    operations, for the images of the transfer may have another side.
    """
    if study.scratch in ("none", "recipe"):
        return None
    alone, transfer = recipe.scratch, study.steps or recipe.finetune.steps
    if study.scratch == "same-steps" or study.images is None:
        return study.steps or (None if transfer == alone.steps else transfer)
    lengths: Sequence[int] = study.options.get("lengths") or ()
    transfer = max(lengths, default=transfer)
    seen = recipe.epochs * study.images
    if study.scratch == "same-images":
        return -(-(seen + transfer * recipe.finetune.batch_size) // alone.batch_size)
    total = seen * body_flops(recipe) + transfer * recipe.finetune.batch_size * body_flops(
        recipe, recipe.finetune
    )
    return -(-total // (alone.batch_size * body_flops(recipe, alone)))


def body_flops(recipe: Recipe, training: Transfer | None = None) -> int:
    """Operations of one image, forward and backward, without a head; 1 of timm's networks."""
    size = recipe_size(recipe, 0, training.resolution if training else None)
    return FORWARD_AND_BACKWARD * size.body_flops if size else 1
