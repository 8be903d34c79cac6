"""Features of a network for every image of some splits, in the order of their rows.

Parts of 8,000 images are kept beside the output as they are made, and joined at the end: memory is
that of a part and of the index, and a process that was killed goes on from the last whole part.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from granctl.alone import making_alone
from granctl.errors import BadOptionError, GranctlError, OutputExistsError
from granctl.files import remove_leftovers
from granctl.progress import Progress
from granctl.provenance import digest, provenance
from granctl.shards.feature_file import Keys, write_features
from granctl.shards.feature_parts import Parts, Span, spans_of
from granctl.shards.feature_stream import FeatureStream
from granctl.shards.features import head_of
from granctl.shards.index import ShardSet
from granctl.train.device import Machine, open_device, threads
from granctl.train.evaluate import outputs
from granctl.train.origin import Origin
from granctl.train.waiting import TimedImages, Waiting
from granctl.train.world import Place, place_of
from granctl.workspace import Artefact, Workspace, begin_folder, folder_state

SCHEMA = 1
ROWS_A_PART = 8_000
BATCH = 200
"""Images that are shown at once; it divides a part, so that every part begins a batch."""
ALL = "all"
_LOOK_S = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbedSpec:
    """What `granctl embed` is asked."""

    origin: Origin
    shards: Path | str
    splits: tuple[str, ...] = ("train",)
    """In any order: rows are in that of train, val, test. ("all",): every split of the set."""
    dtype: Literal["float32", "float16"] = "float32"
    """Of the numbers in the file."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Work:
    """What is to be done, looked up."""

    spec: EmbedSpec
    shards: ShardSet
    splits: tuple[str, ...]
    identity: str
    inputs: dict[str, str]
    path: Path
    machine: Machine
    progress: Progress
    rows_a_part: int

    @property
    def split(self) -> str:
        return "+".join(self.splits)

    @property
    def keys(self) -> Keys:
        return Keys(
            checksums=np.concatenate([self.shards.checksums(split) for split in self.splits]),
            label=np.concatenate([self.shards.rows(split).label for split in self.splits]),
            label_ids=self.shards.labels,
            splits={split: self.shards.num_images(split) for split in self.splits},
        )


def embed(
    workspace: Workspace,
    spec: EmbedSpec,
    out: Path | None,
    progress: Progress,
    machine: Machine | None = None,
    *,
    rows_a_part: int = ROWS_A_PART,
) -> Artefact:
    """Shows every image to a network once and writes what its body says.

    Of several processes each makes its share of the parts; the first joins them. The artefact of
    the others is not whole.

    Args:
        workspace: where it is kept unless `out` says otherwise.
        spec: what is asked.
        out: the file.
        progress: of the images.
        machine: where it is computed.
        rows_a_part: images whose features are lost at most when the process is killed.

    Raises:
        NoSuchSplitError: the shard set lacks a split.
        UnfinishedRunError: the run was stopped before its end.
        OutputExistsError: `out`, or the folder of its parts, holds something else.
        BadOptionError: float16 cannot hold the features.
        GranctlError: an input is damaged, or the output cannot be written.
    """
    work = _looked_up(workspace, spec, out, progress, machine or Machine(), rows_a_part)
    if work.path.exists():
        return _found(work)
    place, folder = place_of(os.environ), work.path.with_name(f"{work.path.name}.parts")
    if folder_state(folder, work.identity) == "absent":
        begin_folder(folder, work.identity, _asked(work), work.inputs)
    parts = Parts(folder, spans_of(_sizes(work), rows_a_part))
    if place.rank > 0:
        parts.begin(place.rank)
        waiting = _made(work, parts, place)
        parts.done(place.rank)
        return _artefact(work, None, waiting, made=True)
    with making_alone(folder, progress):
        if work.path.exists():  # by the process that was waited for
            return _found(work)
        remove_leftovers(work.path.parent)
        waiting = _made(work, parts, place)
        while parts.not_done(place.size):
            time.sleep(_LOOK_S)
        dim = next(parts.matrices()).shape[1]
        write_features(
            work.path,
            parts.matrices(),
            keys=work.keys,
            dim=dim,
            dtype=spec.dtype,
            head=head_of(
                digest=work.identity,
                run_digest=spec.origin.digest,
                shards_digest=work.shards.digest,
                split=work.split,
                record=provenance(_asked(work), work.inputs),
            ),
        )
        parts.remove()
    return _artefact(work, dim, waiting, made=True)


def _looked_up(
    workspace: Workspace,
    spec: EmbedSpec,
    out: Path | None,
    progress: Progress,
    machine: Machine,
    rows_a_part: int,
) -> _Work:
    shards = ShardSet.open(spec.shards)
    given = set(shards.splits if ALL in spec.splits else spec.splits)
    for split in sorted(given):
        shards.rows(split)  # one that is not there is an error before the first output
    splits = tuple(split for split in shards.splits if split in given)
    inputs = {"run": spec.origin.digest, "shards": shards.digest}
    asked = {"kind": "features", "schema": SCHEMA, "split": "+".join(splits), "inputs": inputs}
    if spec.dtype != "float32":
        asked["dtype"] = spec.dtype
    identity = digest(asked)
    name = f"{spec.origin.name}-{'+'.join(splits)}"
    return _Work(
        spec=spec,
        shards=shards,
        splits=splits,
        identity=identity,
        inputs=inputs,
        path=out.absolute() if out else workspace.place("features", name, identity, ".parquet"),
        machine=machine,
        progress=progress,
        rows_a_part=rows_a_part,
    )


def _asked(work: _Work) -> dict[str, Any]:
    dtype = {} if work.spec.dtype == "float32" else {"dtype": work.spec.dtype}
    return {"split": work.split, **dtype}


def _sizes(work: _Work) -> dict[str, int]:
    return {split: work.shards.num_images(split) for split in work.splits}


def _made(work: _Work, parts: Parts, place: Place) -> Waiting:
    """Makes those parts of this process that are not there."""
    waiting = Waiting()
    ours = range(place.rank, len(parts.spans), place.size)
    missing = parts.missing(ours)
    if len(missing) < len(ours):
        there = len(ours) - len(missing)
        work.progress.note(f"goes on: {there} of {len(ours)} parts are there")
    if not missing:
        return waiting
    device = open_device(work.machine)
    with threads(work.machine):
        network = work.spec.origin.network(work.progress).to(device)
        for split in work.splits:
            numbers = [number for number in missing if parts.spans[number].split == split]
            if numbers:
                spans = [parts.spans[number] for number in numbers]
                matrices = _features(work, network, device, split, spans, waiting)
                for number, matrix in zip(numbers, matrices, strict=True):
                    parts.keep(number, _narrowed(matrix, work.spec.dtype))
    work.progress.note(f"waited for images: {waiting.share:.1%} of the time")
    return waiting


def _features(
    work: _Work, network: Any, device: Any, split: str, spans: Sequence[Span], waiting: Waiting
) -> Iterator[NDArray[np.float32]]:
    """The features of some parts of a split, a matrix each."""
    look, precision = work.spec.origin.recipe.input, work.spec.origin.recipe.precision
    images = TimedImages(
        shards=work.shards,
        split=split,
        row=np.concatenate([np.arange(s.begin, s.end, dtype=np.int64) for s in spans]),
        look=look,
        machine=work.machine,
        progress=work.progress,
        waiting=waiting,
    )
    size = min(BATCH, work.rows_a_part)
    shown = outputs(network, images, device, features=True, precision=precision, batch_size=size)
    for span in spans:
        held: list[NDArray[np.float32]] = []
        while sum(map(len, held)) < len(span):
            held.append(next(shown)[0])
        yield np.concatenate(held)
    for _ in shown:  # none is left: its progress ends
        pass


def _narrowed(matrix: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """The numbers as they stand in the file.

    Raises:
        BadOptionError: float16 cannot hold one that is finite.
    """
    with np.errstate(over="ignore"):
        narrow = matrix.astype(dtype)
    if (np.isfinite(matrix) & ~np.isfinite(narrow)).any():
        most = float(np.abs(matrix[np.isfinite(matrix)]).max())
        raise BadOptionError("--dtype", f"float16 cannot hold {most:.3g}", "take float32")
    return narrow


def _found(work: _Work) -> Artefact:
    try:
        features = FeatureStream.open(work.path)
    except GranctlError as error:
        raise OutputExistsError(work.path, "something that is no whole features file") from error
    if features.digest != work.identity:
        raise OutputExistsError(work.path, "features of another run, shard set or split")
    folder = work.path.with_name(f"{work.path.name}.parts")
    if folder.is_dir() and folder_state(folder, work.identity) != "absent":
        Parts(folder, []).remove()  # a kill came between the file and their end
    return _artefact(work, features.dim, None, made=False)


def _artefact(work: _Work, dim: int | None, waiting: Waiting | None, *, made: bool) -> Artefact:
    details = {
        "images": sum(_sizes(work).values()),
        "dimensions": dim,
        "split": work.split,
        "splits": _sizes(work),
        "dtype": work.spec.dtype,
        "run_digest": work.spec.origin.digest,
        "shards_digest": work.shards.digest,
        "waiting": None if waiting is None else round(waiting.share, 4),
    }
    return Artefact(
        kind="features",
        path=work.path,
        digest=work.identity,
        made=made,
        whole=dim is not None,
        details=details,
    )
