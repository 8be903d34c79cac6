"""Batches made by worker processes: images read, decoded and augmented, straight into their batch.

A worker reads an image where it lies in its mapped shard, decodes it, and puts what is wanted of it
into a batch in memory that it shares with the training: nothing is copied in between.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from granctl.errors import GranctlError, ShardCorruptError
from granctl.processes import outlive_signals
from granctl.shards.blocks import in_blocks, read_ahead
from granctl.shards.index import Rows, ShardSet
from granctl.shards.order import permuted, uniforms
from granctl.shards.read import ImageReader, key_at
from granctl.train.augment import num_uniforms, operated_on, resized_crop, shifted
from granctl.train.batches import Piece
from granctl.train.decode import centred, decoded, load_decoders
from granctl.train.device import Machine
from granctl.train.recipe import Augment, Input

if TYPE_CHECKING:
    from torch import Tensor

Order = Literal["full", "blocks"]


@dataclass(frozen=True, slots=True)
class Job:
    """Some images to make."""

    piece: Piece | None
    """None: those of the places `begin` to `end`, in order."""
    augment: Augment
    seed: int
    begin: int = 0
    end: int = 0
    order: Order = "full"

    @property
    def changes(self) -> bool:
        """Whether pixels depend on chance, apart from crops."""
        return self.augment.kind == "shift" or self.augment.rand_ops > 0

    def images(self, num: int) -> NDArray[np.int64]:
        """Which of `num` images they are."""
        if self.piece is None:
            return np.arange(self.begin, self.end)
        places, epoch = self.piece.positions, self.piece.epoch
        if self.order == "blocks":
            return in_blocks(places, num, self.seed, epoch)
        return permuted(places, num, self.seed, epoch)

    def ahead(self, num: int) -> NDArray[np.int64]:
        """Which images may be read from the disk meanwhile."""
        if self.piece is None or self.order != "blocks":
            return np.empty(0, dtype=np.int64)
        piece = self.piece
        return read_ahead(piece.begin, piece.end, num, self.seed, piece.epoch)

    def chance(self) -> NDArray[np.float32]:
        """The random numbers of each image."""
        each = num_uniforms(self.augment)
        if self.piece is None:
            return np.zeros((self.end - self.begin, each), dtype=np.float32)
        return uniforms(self.piece.positions, each, self.seed, self.piece.epoch)


Made = tuple["Tensor", NDArray[np.int64], Job]


def undecodable(shards: ShardSet, rows: Rows, i: int, error: OSError) -> ShardCorruptError:
    """The error of an image that no decoder can read: it names shard and key."""
    name = shards.shard_names[int(rows.shard[i])]
    problem = f"the image {key_at(shards, rows, i)} cannot be decoded ({error})"
    return ShardCorruptError(f"{shards.store.where}/{name}", problem)


def made_by_workers(jobs: Iterator[Job], decoder: Decoder, machine: Machine) -> Iterator[Made]:
    """One set of workers for a whole training: none waits at the end of an epoch.

    Raises:
        GranctlError: what a worker met.
    """
    import torch
    from torch.utils.data import DataLoader

    load_decoders()
    with warnings.catch_warnings():  # as many workers as were asked for, however many cores
        warnings.filterwarnings("ignore", "This DataLoader will create")
        loader: DataLoader[Any] = DataLoader(
            decoder,  # type: ignore[arg-type]  # it is asked for jobs, not for numbers
            batch_size=None,
            sampler=jobs,
            num_workers=machine.num_workers,
            pin_memory=torch.cuda.is_available() and machine.device != "cpu",
            worker_init_fn=_outlive,
        )
        batches = iter(loader)
    for found in batches:
        if isinstance(found, GranctlError):  # raised in a worker, torch would make another of it
            raise found
        pixels, images, job = found
        yield pixels, images.numpy(), job


def _outlive(_worker: int) -> None:
    outlive_signals()


class Decoder:
    """What a worker process does: reads, decodes and augments the images of a job."""

    def __init__(self, shards: ShardSet, rows: Rows, row: NDArray[np.int64], look: Input) -> None:
        """The images of a shard set.

        Args:
            shards: the set.
            rows: of one split.
            row: shape (n,): which of them the images of a job are.
            look: side and channels of the batches.
        """
        self._shards, self._reader = shards, ImageReader(shards)
        self._rows, self._row, self._look = rows, row, look

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, job: Job) -> tuple[Tensor, Tensor, Job] | GranctlError:
        """The pixels of a job (uint8, shape (n, channels, side, side)), its images, and itself.

        What goes wrong is given back, for the training to raise.
        """
        import torch

        images = job.images(len(self._row))
        try:
            pixels = self._pixels(self._row[images], job)
        except GranctlError as error:
            return error
        return pixels, torch.from_numpy(images), job

    def _pixels(self, rows: NDArray[np.int64], job: Job) -> Tensor:
        self._reader.prefetch(self._rows, rows)
        if len(ahead := job.ahead(len(self._row))):
            self._reader.warm(self._rows, self._row[ahead])
        look, chance = self._look, job.chance()
        batch = _room(len(rows), look.channels or 3, look.resolution)
        for place, row, numbers in zip(batch, rows.tolist(), chance, strict=True):
            place.copy_(self._square(row, numbers, job.augment))
        return operated_on(batch, chance, job.augment)

    def _square(self, row: int, chance: NDArray[np.float32], augment: Augment) -> Tensor:
        import torch

        look = self._look
        try:
            pixels = decoded(self._reader.view(self._rows, row), look.channels or 3)
        except OSError as error:
            raise undecodable(self._shards, self._rows, row, error) from error
        if augment.kind == "resized-crop":
            return resized_crop(pixels, look.resolution, chance, augment)
        square = centred(pixels, look)
        if augment.kind == "shift":
            return torch.from_numpy(shifted(square[None].numpy(), chance[None], augment)[0])
        return square


def _room(num: int, channels: int, side: int) -> Tensor:
    """An empty batch, channels last; of a worker, in memory that the training sees too."""
    import torch
    from torch.utils.data import get_worker_info

    shape = (num, side, side, channels)
    if get_worker_info() is None:
        return torch.empty(shape, dtype=torch.uint8).permute(0, 3, 1, 2)
    # as torch's own collate does, which spares a copy of every batch
    num_bytes = num * side * side * channels
    shared = torch.UntypedStorage._new_shared(num_bytes)  # type: ignore[no-untyped-call]
    return torch.empty(0, dtype=torch.uint8).set_(shared).view(shape).permute(0, 3, 1, 2)
