"""Which images stand in which step: a pure function of sizes, for any number of processes.

An epoch of N images is cut into steps of nearly equal size, and each step into pieces, one a
process and accumulated part. A piece begins at an even place of its step, so that two neighbours in
the order of the epoch, which are mixed with each other, never lie in two processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """Which pieces of each step are this process's."""

    rank: int = 0
    """0 <= rank < size."""
    size: int = 1
    """Processes that train together."""
    parts: int = 1
    """Pieces of a process and step, whose gradients are added up."""

    @property
    def pieces(self) -> int:
        """Of each step, of all processes."""
        return self.size * self.parts


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Some images of one step."""

    epoch: int
    begin: int
    """Position in the epoch of the first one."""
    end: int
    step_images: int
    """Of the whole step, of all processes."""
    ends_step: bool
    """Whether it is the last one of this process and step."""

    def __len__(self) -> int:
        return self.end - self.begin

    @property
    def positions(self) -> NDArray[np.int64]:
        """Of its images in the epoch."""
        return np.arange(self.begin, self.end, dtype=np.int64)


def num_batches(num_images: int, batch_size: int) -> int:
    """Steps of one epoch, each image once: batches differ in size by at most one."""
    return -(-num_images // batch_size)


def pieces_from(
    num_images: int, batch_size: int, share: Share, *, step: int, steps: int
) -> Iterator[Piece]:
    """This process's pieces of a training, from any step at once.

    Args:
        num_images: of an epoch.
        batch_size: images a step, at most.
        share: which pieces.
        step: steps that were taken before.
        steps: of the whole training.

    Example:
        >>> second = Share(rank=1, size=2)
        >>> [(p.epoch, p.begin, p.end) for p in pieces_from(11, 6, second, step=1, steps=3)]
        [(0, 7, 11), (1, 2, 5)]
    """
    of_epoch = num_batches(num_images, batch_size)
    for number in range(step, steps):
        epoch, place = divmod(number, of_epoch)
        begin, end = (num_images * at // of_epoch for at in (place, place + 1))
        pairs = (end - begin) // 2
        cuts = [begin + 2 * (pairs * i // share.pieces) for i in range(share.pieces)] + [end]
        for part in range(share.parts):
            i = share.rank * share.parts + part
            yield Piece(
                epoch=epoch,
                begin=cuts[i],
                end=cuts[i + 1],
                step_images=end - begin,
                ends_step=part == share.parts - 1,
            )


def check_share(num_images: int, batch_size: int, share: Share) -> None:
    """Raises where a step cannot be shared evenly.

    Raises:
        BadOptionError: the processes and parts do not divide the batch, or a step has fewer than
            two images for each.
    """
    if share.pieces == 1:
        return
    what = f"{share.size} processes" if share.size > 1 else "one process"
    what += f" of {share.parts} accumulated parts" if share.parts > 1 else ""
    if batch_size % share.pieces:
        good = max(batch_size // share.pieces, 2) * share.pieces
        problem = f"{what} do not divide a batch of {batch_size}"
        raise BadOptionError("batch_size", problem, f"such as --set batch_size={good}")
    least = num_images // num_batches(num_images, batch_size)
    if least < 2 * share.pieces:
        problem = f"a step has {least} images, and {what} need {2 * share.pieces}"
        raise BadOptionError("batch_size", problem, "train with fewer processes or larger batches")
