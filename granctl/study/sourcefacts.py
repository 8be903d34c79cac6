"""What is known of a study's source before it is read: by shards, listing, or as stated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from granctl.errors import GranctlError
from granctl.progress import Progress
from granctl.shards.build.buildspec import BuildSpec
from granctl.shards.build.selection import select
from granctl.shards.index import ShardSet
from granctl.shards.read import ImageReader
from granctl.shards.source.listing import SPLITS, Listing
from granctl.shards.source.resolve import open_source
from granctl.study import work
from granctl.study.ledger import FolderLedger
from granctl.study.studyplan import StudyPlan
from granctl.study.sweep import place_of
from granctl.train.decode import is_grey
from granctl.workspace import Workspace

_TRAIN = SPLITS.index("train")
_BLOCK = 512
"""Of a tar: a header, and what contents are rounded up to."""
_MEMBERS_BESIDE = 4 * _BLOCK
""".cls and .json of an image, each a header and a block."""


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """Images, labels and bytes of a source; None where nobody knows."""

    images: int | None = None
    """Of the train split."""
    every_image: int | None = None
    """Of all splits."""
    labels: frozenset[str] | None = None
    """That training images have."""
    shard_bytes: int | None = None
    """Of the shards."""
    channels: Literal[1, 3] | None = None
    """Of the first training image, as a run takes them where its recipe does not say."""
    origin: str
    """shards, listing, or who states it."""
    unknown: str | None = None
    """Why nothing is known."""


def source_facts(workspace: Workspace, plan: StudyPlan, progress: Progress) -> SourceFacts:
    """Looks at the shards, else at the source, else into the study's table `stated`."""
    (cell,) = plan.of_stage("shards") or (None,)
    if cell is None:
        return SourceFacts(images=0, every_image=0, shard_bytes=0, origin="none is needed")
    built = FolderLedger(place_of(workspace, plan.study)).known(cell)
    spec = work.build_spec(**cell.params)
    try:
        if built is not None:
            return _of_shards(ShardSet.open(built.path))
        return _of_listing(workspace, cell.params["source"], spec, progress)
    except GranctlError as error:
        stated = plan.study.stated
        if stated is None:
            return SourceFacts(origin="unknown", unknown=str(error))
    held_out = 0 if stated.held_out else round(stated.images * spec.holdout_frac)
    train = stated.images - held_out
    chosen = min(train, spec.images or train)
    every, whole = chosen + held_out + stated.held_out, None
    if stated.bytes is not None and spec.recode is None and chosen == train:
        whole = stated.bytes + every * (_BLOCK + _BLOCK // 2 + _MEMBERS_BESIDE)
    return SourceFacts(
        images=chosen,
        every_image=every,
        shard_bytes=whole,
        origin=f"stated, for the source is not here: {stated.origin}",
    )


def _of_shards(shards: ShardSet) -> SourceFacts:
    counts = shards.label_counts["train"]
    named = zip(shards.labels, counts, strict=True)
    tars = list(shards.root.glob("*.tar"))
    return SourceFacts(
        images=shards.num_images("train"),
        every_image=sum(shards.num_images(split) for split in shards.splits),
        labels=frozenset(name for name, num in named if num),
        shard_bytes=sum(path.stat().st_size for path in tars) if tars else None,
        channels=_channels(lambda: _first_image(shards)),
        origin="shards",
    )


def _of_listing(
    workspace: Workspace, source_name: str, spec: BuildSpec, progress: Progress
) -> SourceFacts:
    source = open_source(workspace, source_name)
    listing = source.listing
    classes: list[tuple[int, ...]]  # as of a build without a map
    classes = [(label,) for label in range(len(listing.labels))]
    split_of = select(workspace, source, classes, spec, progress).split_of
    train = split_of == _TRAIN
    present = np.unique(listing.label_of[train])
    return SourceFacts(
        images=int(np.count_nonzero(train)),
        every_image=int(np.count_nonzero(split_of >= 0)),
        labels=frozenset(listing.labels[i] for i in present.tolist()),
        shard_bytes=None if spec.recode else _tar_bytes(listing, split_of >= 0),
        channels=_channels(lambda: source.read(int(np.flatnonzero(train)[0]))),
        origin="listing",
    )


def _first_image(shards: ShardSet) -> bytes:
    with ImageReader(shards) as reader:
        return bytes(reader.image(shards.rows("train"), 0))


def _channels(read: Callable[[], bytes]) -> Literal[1, 3] | None:
    """Channels of an image; None where it cannot be read, which the build or the run will tell."""
    try:
        return 1 if is_grey(read()) else 3
    except (GranctlError, OSError, IndexError):
        return None


def _tar_bytes(listing: Listing, kept: NDArray[np.bool_]) -> int:
    """What shards of the images take, but for the ends of the tars."""
    sizes = listing.sizes[kept]
    blocks = -(-sizes // _BLOCK) * _BLOCK
    return int(blocks.sum()) + len(sizes) * (_BLOCK + _MEMBERS_BESIDE)
