"""The images of one split as batches of uint8 pixels: from memory, or decoded by workers.

Small sets are decoded once a process and stay in memory; images that do not fit, or whose
augmentation crops from the original, are decoded batch by batch in worker processes. The pixels
are the same either way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from granctl.processes import outlive_signals
from granctl.progress import Progress
from granctl.shards.index import Rows, ShardSet
from granctl.shards.order import permuted, uniforms
from granctl.shards.read import ImageReader
from granctl.train.augment import NUM_UNIFORMS, resized_crop, shifted
from granctl.train.batches import Piece
from granctl.train.decode import centred, decoded, is_grey
from granctl.train.device import Machine
from granctl.train.recipe import Augment, Input

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
        """
        jobs = (_Job(piece, augment, seed) for piece in pieces)
        for pixels, images, job in self._run(jobs, crops=augment.kind == "resized-crop"):
            assert job.piece is not None
            yield Batch(pixels, images, job.piece)

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
        """Every image once, in the order of `row`, unchanged but for the centre crop."""
        none = Augment(kind="none")
        jobs = (
            _Job(None, none, 0, begin, min(begin + batch_size, len(self)))
            for begin in range(0, len(self), batch_size)
        )
        for pixels, images, _ in self._run(jobs, crops=False):
            yield pixels, images

    def _run(self, jobs: Iterator[_Job], *, crops: bool) -> Iterator[_Made]:
        if not crops and _fits(self.shards, self.split, self.look):
            pixels = _decoded_set(self.shards, self.split, self.look, self.progress)
            return (_from_memory(job, pixels, self.row) for job in jobs)
        return _from_workers(jobs, self)


@dataclass(frozen=True, slots=True)
class _Job:
    """Some images to make."""

    piece: Piece | None
    """None: those of the places `begin` to `end`, in order."""
    augment: Augment
    seed: int
    begin: int = 0
    end: int = 0

    def images(self, num: int) -> NDArray[np.int64]:
        if self.piece is None:
            return np.arange(self.begin, self.end)
        return permuted(self.piece.positions, num, self.seed, self.piece.epoch)

    def chance(self) -> NDArray[np.float32]:
        if self.piece is None:
            return np.zeros((self.end - self.begin, NUM_UNIFORMS), dtype=np.float32)
        return uniforms(self.piece.positions, NUM_UNIFORMS, self.seed, self.piece.epoch)


_Made = tuple["Tensor", NDArray[np.int64], _Job]


def _fits(shards: ShardSet, split: str, look: Input) -> bool:
    return shards.num_images(split) * (look.channels or 3) * look.resolution**2 <= MEMORY_BYTES


def _decoded_set(
    shards: ShardSet, split: str, look: Input, progress: Progress
) -> NDArray[np.uint8]:
    """All images of a split, decoded once a process: shape (n, channels, side, side)."""
    key = (shards.digest, split, look.channels, look.resolution, look.eval_resize)
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
            pixels[i] = centred(decoded(reader.image(rows, i), channels), look).numpy()
            if i % 500 == 499:
                progress.advance(500)
    progress.advance(len(rows) % 500)
    progress.finish()
    while len(_in_memory) >= _KEPT_SETS:
        _in_memory.pop(next(iter(_in_memory)))
    _in_memory[key] = pixels
    return pixels


def _from_memory(job: _Job, pixels: NDArray[np.uint8], row: NDArray[np.int64]) -> _Made:
    import torch

    images = job.images(len(row))
    batch = pixels[row[images]]
    if job.augment.kind == "shift":
        batch = shifted(batch, job.chance(), job.augment)
    return torch.from_numpy(batch), images, job


def _from_workers(jobs: Iterator[_Job], source: Images) -> Iterator[_Made]:
    """One set of workers for a whole training: none waits at the end of an epoch."""
    import torch
    from torch.utils.data import DataLoader

    decoder = _Decoder(source.shards, source.shards.rows(source.split), source.row, source.look)
    loader: DataLoader[Any] = DataLoader(
        decoder,  # type: ignore[arg-type]  # it is asked for jobs, not for numbers
        batch_size=None,
        sampler=jobs,
        num_workers=source.machine.num_workers,
        pin_memory=torch.cuda.is_available() and source.machine.device != "cpu",
        worker_init_fn=_outlive,
    )
    for pixels, images, job in loader:
        yield pixels, images.numpy(), job


def _outlive(_worker: int) -> None:
    outlive_signals()


class _Decoder:
    """What a worker process does: reads, decodes and augments the images of a job."""

    def __init__(self, shards: ShardSet, rows: Rows, row: NDArray[np.int64], look: Input) -> None:
        self._reader = ImageReader(shards)
        self._rows, self._row, self._look = rows, row, look

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, job: _Job) -> tuple[Tensor, Tensor, _Job]:
        import torch

        images = job.images(len(self._row))
        chance = job.chance()
        self._reader.prefetch(self._rows, self._row[images])
        batch = [self._one(i, u, job.augment) for i, u in zip(images, chance, strict=True)]
        return torch.stack(batch), torch.from_numpy(images), job

    def _one(self, image: int, chance: NDArray[np.float32], augment: Augment) -> Tensor:
        import torch

        look = self._look
        encoded = self._reader.image(self._rows, int(self._row[image]))
        pixels = decoded(encoded, look.channels or 3)
        if augment.kind == "resized-crop":
            return resized_crop(pixels, look.resolution, chance, augment)
        square = centred(pixels, look)
        if augment.kind == "shift":
            return torch.from_numpy(shifted(square[None].numpy(), chance[None], augment)[0])
        return square


def normalised(pixels: Tensor, look: Input, device: Any) -> Tensor:
    """Pixels as the network sees them: float32 on the device, (pixel / 255 - mean) / std."""
    import torch

    images = pixels.to(device, non_blocking=True).float().div_(255.0)
    mean = torch.tensor(look.mean, device=device).view(1, -1, 1, 1)
    std = torch.tensor(look.std, device=device).view(1, -1, 1, 1)
    return images.sub_(mean).div_(std).contiguous(memory_format=torch.channels_last)
