"""Weights that are spread over processes (FSDP2): state taken whole, and given back in parts.

A checkpoint holds whole tensors under plain names, so that a run can go on on another number of
processes, with and without sharding. Where nothing is sharded these functions change nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def _is_sharded(value: Any) -> bool:
    # Nothing is, where nobody loaded the module: importing it takes half a second.
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(value, module.DTensor)


def shard(network: nn.Module, blocks: list[nn.Module]) -> None:
    """Spreads the weights of a network over all processes, in place: FSDP2's `fully_shard`.

    Each block is gathered when its turn comes and let go of again. Gradients are averaged.

    Args:
        network: on its device, the same in every process.
        blocks: parts of it, in the order in which they compute.
    """
    from torch.distributed.fsdp import fully_shard

    for block in blocks:
        fully_shard(block)
    fully_shard(network)


def whole(value: Any) -> Any:
    """The same with every sharded tensor put together; every process must ask for it.

    Args:
        value: tensors, plain values, and dicts and lists of them.
    """
    if _is_sharded(value):
        return value.detach().full_tensor()
    if isinstance(value, Mapping):
        return {key: whole(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [whole(one) for one in value]
    return value


def whole_on_cpu(value: Any) -> Any:
    """`whole`, each tensor moved to the CPU as it comes: the device never holds all of them."""
    if _is_sharded(value):
        return whole(value).cpu()
    if isinstance(value, Mapping):
        return {key: whole_on_cpu(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [whole_on_cpu(one) for one in value]
    return value


def part_of(value: Tensor, like: Tensor) -> Tensor:
    """This process's part of a whole tensor, sharded as another is; the whole if that is not."""
    if not _is_sharded(like):
        return value
    from torch.distributed.tensor import distribute_tensor

    mesh, placements = like.device_mesh, like.placements  # type: ignore[attr-defined]
    # Every process has the whole: nothing is sent.
    device = value.to(like.device)
    return distribute_tensor(device, mesh, placements, src_data_rank=None)


def parts_of(values: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`part_of` for each of some tensors by name."""
    return {name: part_of(value, like[name]) for name, value in values.items()}


def parts_for(state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of an optimizer that was taken whole, in parts as its weights are."""
    weights = [p for group in optimizer.param_groups for p in group["params"]]

    def part(key: int, value: Any) -> Any:
        weight = weights[key]
        same = getattr(value, "shape", None) == weight.shape and value.ndim > 0
        return part_of(value, weight) if same else value

    states = {
        key: {name: part(key, value) for name, value in one.items()}
        for key, one in state["state"].items()
    }
    return {**state, "state": states}


def beside(value: Tensor, weight: Tensor) -> Tensor:
    """A tensor that every process has, in the form in which it can meet that weight."""
    if not _is_sharded(weight):
        return value
    from torch.distributed.tensor import DTensor, Replicate

    mesh = weight.device_mesh  # type: ignore[attr-defined]
    return DTensor.from_local(value, mesh, [Replicate()])
