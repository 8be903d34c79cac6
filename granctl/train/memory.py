"""What a step of training needs in memory at the least, measured on a few images before the first.

A lower bound: weights, gradients, the optimizer's numbers, and what the way back needs of the
way there. What single operations take for themselves comes on top, and the images.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granctl.errors import MemoryTooSmallError
from granctl.progress import Progress
from granctl.train.batches import num_batches
from granctl.train.device import autocast
from granctl.train.recipe import Input, Recipe
from granctl.train.world import World

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_SHOWN = (2, 3)
"""Images of the two passes; batch norms need two, and what one more adds is what an image needs."""
_SMALL = 8 * 2**20
"""Bytes of pixels of a batch below which nothing is measured: 13 colour images of 224 pixels."""
_MOST = 0.8
"""Share of the memory from which on it is told: the system and the images need some too."""
_CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """Bytes that a training needs at the least."""

    weights: int
    """With gradients, the optimizer's numbers and the moving average."""
    image: int
    """Of one image, between the way there and the way back."""

    def of(self, images: int) -> int:
        """Of a step on so many images at once."""
        return self.weights + images * self.image


def need_of(network: Any, recipe: Recipe, device: torch.device) -> Need:
    """Measures with two forward passes over a few images; leaves the network as it was.

    Args:
        network: as `models.build` makes it, on the device.
        recipe: its input, its optimizer (adam and adamw keep two numbers a weight, sgd with
            momentum one), its precision, and whether it keeps a moving average.
        device: where the network is.
    """
    import torch

    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    optimizer = recipe.optimizer
    copies = 2 if optimizer.name != "sgd" else int(optimizer.momentum > 0)
    copies += recipe.ema is not None
    buffers = [(b, b.clone()) for b in network.buffers()]
    was_training = network.training
    network.train()
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        autocast(device, recipe.precision),
    ):
        few, more = (_kept(network, recipe.input, images, device) for images in _SHOWN)
    network.train(was_training)
    for buffer, before in buffers:
        buffer.copy_(before)
    return Need(weights=weights * (2 + copies), image=max(more - few, 0))


def _kept(network: Any, look: Input, images: int, device: torch.device) -> int:
    """Bytes that a forward pass over so many images leaves for the way back."""
    import torch

    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    shape = (images, look.channels or 3, look.resolution, look.resolution)
    shown = torch.zeros(shape, device=device).contiguous(memory_format=torch.channels_last)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(shown)
    return sum(kept.values())


def available(device: torch.device) -> int:
    """Bytes of memory that the device has, or this process may have; used or not."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    has = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _CGROUP.read_text().strip() if _CGROUP.is_file() else "max"
    return min(has, int(limit)) if limit.isdecimal() else has


def check_memory(
    network: Any,
    recipe: Recipe,
    num_images: int,
    device: torch.device,
    world: World,
    progress: Progress,
) -> None:
    """Raises where the first step would end in a kill: it needs more than there is in all.

    Args:
        network: on the device.
        recipe: of the training; the channels of its input are known.
        num_images: of an epoch; where they are fewer than a batch, so is a step.
        device: where the network is.
        world: the processes that share a step.
        progress: is told where there is enough in all, and perhaps not enough free.

    Raises:
        MemoryTooSmallError: more is needed than there is.
    """
    look = recipe.input
    step = -(-num_images // num_batches(num_images, recipe.batch_size))
    images = -(-step // (recipe.accumulate * world.size))
    if images * (look.channels or 3) * look.resolution**2 * 4 < _SMALL:
        return
    need = need_of(network, recipe, device)
    needs, has = need.of(images), available(device)
    if needs > has:
        parts = _parts(need, has, step, recipe.batch_size, world.size)
        raise MemoryTooSmallError(images, _said(needs), _said(has), parts)
    if needs > _MOST * has:
        progress.note(f"a step needs at least {_said(needs)} of the {_said(has)} of memory")


def _parts(need: Need, has: int, step: int, batch_size: int, processes: int) -> int | None:
    """The fewest parts of a step that fit with room to spare; None where no number does."""
    for parts in range(1, step // (2 * processes) + 1):
        images = -(-step // (parts * processes))
        if batch_size % (parts * processes) == 0 and need.of(images) <= _MOST * has:
            return parts
    return None


def _said(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.1f} GiB"
