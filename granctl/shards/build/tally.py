"""How far a planned shard set is, by the parts that lie in it: others pack, this only looks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from granctl.shards.build.pack import find_part, part_path
from granctl.shards.build.plan import PlannedShard


class Counted(NamedTuple):
    """What became whole since the last look."""

    images: int
    num_bad: int


class Tally:
    """Shards that are awaited; each is looked at once more when its part has appeared."""

    def __init__(self, folder: Path, shards: Sequence[PlannedShard]) -> None:
        self._folder = folder
        there = self._parts()
        absent = [s for s in shards if s.stem not in there or find_part(folder, s.stem) is None]
        self._awaited = {shard.stem: shard for shard in absent}
        self.num_images = sum(len(shard.members) for shard in absent)
        """Of all shards that are awaited in the beginning."""
        self.num_shards = len(absent)

    @property
    def num_left(self) -> int:
        """Shards that are not whole yet."""
        return len(self._awaited)

    def look(self) -> Counted:
        """Counts the shards that became whole since the last look.

        Raises:
            ManifestMismatchError: a part is damaged.
        """
        images = num_bad = 0
        for stem in self._parts() & self._awaited.keys():
            part = find_part(self._folder, stem)
            if part is not None:
                images += len(self._awaited.pop(stem).members)
                num_bad += len(part.bad)
        return Counted(images, num_bad)

    def rest(self) -> Counted:
        """Counts all that are left: the set is whole, and its parts are gone."""
        images = sum(len(shard.members) for shard in self._awaited.values())
        self._awaited.clear()
        return Counted(images, 0)

    def _parts(self) -> set[str]:
        """Stems with a part file; one listing, not a question a shard."""
        suffix = part_path(self._folder, "").name
        try:
            names = os.listdir(part_path(self._folder, "").parent)
        except FileNotFoundError:  # they go when the set is whole
            return set()
        return {n.removesuffix(suffix) for n in names if n.endswith(suffix) and n[0] != "."}
