"""The network as it is trained: recomputed, compiled, shared among processes; its names stay plain.

What is computed is the same in each of these ways, to rounding; they are no part of a run.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from granctl.errors import BadOptionError, CannotShardError, NoCompilerError
from granctl.train import sharding
from granctl.train.device import Machine
from granctl.train.layers import blocks_of
from granctl.train.world import World

if TYPE_CHECKING:
    import torch
    from torch import nn


class Wrapped:
    """A network in the form in which it computes steps.

    `network` has the weights that are trained, under the names that checkpoints have; `called` is
    what images are given to.
    """

    def __init__(self, network: Any, machine: Machine, world: World, device: torch.device) -> None:
        """Wraps a network.

        Raises:
            NoLayersError: blocks are asked for, and it has none that are known.
            NoCompilerError: nothing compiles here.
            CannotShardError: it cannot be sharded.
        BadOptionError: it cannot be compiled so.
        """
        self._own, self._device, self._world = network, device, world
        self._sharded = machine.fsdp
        self._blocks: list[Any] = []
        self.network = network
        check_ways(network, machine, world, device)
        if machine.fsdp:
            # Weights of their own: in the end the network that was given is whole again.
            network.to("cpu")
            self.network = copy.deepcopy(network).to(device)
        if machine.recompute:
            self._blocks = blocks_of(self.network, "--recompute")
            for block in self._blocks:
                _recompute(block)
        if machine.fsdp:
            blocks = blocks_of(self.network, "--fsdp")
            for block in blocks if machine.compile else []:
                block.compile()  # weights are gathered between blocks, which cannot be compiled
            sharding.shard(self.network, blocks)
        self.called = self.network
        if machine.compile and not machine.fsdp:
            import torch

            self.called = torch.compile(self.network)
        if world.size > 1 and not machine.fsdp:
            from torch.nn.parallel import DistributedDataParallel

            # Gradients are averaged in groups as they come. DDP goes around what is compiled.
            ids = [device.index] if device.type == "cuda" else None
            self.called = DistributedDataParallel(self.called, device_ids=ids)

    def adding_up(self, *, ends: bool) -> AbstractContextManager[Any]:
        """For one part of a step: gradients are exchanged with that which ends it."""
        if self._sharded:
            self.network.set_requires_gradient_sync(ends)
            return nullcontext()
        no_sync = getattr(self.called, "no_sync", None)
        return nullcontext() if ends or no_sync is None else no_sync()

    def load(self, state: Mapping[str, Any]) -> None:
        """Takes whole weights by name."""
        own = self.network.state_dict()
        self.network.load_state_dict(sharding.parts_of(state, own))

    def give_back(self) -> None:
        """Leaves the network that was given with the weights as they are now, and unwrapped."""
        for block in self._blocks:
            del block.forward
        if self._world.size > 1 and not self._sharded:
            from torch import distributed

            # Statistics of batch norms differ since the last step; those of rank 0 are saved.
            for buffer in self.network.buffers():
                distributed.broadcast(buffer, 0)
        if self._sharded:
            self._own.load_state_dict(sharding.whole_on_cpu(self.network.state_dict()))
            self._own.to(self._device)


def check_ways(network: nn.Module, machine: Machine, world: World, device: torch.device) -> None:
    """Raises where a network cannot be trained in the ways that were asked for.

    Raises:
        CannotShardError: FSDP2 cannot.
        NoCompilerError: nothing compiles here.
        BadOptionError: torch.compile cannot follow.
        NoLayersError: blocks are needed, and the network has none that are known.
    """
    if machine.fsdp:
        check_sharding(network, world)
    if machine.compile:
        check_compiler(device)
        check_compilable(network, machine)
    if machine.fsdp or machine.recompute:
        blocks_of(network, "--fsdp" if machine.fsdp else "--recompute")


def check_sharding(network: nn.Module, world: World) -> None:
    """Raises where FSDP2 cannot do what is asked.

    Raises:
        CannotShardError: one process alone; or a network whose batch statistics each process
            would have for itself.
    """
    if world.size == 1:
        raise CannotShardError("one process has nobody to share with", "start several, or drop it")
    if _batch_norms(network):
        problem = "this network has batch normalisation, whose statistics are not shared"
        raise CannotShardError(problem, "leave it out: ResNets are small; it is for large ViTs")


def check_compiler(device: torch.device) -> None:
    """Raises where torch.compile has nothing to compile with.

    Raises:
        NoCompilerError: no C++ compiler for the CPU, no Triton for CUDA.
    """
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            raise NoCompilerError("torch finds no Triton that works with this GPU")
        return
    from torch._inductor import cpp_builder
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        cpp_builder.get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise NoCompilerError("there is no C++ compiler (g++ or clang++)") from error


def check_compilable(network: nn.Module, machine: Machine) -> None:
    """Raises where torch.compile cannot follow.

    Raises:
        BadOptionError: batch norms that are to see a batch twice and count it once.
    """
    if machine.recompute and _batch_norms(network):
        problem = "torch.compile cannot follow batch normalisation under --recompute"
        raise BadOptionError("--compile", problem, "leave one of the two out")


def _batch_norms(module: nn.Module) -> list[Any]:
    from torch.nn.modules.batchnorm import _BatchNorm

    return [one for one in module.modules() if isinstance(one, _BatchNorm)]


def _recompute(block: Any) -> None:
    """Has a block keep only its input, and compute again what the way back needs.

    Random numbers are drawn again as they were. Statistics of batch norms are counted once.
    """
    from torch.utils.checkpoint import checkpoint

    norms = _batch_norms(block)
    options: dict[str, Any] = {"use_reentrant": False}
    if norms:
        options["context_fn"] = lambda: (nullcontext(), _uncounted(norms))
    # An attribute of the object, in place of the method of its class: no module is put around it,
    # so the names of its weights stay.
    block.forward = partial(checkpoint, block.forward, **options)


@contextmanager
def _uncounted(norms: list[Any]) -> Iterator[None]:
    """Batch norms see a batch again, and remember nothing of it."""
    before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, num in before:
            norm.momentum, norm.num_batches_tracked = momentum, num
