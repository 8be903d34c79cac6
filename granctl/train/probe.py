"""What networks see in the same held-out images: separation of classes, rank, likeness, read-out.

probes/<name>-<digest>.json: the object that `--json` prints.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import (
    BadOptionError,
    ManifestMismatchError,
    NothingToProbeError,
    OutputExistsError,
)
from granctl.files import read_json, write_json
from granctl.progress import Progress
from granctl.provenance import digest, provenance
from granctl.shards.feature_stream import FeatureStream
from granctl.shards.index import ShardSet
from granctl.train.device import Machine, threads
from granctl.train.embed import EmbedSpec, embed
from granctl.train.labelling import keys_of
from granctl.train.origin import Origin
from granctl.train.public import PublicModel
from granctl.train.readout import Inside, inside_of, read_out, some_of_each
from granctl.train.representation import (
    Groups,
    Moments,
    class_separation,
    effective_rank,
    linear_cka,
    variance_ratio,
)
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Artefact, Workspace

SCHEMA = 1
TRAIN = "train"
PER_CLASS = 100
_ROWS = 4096
"""Images at once where features of two files go side by side."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeSpec:
    """What `granctl probe` is asked."""

    origin: Origin
    shards: Path | str
    labels: Path | None = None
    """The fine classes; None: every label is one."""
    coarse: Path | None = None
    """The coarse classes; None: nothing is measured inside them."""
    others: tuple[Origin, ...] = ()
    """Measured on the same images, and compared with `origin`."""
    per_class: int = PER_CLASS
    """Training images of each fine class from which the linear read-out learns, at most."""
    seed: int = 0
    """Which ones."""

    def check(self) -> None:
        """Checks the values.

        Raises:
            BadOptionError: one of them cannot be used.
        """
        if self.per_class < 1:
            raise BadOptionError("--per-class", f"{self.per_class} is below 1", "give 1 or more")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Truth:
    """The classes of one split's images; below 0: none."""

    fine: NDArray[np.int64]
    """Shape (n,)."""
    coarse: NDArray[np.int64] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Question:
    """What is measured, looked up."""

    spec: ProbeSpec
    shards: ShardSet
    held_out: str
    fine: LabelMap
    coarse: LabelMap | None
    train: _Truth
    test: _Truth

    @cached_property
    def chosen(self) -> NDArray[np.int64]:
        """Rows of the training split that the read-out learns from."""
        rng = np.random.default_rng(self.spec.seed)
        return some_of_each(self.train.fine, self.spec.per_class, rng)

    @cached_property
    def scored(self) -> NDArray[np.int64]:
        """Rows of the held-out split whose fine class has training images."""
        known = np.zeros(self.fine.num_classes + 1, dtype=bool)  # the last: no class
        known[self.train.fine[self.train.fine >= 0]] = True
        return np.flatnonzero(known[self.test.fine])

    @cached_property
    def inside(self) -> Inside | None:
        """Which fine classes are told apart inside a coarse one."""
        if self.coarse is None or self.train.coarse is None:
            return None
        sizes = self.fine.num_classes, self.coarse.num_classes
        return inside_of(self.train.fine, self.train.coarse, *sizes)

    @cached_property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The (fine, coarse) pairs among the scored images, shape (P, 2), and each image's."""
        coarse = self.test.coarse
        both = np.stack(
            [self.test.fine, np.full_like(self.test.fine, -1) if coarse is None else coarse], axis=1
        )
        found, pair = np.unique(both[self.scored], axis=0, return_inverse=True)
        number = np.full(len(both), -1, dtype=np.int64)
        number[self.scored] = pair.reshape(-1)
        return found, number

    @property
    def nested(self) -> bool | None:
        """Whether each fine class lies in one coarse class, by the scored images."""
        if self.coarse is None:
            return None
        fine = self.pairs[0][:, 0]
        return len(np.unique(fine)) == len(fine)


def probe(
    workspace: Workspace,
    spec: ProbeSpec,
    out: Path | None,
    progress: Progress,
    machine: Machine | None = None,
) -> Artefact:
    """Measures one network, and others beside it, on the held-out images of a shard set.

    Features are artefacts of their own: what another probe or `granctl embed` made is read again.

    Raises:
        BadOptionError: a value cannot be used.
        NoSuchSplitError: the shard set has no training or no held-out images.
        NothingToProbeError: fewer than two fine classes have images in both splits.
        LabelsNotInMapError: an image has a label that a map does not know.
        FeaturesNotFiniteError: a network gives NaN or infinity.
        OutputExistsError: `out` holds something else.
        GranctlError: an input is missing or damaged.
    """
    spec.check()
    question = _question(spec)
    inputs = {
        "shards": question.shards.digest,
        "labels": question.fine.content_digest,
        **({} if question.coarse is None else {"coarse": question.coarse.content_digest}),
        **{name: one.digest for name, one in zip(_names(spec), _all(spec), strict=True)},
    }
    asked = {"split": question.held_out, "per_class": spec.per_class, "seed": spec.seed}
    identity = digest({"kind": "probe", "schema": SCHEMA, **asked, "inputs": inputs})
    name = f"{spec.origin.name}-{question.held_out}"
    path = out.absolute() if out else workspace.place("probe", name, identity, ".json")
    if path.exists():
        return _found(path, identity)
    if question.nested is False:
        progress.note(
            f"the classes of {question.fine.name} do not lie each in one of"
            f" {question.coarse and question.coarse.name}: each image counts under its own pair"
        )
    machine = machine or Machine()
    tests = [
        _features(workspace, one, question, question.held_out, progress, machine)
        for one in _all(spec)
    ]
    trains = [_features(workspace, one, question, TRAIN, progress, machine) for one in _all(spec)]
    with threads(machine):
        networks = _measured(question, trains, tests, progress)
    details = {**_said(question), "networks": networks, **asked, "inputs": inputs}
    details["provenance"] = provenance(asked, inputs)
    made = Artefact(kind="probe", path=path, digest=identity, made=True, details=details)
    write_json(path, made.record())
    return made


def _all(spec: ProbeSpec) -> tuple[Origin, ...]:
    return (spec.origin, *spec.others)


def _names(spec: ProbeSpec) -> list[str]:
    return ["run", *(f"with_{number}" for number in range(1, len(spec.others) + 1))]


def _found(path: Path, identity: str) -> Artefact:
    try:
        record = read_json(path)
    except (ManifestMismatchError, OSError) as error:
        raise OutputExistsError(path, "something that is no probe") from error
    if record.get("kind") != "probe" or record.get("digest") != identity:
        raise OutputExistsError(path, "something else, or a probe of other inputs")
    own = ("kind", "path", "digest", "made", "schema")
    details = {key: value for key, value in record.items() if key not in own}
    return Artefact(kind="probe", path=path, digest=identity, made=False, details=details)


def _question(spec: ProbeSpec) -> _Question:
    shards = ShardSet.open(spec.shards)
    fine = _every_label(shards) if spec.labels is None else LabelMap.read(spec.labels)
    coarse = None if spec.coarse is None else LabelMap.read(spec.coarse)

    def truth(split: str) -> _Truth:
        return _Truth(
            fine=_first_class(shards, split, fine),
            coarse=None if coarse is None else _first_class(shards, split, coarse),
        )

    question = _Question(
        spec=spec,
        shards=shards,
        held_out=shards.held_out,
        fine=fine,
        coarse=coarse,
        train=truth(TRAIN),
        test=truth(shards.held_out),
    )
    classes = len(np.unique(question.test.fine[question.scored]))
    if classes < 2:
        raise NothingToProbeError(fine.name, shards.held_out, classes)
    return question


def _every_label(shards: ShardSet) -> LabelMap:
    number = np.arange(len(shards.labels))
    names: Any = {"class_ids": shards.labels, "class_names": shards.labels}
    return LabelMap.from_single(shards.labels, number, **names, method="leaf")


def _first_class(shards: ShardSet, split: str, labels: LabelMap) -> NDArray[np.int64]:
    """Shape (images of the split,): the first class of each; -1 where it has none."""
    key = keys_of(shards, split, labels)
    first = np.full(len(labels.labels), -1, dtype=np.int64)
    some = np.diff(labels.offsets) > 0
    first[some] = labels.classes[labels.offsets[:-1][some]]
    return first[key]


def _features(
    workspace: Workspace,
    origin: Origin,
    question: _Question,
    split: str,
    progress: Progress,
    machine: Machine,
) -> FeatureStream:
    asked = EmbedSpec(origin=origin, shards=question.spec.shards, splits=(split,))
    return FeatureStream.open(embed(workspace, asked, None, progress, machine).path)


def _measured(
    question: _Question,
    trains: list[FeatureStream],
    tests: list[FeatureStream],
    progress: Progress,
) -> list[dict[str, Any]]:
    origins = _all(question.spec)
    progress.start("probe", len(origins), "networks")
    first: Moments | None = None
    networks = []
    for origin, train, test in zip(origins, trains, tests, strict=True):
        groups, own = _sums(question, test)
        alike = None
        if first is None:
            first = own
        else:
            cross = _across(question, tests[0], test)
            alike = linear_cka(first.centred, own.centred, cross.centred)
        networks.append(
            {
                **_who(origin),
                "dimensions": test.dim,
                "effective_rank": effective_rank(own.centred),
                **_separations(question, groups),
                "linear": dataclasses.asdict(_read(question, train, test)),
                "cka": alike,
            }
        )
        progress.advance()
    progress.finish()
    return networks


def _sums(question: _Question, test: FeatureStream) -> tuple[Groups, Moments]:
    """Of the scored images: sums of each pair of classes, and products of their features."""
    pairs, number = question.pairs
    groups, own = Groups(len(pairs), test.dim), Moments(test.dim, test.dim)
    for start, matrix in test.checked_pieces():
        pair = number[start : start + len(matrix)]
        groups.add(matrix, pair)
        own.add(matrix[pair >= 0], matrix[pair >= 0])
    return groups, own


def _across(question: _Question, one: FeatureStream, other: FeatureStream) -> Moments:
    number = question.pairs[1]
    found, start = Moments(one.dim, other.dim), 0
    for left, right in zip(_chunks(one), _chunks(other), strict=True):
        kept = number[start : start + len(left)] >= 0
        found.add(left[kept], right[kept])
        start += len(left)
    return found


def _chunks(stream: FeatureStream) -> Iterator[NDArray[np.float32]]:
    """The matrix in pieces of one size, whatever the file's row groups are."""
    held = np.empty((0, stream.dim), dtype=np.float32)
    for _, matrix in stream.pieces():
        held = np.concatenate([held, matrix])
        while len(held) >= _ROWS:
            yield held[:_ROWS]
            held = held[_ROWS:]
    if len(held):
        yield held


def _separations(question: _Question, groups: Groups) -> dict[str, Any]:
    pairs, _ = question.pairs
    fine = groups.merged(pairs[:, 0], question.fine.num_classes)
    separation: dict[str, float | None] = {"fine": class_separation(fine)}
    variance: dict[str, float | None] = {"fine": variance_ratio([fine])}
    if question.coarse is not None:
        coarse = groups.merged(pairs[:, 1], question.coarse.num_classes)
        parts = [groups.only(pairs[:, 1] == one) for one in np.unique(pairs[:, 1]) if one >= 0]
        inside = [found for part in parts if (found := class_separation(part)) is not None]
        separation["coarse"] = class_separation(coarse)
        separation["fine_inside_coarse"] = float(np.mean(inside)) if inside else None
        variance["coarse"] = variance_ratio([coarse])
        variance["fine_inside_coarse"] = variance_ratio(parts)
    return {"separation": separation, "variance_ratio": variance}


def _read(question: _Question, train: FeatureStream, test: FeatureStream) -> Any:
    coarse = question.test.coarse
    return read_out(
        _rows(train, question.chosen),
        question.train.fine[question.chosen],
        _rows(test, question.scored),
        question.test.fine[question.scored],
        None if coarse is None else coarse[question.scored],
        question.inside,
    )


def _rows(stream: FeatureStream, wanted: NDArray[np.int64]) -> NDArray[np.float32]:
    """Some rows, ascending: shape (len(wanted), d)."""
    found = [np.empty((0, stream.dim), dtype=np.float32)]
    for start, matrix in stream.checked_pieces():
        begin, end = np.searchsorted(wanted, [start, start + len(matrix)])
        found.append(matrix[wanted[begin:end] - start])
    return np.concatenate(found)


def _who(origin: Origin) -> Mapping[str, Any]:
    if isinstance(origin, PublicModel):
        return {"name": origin.label, "seed": None, "digest": origin.digest}
    head = origin.record.get("head")
    name = head["name"] if head else origin.record["cut"]["name"]
    return {"name": name, "seed": origin.record["seed"], "digest": origin.digest}


def _said(question: _Question) -> dict[str, Any]:
    fine, coarse = question.test.fine[question.scored], question.test.coarse
    with_coarse = None if coarse is None else coarse[question.scored]
    return {
        "labels": question.fine.name,
        "coarse": None if question.coarse is None else question.coarse.name,
        "nested": question.nested,
        "images": len(question.scored),
        "fine_classes": len(np.unique(fine)),
        "coarse_classes": None
        if with_coarse is None
        else len(np.unique(with_coarse[with_coarse >= 0])),
        "train_images": len(question.chosen),
    }
