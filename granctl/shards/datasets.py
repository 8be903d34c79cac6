"""Named data sets of this machine: registered, listed, and checked for being whole.

<workspace>/
  data.json           name -> folder (`workspace.py`)
  data-counts.json    what was counted when each was added or checked, so that a list is cheap
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from granctl.errors import (
    BadOptionError,
    DataError,
    DataNotWholeError,
    MissingInputError,
    UserError,
)
from granctl.files import read_json, write_json
from granctl.progress import Progress
from granctl.shards.build.audit import audit
from granctl.shards.index import ShardSet
from granctl.shards.source.counting import counted, faults_of
from granctl.shards.source.knownsets import KnownSet, known_as, registered_name
from granctl.shards.source.real import read_real
from granctl.shards.source.resolve import open_source
from granctl.workspace import MANIFEST_NAME, Workspace

COUNTS_NAME = "data-counts.json"
EVERY = "all"
_TOLD = 256


def add_data_set(
    workspace: Workspace, name: str, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Looks at what lies in a folder and registers it, or moves the name there.

    The fields are those of `check_data_set` without `decoded`.

    Args:
        workspace: keeps the names.
        name: as `in1k`, or another name for it, or one of one's own.
        folder: a source, a shard set, or real.json; a file or a folder.
        progress: is told how far the count is.

    Raises:
        MissingInputError: the folder does not exist.
        DataNotWholeError: a whole data set of that name holds something else.
        UserError: it is no source, as in `open_source`.
    """
    if not folder.exists():
        raise MissingInputError(f"data set {name!r}", folder, "check the path")
    known = known_as(workspace, name)
    if known is not None and known.name != name:
        progress.note(f"{name} is {known.name}: {known.about}")
        name = known.name
    record = _counts(workspace, name, known, folder.absolute(), progress)
    check_whole(record)
    workspace.add_data(name, folder)
    _keep(workspace, record)
    return record


def check_data_set(
    workspace: Workspace, name: str, sample: str, seed: int, progress: Progress
) -> dict[str, Any]:
    """Counts a data set anew, holds it against what a whole one has, and decodes some images.

    The fields: name, path, form (`shards`, `source` or `labels`), labels, images, splits, others;
    known (the name of the facts, or None), release, whole, faults; decoded (sample, seed, images,
    broken: name and problem of each).

    Args:
        workspace: keeps the names.
        name: a registered name, or another name for it.
        sample: how many images are decoded, or `all`.
        seed: which.
        progress: is told how far it is.

    Raises:
        UnknownDataError: nobody registered it.
        BadOptionError: the sample is no number.
        UserError: it is no source any more.
    """
    if sample != EVERY and not (sample.isascii() and sample.isdigit()):
        raise BadOptionError("--sample", f"{sample!r} is no number", "give a number, or all")
    name = registered_name(workspace, name)
    known = known_as(workspace, name)
    record = _counts(workspace, name, known, None, progress)
    if name in workspace.data_names():
        _keep(workspace, record)
    if record["form"] == "labels":
        return {**record, "decoded": None}
    decoded = _decoded(workspace, name, sample, seed, progress)
    whole = record["whole"] and not decoded["broken"]
    return {**record, "whole": whole, "decoded": decoded}


def check_whole(record: dict[str, Any]) -> None:
    """Raises DataNotWholeError, which says what is missing or broken, where anything is."""
    broken = [
        f"{b['name']}: {b['problem']}" for b in (record.get("decoded") or {}).get("broken", ())
    ]
    if record["faults"] or broken:
        known, release = record["known"], record["release"]
        what = f"{known} ({release})" if known else record["name"]
        raise DataNotWholeError(record["name"], record["path"], what, record["faults"], broken)


def check_still_whole(workspace: Workspace, name: str, progress: Progress) -> None:
    """Raises DataNotWholeError where a known, registered data set lacks something by now.

    It was whole when it was added. This comes before shards are built of it: a build takes hours.

    Args:
        workspace: keeps the names.
        name: as a user gave it; a name of one's own, or a folder, is not checked.
        progress: is told how far the count is.
    """
    known = known_as(workspace, name) if name in workspace.data_names() else None
    if known is not None:
        check_whole(_counts(workspace, name, known, None, progress))


def list_data_sets(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Each registered name with what is known of it at no cost: nothing is opened but manifests.

    The fields: path, there, known, release, form, labels, images, splits; those of a data set that
    was never counted are None.
    """
    file = workspace.root / COUNTS_NAME
    kept = read_json(file) if file.is_file() else {}
    found: dict[str, dict[str, Any]] = {}
    for name, folder in sorted(workspace.data_names().items()):
        known = known_as(workspace, name)
        record = kept.get(name, {})
        if record.get("path") != str(folder):
            record = _of_manifest(folder)
        said = ("release", "form", "labels", "images", "splits")
        found[name] = {
            "path": str(folder),
            "there": folder.exists(),
            "known": known.name if known else None,
            **{field: record.get(field) for field in said},
        }
    return found


def _of_manifest(folder: Path) -> dict[str, Any]:
    if not (folder / MANIFEST_NAME).is_file():
        return {}
    try:
        shards = ShardSet.open(folder)
    except UserError:
        return {}
    splits = {split: shards.num_images(split) for split in shards.splits}
    return {
        "form": "shards",
        "labels": len(shards.labels),
        "images": sum(splits.values()),
        "splits": splits,
    }


def _counts(
    workspace: Workspace, name: str, known: KnownSet | None, path: Path | None, progress: Progress
) -> dict[str, Any]:
    about = {"known": known.name if known else None, "release": None}
    if known is not None and known.holds == "real":
        return {**_real_counts(workspace, name, known, path), **about, "release": _only(known)}
    found = counted(workspace, name, path, progress)
    record = {**found.record(name), **about, "whole": True, "faults": []}
    if known is None:
        return record
    release, faults = faults_of(found, known)
    return {**record, "release": release, "whole": not faults, "faults": faults}


def _only(known: KnownSet) -> str:
    return known.releases[0].name


def _real_counts(
    workspace: Workspace, name: str, known: KnownSet, path: Path | None
) -> dict[str, Any]:
    path, release = path or workspace.data_folder(name), known.releases[0]
    real = read_real(path, len(known.labels(known.numbered)))
    same = len(real) == release.entries
    faults = [] if same else [f"it is about {len(real):,} images, not {release.entries:,}"]
    return {
        "name": name,
        "path": str(path),
        "form": "labels",
        "labels": len(np.unique(real.classes)),
        "images": len(real),
        "splits": {},
        "others": real.num_empty,
        "whole": same,
        "faults": faults,
    }


def _keep(workspace: Workspace, record: dict[str, Any]) -> None:
    file = workspace.root / COUNTS_NAME
    kept = read_json(file) if file.is_file() else {}
    own = {key: value for key, value in record.items() if key not in ("name", "decoded")}
    write_json(file, {**kept, record["name"]: own})


def _decoded(
    workspace: Workspace, name: str, sample: str, seed: int, progress: Progress
) -> dict[str, Any]:
    """Decodes a sample of the images, in the order in which they lie on the disk."""
    source = open_source(workspace, name, progress=progress)
    found = source.listing
    num = len(found) if sample == EVERY else min(int(sample), len(found))
    chosen = np.random.default_rng(seed).permutation(len(found))[:num]
    chosen = chosen[np.argsort(found.lies_at[chosen], kind="stable")]
    broken = []
    progress.start(f"decode {name}", num, "images")
    for at, i in enumerate(chosen.tolist(), 1):
        problem = ""
        try:
            problem = audit(source.read(i), depth="decode").problem
        except (OSError, DataError) as error:
            problem = f"cannot be read: {error}"
        if problem:
            broken.append({"name": found.names[i], "problem": problem})
        if at % _TOLD == 0:
            progress.advance(_TOLD)
    progress.advance(num % _TOLD)
    progress.finish()
    asked = sample if sample == EVERY else int(sample)
    return {"sample": asked, "seed": seed, "images": num, "broken": broken}
