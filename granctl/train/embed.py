"""Features of a run's network for every image of a split, in the order of its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from granctl.errors import OutputExistsError
from granctl.progress import Progress
from granctl.provenance import digest, provenance
from granctl.shards.features import Features
from granctl.shards.index import ShardSet
from granctl.train.device import Machine, open_device, threads
from granctl.train.evaluate import outputs
from granctl.train.images import Images
from granctl.train.runs import Run
from granctl.workspace import Artefact, Workspace

SCHEMA = 1


def embed(
    workspace: Workspace,
    run: Path,
    shards: Path,
    split: str,
    out: Path | None,
    progress: Progress,
    machine: Machine | None = None,
) -> Artefact:
    """Shows every image of a split to a run's network once and writes what its body says.

    Raises:
        NoSuchSplitError: the shard set lacks the split.
        UnfinishedRunError: the run was stopped before its end.
        OutputExistsError: `out` holds something else.
    """
    source, images_of = Run.open(run), ShardSet.open(shards)
    inputs = {"run": source.digest, "shards": images_of.digest}
    asked = {"kind": "features", "schema": SCHEMA, "split": split, "inputs": inputs}
    identity = digest(asked)
    name = f"{source.recipe.name}-{split}"
    path = out.absolute() if out else workspace.place("features", name, identity, ".parquet")
    labels = np.array(images_of.labels)[images_of.rows(split).label]
    if path.exists():
        return _found(path, identity)
    machine = machine or Machine()
    device = open_device(machine)
    images = Images(
        shards=images_of,
        split=split,
        row=np.arange(len(labels), dtype=np.int64),
        look=source.recipe.input,
        machine=machine,
        progress=progress,
    )
    with threads(machine):
        network = source.network(progress).to(device)
        shown = outputs(network, images, device, features=True, precision=source.recipe.precision)
        matrix = np.concatenate([part for part, _ in shown])
    features = Features(
        checksums=images_of.checksums(split),
        labels=labels,
        matrix=matrix,
        run_digest=source.digest,
        shards_digest=images_of.digest,
        split=split,
        digest=identity,
        provenance=provenance({"split": split}, inputs),
    )
    features.write(path)
    return _artefact(path, features, made=True)


def _found(path: Path, identity: str) -> Artefact:
    try:
        features = Features.read(path)
    except Exception as error:
        raise OutputExistsError(path, "something that is no whole features file") from error
    if features.digest != identity:
        raise OutputExistsError(path, "features of another run, shard set or split")
    return _artefact(path, features, made=False)


def _artefact(path: Path, features: Features, *, made: bool) -> Artefact:
    num, width = features.matrix.shape
    details = {
        "images": num,
        "dimensions": width,
        "split": features.split,
        "run_digest": features.run_digest,
        "shards_digest": features.shards_digest,
    }
    return Artefact(kind="features", path=path, digest=features.digest, made=made, details=details)
