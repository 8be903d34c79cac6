"""Where it is computed: device, threads, workers; no part of any identity."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from granctl.errors import BadOptionError, NoDeviceError
from granctl.train.world import place_of

if TYPE_CHECKING:
    import torch


_MOST_WORKERS = 16
"""They hold whole batches in shared memory; few networks are faster than 16 processes decode."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What a user says about the machine."""

    device: str = "auto"
    """auto (CUDA where there is one, else CPU), cpu, cuda or cuda:N."""
    threads: int = 1
    """CPU threads of torch. One: more slow small networks down, and two on two busy cores were
    seen to cost 40 x; on one thread runs repeat bit for bit."""
    workers: int | None = None
    """Processes that decode images which do not fit in memory; None: one a core, less one."""
    compile: bool = False
    """Have torch.compile write the network's code anew: faster steps after a slow first one."""
    recompute: bool = False
    """Forget what the blocks computed, and compute it again on the way back: less memory."""
    fsdp: bool = False
    """Spread weights and optimizer over the processes (FSDP2) instead of each having all."""

    @property
    def num_workers(self) -> int:
        """Processes that decode, of one that trains."""
        if self.workers is not None:
            return self.workers
        beside = int(os.environ.get("LOCAL_WORLD_SIZE") or 1)  # as torchrun and --processes say
        return min(max(1, len(os.sched_getaffinity(0)) // beside - 1), _MOST_WORKERS)


def open_device(machine: Machine) -> torch.device:
    """The device that was asked for.

    Raises:
        NoDeviceError: it is not there.
    """
    import torch

    wanted = machine.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise NoDeviceError(wanted, "not the name of a device") from error
    if device.type not in ("cpu", "cuda"):
        raise NoDeviceError(wanted, "only cpu and cuda are supported")
    if device.type == "cpu":
        return device
    if not torch.cuda.is_available():
        reason = "this torch was built without CUDA"
        if torch.version.cuda is not None:
            reason = "torch finds no CUDA device here"
        raise NoDeviceError(wanted, reason)
    place = place_of(os.environ)
    if device.index is not None and place.size > 1:
        raise NoDeviceError(wanted, "several processes cannot share it: each takes its own")
    number = place.local_rank if device.index is None else device.index
    if number >= torch.cuda.device_count():
        said = f"{wanted}:{number}" if device.index is None else wanted
        raise NoDeviceError(said, f"there are {torch.cuda.device_count()} CUDA devices")
    return torch.device("cuda", number)


@contextmanager
def threads(machine: Machine) -> Iterator[None]:
    """Torch's number of CPU threads while it lasts."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(machine.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def precision(device: torch.device, wanted: str = "auto") -> str:
    """In what matrix products are computed: bfloat16 or float32.

    Args:
        device: where.
        wanted: that of the recipe; auto is bfloat16 where a CUDA device computes it, else float32.

    Raises:
        BadOptionError: bfloat16 is wanted, and the device has none.
    """
    import torch

    if wanted == "float32":
        return wanted
    has_it = device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    if wanted == "auto":
        return "bfloat16" if has_it and device.type == "cuda" else "float32"
    if not has_it:
        problem = f"{torch.cuda.get_device_name(device)} does not compute in bfloat16"
        raise BadOptionError("precision", problem, "--set precision=float32")
    return wanted


def autocast(device: torch.device, wanted: str = "auto") -> AbstractContextManager[Any]:
    """Computes matrix products in bfloat16 where `precision` says so."""
    import torch

    if precision(device, wanted) == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
