"""Images and labels of a data set, counted by names alone; and whether that is all there should be.

Counting opens no image: for a shard set it reads the manifest, for all else it lists the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import listing
from granctl.progress import Progress, Silent
from granctl.shards.index import ShardSet
from granctl.shards.source.knownsets import KnownSet, Release
from granctl.shards.source.listing import SPLITS
from granctl.shards.source.resolve import EMBEDDED, open_as, open_source
from granctl.workspace import MANIFEST_NAME, Workspace


@dataclass(frozen=True, kw_only=True, eq=False)
class Counted:
    """How many images each label of a data set has."""

    path: Path
    form: str
    """`shards` or `source`."""
    labels: tuple[str, ...]
    """Sorted."""
    images: Mapping[str, NDArray[np.int64]]
    """Split that has images -> shape (number of labels,)."""
    others: int
    """Files that are no images, and images that are left out."""

    def record(self, name: str) -> dict[str, Any]:
        """The fields of `granctl data check`."""
        splits = {split: int(nums.sum()) for split, nums in self.images.items()}
        return {
            "name": name,
            "path": str(self.path),
            "form": self.form,
            "labels": len(self.labels),
            "images": sum(splits.values()),
            "splits": splits,
            "others": self.others,
        }


def counted(
    workspace: Workspace, name: str, path: Path | None, progress: Progress | None = None
) -> Counted:
    """Counts what lies at a path, as the data set of that name.

    Args:
        workspace: where names are registered and what headers say is kept.
        name: decides what numbers of folders mean.
        path: None: where the name is registered.
        progress: is told how far the pass over headers is.

    Raises:
        UnknownDataError: nobody registered it.
        UserError: it is no source, as in `open_source`.
    """
    progress = progress or Silent()
    if path is None and name != EMBEDDED:
        path = workspace.data_folder(name)
    if path is not None and (path / MANIFEST_NAME).is_file():
        shards = ShardSet.open(path)
        images = {s: np.array(n, dtype=np.int64) for s, n in shards.label_counts.items()}
        return Counted(
            path=shards.root, form="shards", labels=shards.labels, images=images, others=0
        )
    if path is None:
        source = open_source(workspace, name, progress=progress)
    else:
        source = open_as(workspace, name, path, progress)
    found, num = source.listing, len(source.listing.labels)
    code = found.split_of.astype(np.int64) * num + found.label_of
    counts = np.bincount(code, minlength=num * len(SPLITS)).reshape(len(SPLITS), num)
    return Counted(
        path=source.root if path is None else path,
        form="source",
        labels=found.labels,
        images={s: n for s, n in zip(SPLITS, counts, strict=True) if n.any()},
        others=found.num_others + found.num_outside + len(found.rejected),
    )


def faults_of(found: Counted, known: KnownSet) -> tuple[str, list[str]]:
    """The release that it comes nearest to, and what keeps it from being that; [] where it is it.

    Args:
        found: what is there.
        known: what a whole one holds.
    """
    faults = {
        release.name: _faults(found, release, known.labels(release.list) if release.list else None)
        for release in known.releases
    }
    num = len(found.labels)
    far = {r.name: (len(faults[r.name]), abs(r.classes - num)) for r in known.releases}
    name = min(faults, key=lambda name: (len(faults[name]) > 0, far[name][1], far[name][0]))
    return name, faults[name]


def _faults(found: Counted, release: Release, labels: Sequence[str] | None) -> list[str]:
    faults = _label_faults(found.labels, release, labels)
    nothing = np.zeros(len(found.labels), dtype=np.int64)
    for split, num in release.images.said.items():
        has = int(found.images.get(split, nothing).sum())
        if has != num:
            most = f"{num - has:,} missing" if has < num else f"{has - num:,} too many"
            faults.append(f"{split} has {has:,} images, not {num:,}: {most}")
    for bounds, word in ((release.fewest, "fewer"), (release.most, "more")):
        for split, bound in bounds.said.items():
            each = found.images.get(split, nothing)
            off = np.flatnonzero(each < bound if word == "fewer" else each > bound)
            if len(off) and each.any():
                which = listing([f"{found.labels[i]} ({each[i]:,})" for i in off.tolist()])
                have = "1 class has" if len(off) == 1 else f"{len(off):,} classes have"
                faults.append(f"{have} {word} than {bound:,} images in {split}: {which}")
    return faults


def _label_faults(have: Sequence[str], release: Release, labels: Sequence[str] | None) -> list[str]:
    if labels is None:
        same = len(have) == release.classes
        return [] if same else [f"it has {len(have):,} classes, not {release.classes:,}"]
    missing, strange = sorted(set(labels) - set(have)), sorted(set(have) - set(labels))
    said = []
    if missing:
        said.append(f"missing are {len(missing):,} of {len(labels):,} classes: {listing(missing)}")
    if strange:
        said.append(f"it has {len(strange):,} that are none of them: {listing(strange)}")
    return said
