"""Packing many shards, in this process or in several: the bytes are the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from granctl.shards.build.pack import Packing, packed
from granctl.shards.build.plan import PlannedShard
from granctl.shards.pool import Tell, over_shards_in_halves


def pack_all(
    folder: Path, shards: Sequence[PlannedShard], packing: Packing, workers: int, tell: Tell
) -> None:
    """Packs shards.

    Raises:
        WorkerDiedError: a process was killed.
        SourceChangedError: the source is not as it was listed.
        OutputNotWritableError: no space, read-only, no permission.
    """

    def pack(number: int, tell: Tell) -> Callable[[], None]:
        return packed(folder, shards[number], packing, lambda size, good: tell(1, size, not good))

    over_shards_in_halves([shard.stem for shard in shards], pack, workers, tell)
