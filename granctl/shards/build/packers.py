"""Packing many shards, in this process or in several: the bytes are the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from granctl.shards.build.pack import Packing, pack_shard
from granctl.shards.build.plan import PlannedShard
from granctl.shards.pool import Tell, over_shards


def pack_all(
    folder: Path, shards: Sequence[PlannedShard], packing: Packing, workers: int, tell: Tell
) -> None:
    """Packs shards.

    Raises:
        WorkerDiedError: a process was killed.
        SourceChangedError: the source is not as it was listed.
        OutputNotWritableError: no space, read-only, no permission.
    """

    def pack(number: int, tell: Tell) -> None:
        pack_shard(folder, shards[number], packing, lambda size, good: tell(1, size, not good))

    over_shards([shard.stem for shard in shards], pack, workers, tell)
