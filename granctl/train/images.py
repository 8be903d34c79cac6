"""The images of one split as batches of uint8 pixels: from memory, or decoded by workers.

Small sets are decoded once a process and stay in memory; images that do not fit, or whose
augmentation crops from the original, are decoded batch by batch in worker processes. The pixels
are the same either way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from granctl.progress import Progress
from granctl.shards.index import ShardSet
from granctl.shards.read import ImageReader
from granctl.train.augment import operated_on, shifted
from granctl.train.batches import Piece
from granctl.train.decode import centred, decoded, is_grey
from granctl.train.device import Machine
from granctl.train.recipe import Augment, Input
from granctl.train.workers import Decoder, Job, Made, Order, made_by_workers, undecodable

if TYPE_CHECKING:
    from torch import Tensor

MEMORY_BYTES = 1 << 30
"""Decoded images of one split that are kept in memory, at most."""
_KEPT_SETS = 6
_AHEAD = 1024
"""Images that a reader is told of before they are asked for; matters behind a URL only."""
_in_memory: dict[tuple[Any, ...], NDArray[np.uint8]] = {}


class Batch(NamedTuple):
    """Images of one piece of a step."""

    pixels: Tensor
    """uint8, shape (B, channels, side, side)."""
    images: NDArray[np.int64]
    """Which of the asked images they are."""
    piece: Piece


def resolved(look: Input, shards: ShardSet, split: str) -> Input:
    """The input with the number of channels that the first image of the split has."""
    if look.channels is not None:
        return look
    with ImageReader(shards) as reader:
        grey = is_grey(reader.image(shards.rows(split), 0))
    return dataclasses.replace(look, channels=1 if grey else 3)


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """The images of some rows of a split, ready to be asked for in batches."""

    shards: ShardSet
    split: str
    row: NDArray[np.int64]
    """Shape (n,): rows of the split; `image` below is an index into these."""
    look: Input
    """With its channels resolved."""
    machine: Machine
    progress: Progress
    order: Order = "full"
    """Of an epoch's images: any after any, or blocks of neighbours."""

    def __len__(self) -> int:
        return len(self.row)

    def load(self) -> None:
        """Decodes the whole split into memory now, if it fits; else nothing.

        Called before a stage of progress begins, as decoding is one of its own.
        """
        if _fits(self.shards, self.split, self.look):
            _decoded_set(self.shards, self.split, self.look, self.progress)

    def training(self, pieces: Iterable[Piece], augment: Augment, seed: int) -> Iterator[Batch]:
        """The images of some pieces, in random order within each epoch.

        Order and pixels are a pure function of (seed, epoch, position).

        Raises:
            ShardCorruptError: a shard is damaged, or an image that no decoder can read.
            RemoteDownError: the shards lie behind a URL that does not answer.
        """
        jobs = (Job(piece, augment, seed, order=self.order) for piece in pieces)
        for pixels, images, job in self._run(jobs, crops=augment.kind == "resized-crop"):
            assert job.piece is not None
            yield Batch(pixels, images, job.piece)

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
        """Every image once, in the order of `row`, unchanged but for the centre crop."""
        none = Augment(kind="none")
        jobs = (
            Job(None, none, 0, begin, min(begin + batch_size, len(self)))
            for begin in range(0, len(self), batch_size)
        )
        for pixels, images, _ in self._run(jobs, crops=False):
            yield pixels, images

    def _run(self, jobs: Iterator[Job], *, crops: bool) -> Iterator[Made]:
        if not crops and _fits(self.shards, self.split, self.look):
            pixels = _decoded_set(self.shards, self.split, self.look, self.progress)
            return (_from_memory(job, pixels, self.row) for job in jobs)
        return _from_workers(jobs, self)


@dataclass(frozen=True, kw_only=True, eq=False)
class ImagesOnce(Images):
    """Images that are needed once: they come from workers, which decode beside the network.

    Those that this process holds in memory already are taken from there.
    """

    def load(self) -> None:
        """Nothing: they are decoded as they are asked for."""

    def _run(self, jobs: Iterator[Job], *, crops: bool) -> Iterator[Made]:
        if _memory_key(self.shards, self.split, self.look) in _in_memory:
            return super()._run(jobs, crops=crops)
        return _from_workers(jobs, self)


def _memory_key(shards: ShardSet, split: str, look: Input) -> tuple[Any, ...]:
    return (shards.digest, split, look.channels, look.resolution, look.eval_resize)


def _fits(shards: ShardSet, split: str, look: Input) -> bool:
    return shards.num_images(split) * (look.channels or 3) * look.resolution**2 <= MEMORY_BYTES


def _decoded_set(
    shards: ShardSet, split: str, look: Input, progress: Progress
) -> NDArray[np.uint8]:
    """All images of a split, decoded once a process: shape (n, channels, side, side)."""
    key = _memory_key(shards, split, look)
    if key in _in_memory:
        return _in_memory[key]
    rows = shards.rows(split)
    channels, side = look.channels or 3, look.resolution
    pixels = np.empty((len(rows), channels, side, side), dtype=np.uint8)
    progress.start(f"decode {split}", len(rows), "images")
    with ImageReader(shards) as reader:
        for i in range(len(rows)):
            if i % _AHEAD == 0:
                reader.prefetch(rows, np.arange(i, min(i + _AHEAD, len(rows))))
            try:
                image = decoded(reader.view(rows, i), channels)
            except OSError as error:
                raise undecodable(shards, rows, i, error) from error
            pixels[i] = centred(image, look).numpy()
            if i % 500 == 499:
                progress.advance(500)
    progress.advance(len(rows) % 500)
    progress.finish()
    while len(_in_memory) >= _KEPT_SETS:
        _in_memory.pop(next(iter(_in_memory)))
    _in_memory[key] = pixels
    return pixels


def _from_memory(job: Job, pixels: NDArray[np.uint8], row: NDArray[np.int64]) -> Made:
    import torch

    images = job.images(len(row))
    batch = pixels[row[images]]
    if not job.changes:
        return torch.from_numpy(batch), images, job
    chance = job.chance()
    if job.augment.kind == "shift":
        batch = shifted(batch, chance, job.augment)
    return operated_on(torch.from_numpy(batch), chance, job.augment), images, job


def _from_workers(jobs: Iterator[Job], source: Images) -> Iterator[Made]:
    decoder = Decoder(source.shards, source.shards.rows(source.split), source.row, source.look)
    return made_by_workers(jobs, decoder, source.machine)


def normalised(pixels: Tensor, look: Input, device: Any) -> Tensor:
    """Pixels as the network sees them: float32 on the device, (pixel / 255 - mean) / std."""
    import torch

    images = pixels.to(device, non_blocking=True).float().div_(255.0)
    mean, std = _moments(look.mean, look.std, device)
    return images.sub_(mean).div_(std).contiguous(memory_format=torch.channels_last)


@lru_cache(maxsize=8)
def _moments(mean: tuple[float, ...], std: tuple[float, ...], device: Any) -> tuple[Tensor, Tensor]:
    """Mean and deviation on the device: made at each step they would wait for it."""
    import torch

    one, other = (torch.tensor(values).view(1, -1, 1, 1).to(device) for values in (mean, std))
    return one, other
