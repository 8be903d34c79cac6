"""What the checks look at: gathered by reading, and values from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.shards.verify.layout import LabelHeads, Layout, ShardRows
from granctl.shards.verify.scan import Scan
from granctl.shards.verify.walk import LABEL_MEMBERS, Group, Walk


@dataclass(frozen=True, kw_only=True, eq=False)
class IndexFacts:
    """What the rows of an index say together; of a good index, arrays have shape (n,)."""

    images: Sequence[int]
    """Of each shard."""
    splits: Mapping[str, Any]
    """Split -> images, image_bytes, label_counts, label_bytes, as the manifest has them."""
    content_digest: str
    keys: NDArray[np.int32]
    """-1 where a key is none of nine digits."""
    split_of: NDArray[np.int8]
    """Index into `SPLITS`."""
    sums: NDArray[np.uint64]
    """Shape (n, 2): the xxh3-128 of each image."""
    oddities: Sequence[str]
    """What is wrong with rows: labels and splits that the manifest has not."""

    @property
    def num_images(self) -> int:
        """Rows of all shards."""
        return sum(self.images)


@dataclass(frozen=True, kw_only=True, eq=False)
class SetFacts:
    """What lies in the folder of a shard set, its shards left out."""

    where: str
    """Folder or URL."""
    files: Mapping[str, int] | None
    """Name -> bytes; None: the place cannot be listed (http)."""
    folders: Sequence[str]
    spec: Mapping[str, Any] | None
    spec_problem: str
    """Why there is no spec; empty where there is one."""
    manifest: Mapping[str, Any] | None
    manifest_problem: str
    index: IndexFacts | None
    index_problem: str
    base: Mapping[str, Any] | None
    """Of a view: the manifest of the set whose tars and index it reads."""
    base_problem: str
    """Why the base of a view cannot be read; empty where it can, and where this is no view."""
    num_bad: int | None
    """Images that bad.csv says were left out; None: there is no such file."""
    bad_problem: str

    @property
    def tars(self) -> list[str]:
        """Names of the tars beside each other, sorted."""
        return sorted(name for name in self.files or () if name.endswith(".tar") and name[0] != ".")

    @property
    def is_view(self) -> bool:
        """It has tars and index of another set."""
        return self.manifest is not None and "view" in self.manifest

    @property
    def is_foreign(self) -> bool:
        """Tars that granctl did not write."""
        nothing = self.spec is None and self.manifest is None
        return nothing and not self.spec_problem and not self.manifest_problem and bool(self.tars)


@dataclass(frozen=True, kw_only=True, eq=False)
class ShardFacts:
    """What is known of one shard, after one pass over it."""

    name: str
    num_bytes: int | None
    """Of the file; None: it is not there."""
    listed_bytes: int | None
    """As the manifest says; None: there is none."""
    problem: str
    """Why the system cannot read it; empty where it can."""
    rows: ShardRows | None
    """None: there is no index to compare with."""
    layout: Layout | None
    """None: there are no rows, or they contradict each other."""
    scan: Scan | None
    """None: there is no layout to read by."""
    walk: Walk | None
    """Only where the scan did not show that the tar is as listed: then nothing else is in it."""
    known: LabelHeads | None

    @cached_property
    def row_of_key(self) -> Mapping[str, int]:
        """Key -> row of the index."""
        keys = self.rows.keys.tolist() if self.rows else []
        return {f"{key:09d}": row for row, key in enumerate(keys)}

    def key(self, row: int) -> str:
        """The key of a row."""
        assert self.rows is not None
        return f"{int(self.rows.keys[row]):09d}"

    def groups(self) -> Sequence[Group]:
        """Samples as the headers say; none where the scan sufficed."""
        return self.walk.groups if self.walk else ()

    @cached_property
    def unwalked(self) -> NDArray[np.bool_]:
        """Rows whose sample meets a damaged header: what is in it is judged by place alone."""
        rows = np.zeros(len(self.rows) if self.rows else 0, dtype=np.bool_)
        if self.walk and self.walk.gaps and self.layout is not None:
            begins, ends = self.layout.begins, self.layout.ends
            for first, last in self.walk.gaps:
                rows |= (begins < last) & (ends > first)
        return rows

    @cached_property
    def displaced(self) -> NDArray[np.bool_]:
        """Rows whose image lies elsewhere in the tar than the index says, or not at all."""
        rows = np.zeros(len(self.rows) if self.rows else 0, dtype=np.bool_)
        if self.walk is None or self.rows is None:
            return rows
        places = {group.key: group.place for group in reversed(self.walk.groups)}
        listed = zip(self.rows.offsets.tolist(), self.rows.sizes.tolist(), strict=True)
        for row, place in enumerate(listed):
            rows[row] = places.get(self.key(row)) != place
        return rows & ~self.unwalked

    @property
    def num_read(self) -> int:
        """Images whose bytes were looked at."""
        return self.scan.num_rows if self.scan else 0

    @property
    def is_clean(self) -> bool:
        """Every byte of the tar is what index and manifest say."""
        if self.scan is None or self.rows is None or self.known is None:
            return False
        if not self.scan.is_as_listed:  # not all rows may have been read
            return False
        said = self.scan.verdicts
        labels_right = (said.cls == self.known.firsts[self.rows.labels]) & (said.json == 0)
        samples_right = said.sound & ~said.misnamed
        return bool((labels_right & samples_right).all())

    @property
    def lost(self) -> range:
        """Rows that the end of a file that is too short cuts off."""
        if self.rows is None or self.scan is None:
            return range(0)
        return range(self.scan.num_rows, len(self.rows))

    def judged(self, name: str) -> NDArray[Any]:
        """A column of the scan's verdicts; of no rows where there was no scan."""
        if self.scan is None:
            return np.zeros(0, dtype=np.uint8)
        found: NDArray[Any] = getattr(self.scan.verdicts, name)
        return found

    @cached_property
    def in_place(self) -> NDArray[np.bool_]:
        """Rows that were scanned where the index says and may be judged by what lies there."""
        num = self.scan.num_rows if self.scan else 0
        return ~self.displaced[:num]

    @cached_property
    def complete(self) -> NDArray[np.bool_]:
        """Those of them with all three members, so that .cls and .json are in place too."""
        rows = self.in_place.copy()
        if self.walk is not None:
            whole = {g.key for g in self.walk.groups if g.extensions[1:] == LABEL_MEMBERS}
            for row in np.flatnonzero(rows & ~self.unwalked[: len(rows)]).tolist():
                rows[row] = self.key(row) in whole
        return rows
