"""Weights that are spread over processes (FSDP2): state taken whole, and given back in parts.

A checkpoint holds whole tensors under plain names, so that a run can go on on another number of
processes, with and without sharding. Where nothing is sharded these functions change nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def local(weight: Tensor) -> Tensor:
    """What of a weight lies in this process, sharing its memory; the weight if it is not sharded.

    Optimizers work on these: what they do is done to each number for itself, and not all of their
    fused steps know sharded tensors (SGD's does not in torch 2.14).
    """
    if not _is_sharded(weight):
        return weight
    part: Tensor = weight.detach().to_local()  # type: ignore[attr-defined]
    return part.requires_grad_()


def whole_state(state: dict[str, Any], weights: Sequence[Tensor]) -> dict[str, Any]:
    """The state of an optimizer of `local` weights, put together; every process must ask for it.

    Args:
        state: its state dict.
        weights: those that it steps, sharded or not, in its order.
    """
    return _each(state, weights, _whole_like)


def parts_of_state(state: dict[str, Any], weights: Sequence[Tensor]) -> dict[str, Any]:
    """What `whole_state` gave, for the optimizer of this process's parts."""
    return _each(state, weights, lambda value, weight: local(part_of(value, weight)).detach())


def _each(
    state: dict[str, Any], weights: Sequence[Tensor], change: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, Any]:
    """Changes what an optimizer remembers of sharded weights, number by number."""

    def changed(value: Any, weight: Tensor) -> Any:
        # The count of steps is one number for the whole weight.
        same = _is_sharded(weight) and getattr(value, "ndim", 0) == weight.ndim > 0
        return change(value, weight) if same else value

    states = {
        key: {name: changed(value, weights[key]) for name, value in one.items()}
        for key, one in state["state"].items()
    }
    return {**state, "state": states}


def _whole_like(value: Tensor, weight: Tensor) -> Tensor:
    from torch.distributed.tensor import DTensor

    together = DTensor.from_local(
        value,
        weight.device_mesh,  # type: ignore[attr-defined]
        weight.placements,  # type: ignore[attr-defined]
        shape=weight.shape,
        stride=weight.stride(),
    )
    full: Tensor = together.full_tensor()
    return full.cpu()
