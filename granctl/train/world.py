"""Processes that train together: who they are, and the little that they tell each other.

They are started by torchrun, by Slurm's srun, or by granctl itself (`--processes`); what they are
told stands in the environment.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from granctl.errors import GranctlError, HalfWorldError, StoppedError, WorldFailedError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_SLURM = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_JOB_ID", "SLURM_JOB_NODELIST")
_FIRST_PORT, _PORTS = 20000, 10000
"""Below the range from which systems give ports to clients."""
_WAIT = timedelta(minutes=30)
"""A process may be slow to come: its node boots, its disk is slow."""
_PATIENCE = timedelta(days=7)
"""One may wait for the lock of the run's folder, while another start still makes it. Of a process
that is gone the others hear at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a process stands among those that train together."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Among the processes of its machine: the number of its GPU."""
    address: str = ""
    """Of the machine of rank 0."""
    port: int = 0


def place_of(environment: Mapping[str, str]) -> Place:
    """What an environment says; a process alone where it says nothing.

    Slurm is believed inside an srun step of several tasks only: its variables stand in batch
    scripts and shells too.

    Raises:
        HalfWorldError: some of torchrun's variables are set and others not, or are no numbers.

    Example:
        >>> place_of({"HOME": "/root"}).size
        1
    """
    given = [name for name in TORCHRUN if environment.get(name)]
    if "RANK" in given or "WORLD_SIZE" in given:
        missing = [name for name in TORCHRUN if name not in given]
        if missing:
            raise HalfWorldError(given, missing)
        rank, size, local, port = (
            _number(environment, name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", TORCHRUN[4])
        )
        if not 0 <= rank < size:
            raise HalfWorldError([f"RANK={rank}", f"WORLD_SIZE={size}"], [])
        address = environment["MASTER_ADDR"]
        return Place(rank=rank, size=size, local_rank=local, address=address, port=port)
    if environment.get("SLURM_STEP_ID") and environment.get("SLURM_NTASKS", "1") != "1":
        missing = [name for name in _SLURM if not environment.get(name)]
        if missing:
            raise HalfWorldError([n for n in _SLURM if n not in missing], missing)
        rank, size, local, job = (_number(environment, name) for name in _SLURM[:4])
        restart = int(environment.get("SLURM_RESTART_COUNT") or 0)
        port = _FIRST_PORT + (job * 7 + restart) % _PORTS
        address = _first_host(environment["SLURM_JOB_NODELIST"])
        return Place(rank=rank, size=size, local_rank=local, address=address, port=port)
    return Place()


def environment_of(rank: int, size: int, port: int) -> dict[str, str]:
    """What tells a process of this machine its place, in torchrun's words.

    Example:
        >>> place_of(environment_of(1, 2, 29500)).local_rank
        1
    """
    place = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": size}
    return {
        **{key: str(value) for key, value in place.items()},
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def free_port() -> int:
    """A port of this machine on which nobody listens now."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment[name]
    if not text.isdecimal():
        raise HalfWorldError([f"{name}={text}"], [])
    return int(text)


def _first_host(nodes: str) -> str:
    asked = ["scontrol", "show", "hostnames", nodes]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        said = []
    if not said:
        raise HalfWorldError([f"SLURM_JOB_NODELIST={nodes}"], ["an answer of scontrol"])
    return said[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """The processes that train together, joined; alone it costs nothing."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    _talk: Any = field(default=None, repr=False)
    """A group on the CPU: what is said on it does not wait for the device."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def most(self, value: int) -> int:
        """The largest value that any process gave; all wait for each other."""
        if self.size == 1:
            return value
        import torch
        from torch import distributed

        said = torch.tensor([value], dtype=torch.int64)
        distributed.all_reduce(said, distributed.ReduceOp.MAX, group=self._talk)
        return int(said)

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes, on the CPU; shape and dtype of `values`."""
        values = values.cpu()
        if self.size > 1:
            from torch import distributed

            distributed.all_reduce(values, group=self._talk)
        return values

    def said_by_first(self, value: Any) -> Any:
        """What rank 0 gave; plain values."""
        if self.size == 1:
            return value
        from torch import distributed

        box = [value]
        distributed.broadcast_object_list(box, 0, group=self._talk)
        return box[0]

    def done_by_first(self, work: Callable[[], Any]) -> Any:
        """What rank 0 gets of some work on files; what it raises is raised everywhere."""
        if self.size == 1:
            return work()
        found, error = None, None
        if self.is_first:
            try:
                found = work()
            except GranctlError as raised:
                error = raised
        found, error = self.said_by_first((found, error))
        if error is not None:
            raise error
        return found

    def is_lost(self, error: RuntimeError) -> bool:
        """Whether an error says that another process does not answer any more."""
        if self.size == 1:
            return False
        from torch import distributed

        said = str(error).lower()
        ours = "out of memory" in said or "invalid usage" in said
        return not ours and (isinstance(error, distributed.DistError) or "gloo" in said)


ALONE = World()


@contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """The processes that the environment speaks of; they part when it ends.

    Args:
        device: where this process computes.

    Raises:
        HalfWorldError: the environment is half set.
        WorldFailedError: they did not find each other: a port in use, a process that did not come.
    """
    place = place_of(os.environ)
    if place.size == 1:
        yield ALONE
        return
    import torch
    from torch import distributed

    backend = "nccl" if device.type == "cuda" else "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)  # what speaks of no device means the process's own
    try:
        distributed.init_process_group(
            backend,
            init_method=f"tcp://{place.address}:{place.port}",
            rank=place.rank,
            world_size=place.size,
            timeout=_WAIT,
        )
        talk = distributed.new_group(backend="gloo", timeout=_PATIENCE)
    except (RuntimeError, ValueError, OSError) as error:
        raise WorldFailedError(place.rank, place.size, place.address, place.port, error) from error
    together = False
    try:
        yield World(rank=place.rank, size=place.size, local_rank=place.local_rank, _talk=talk)
        together = True
    except StoppedError:
        together = True
        raise
    finally:
        if together or backend == "gloo":
            distributed.destroy_process_group()
        else:  # to part in order NCCL needs the others, who may wait for this process elsewhere
            distributed.distributed_c10d._abort_process_group()
