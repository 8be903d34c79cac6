"""How much disk the checkpoints of a training take, without the memory of its network."""

from __future__ import annotations

from granctl.train import models
from granctl.train.recipe import Recipe
from granctl.train.sizes import NUMBERS_OF_OPTIMIZER


def checkpoint_bytes(recipe: Recipe, num_classes: int) -> int:
    """Bytes of one checkpoint: weights, what the optimizer keeps of each, the average if any.

    The network is built of tensors that have a shape and no numbers.

    Args:
        recipe: with its channels resolved.
        num_classes: that the head tells apart.
    """
    import torch

    with torch.device("meta"):
        network = models.build(
            recipe.model,
            channels=recipe.input.channels or 3,
            resolution=recipe.input.resolution,
            num_classes=num_classes,
            seed=0,
        )
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    buffers = sum(b.numel() * b.element_size() for b in network.buffers())
    kept = NUMBERS_OF_OPTIMIZER[recipe.optimizer.name]
    if recipe.optimizer.name == "sgd" and not recipe.optimizer.momentum:
        kept = 0
    averaged = weights + buffers if recipe.ema is not None else 0
    return int(weights * (1 + kept) + buffers + averaged)
