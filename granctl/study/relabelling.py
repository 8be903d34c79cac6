"""Where label maps and shard sets meet again: what a relabel is asked."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from granctl.errors import BadOptionError
from granctl.processes import default_workers
from granctl.progress import Progress
from granctl.shards.classes import ClassLookup
from granctl.shards.relabel.relabel import relabel_shards
from granctl.shards.relabel.relabelspec import How, RelabelSpec
from granctl.study.classlookup import class_lookup
from granctl.workspace import Artefact, Workspace


def relabel(
    workspace: Workspace,
    shards: Path,
    labels: Path,
    also: Sequence[str],
    how: How,
    out: Path | None,
    workers: int | None,
    progress: Progress,
) -> Artefact:
    """Gives a shard set the classes of a label map.

    Args:
        workspace: where the result goes unless `out` says otherwise.
        shards: the set.
        labels: the label map.
        also: further label sets, each as `NAME=MAP`.
        how: a view, new shards, or in place.
        out: the folder of the result.
        workers: processes; None: the processors.
        progress: is told how far it is.

    Raises:
        BadOptionError: `also` is not of that form.
        GranctlError: as `class_lookup` and `relabel_shards`.
    """
    spec = RelabelSpec(
        shards=shards,
        classes=class_lookup(labels),
        also=_further(also),
        how=how,
        out=out,
        again=_again(shards, labels, also),
    )
    return relabel_shards(workspace, spec, progress, workers or default_workers())


def way(*, materialise: bool, in_place: bool) -> How:
    """Which of the three ways two options mean.

    Raises:
        BadOptionError: both were given.
    """
    if materialise and in_place:
        problem = "shards are either written anew or changed where they are"
        raise BadOptionError("--materialise", problem, "leave out --materialise or --in-place")
    return "materialise" if materialise else "in-place" if in_place else "view"


def _again(shards: Path, labels: Path, also: Sequence[str]) -> str:
    """The relabel in place as a command that means the same from anywhere, and later."""
    named = [text.partition("=") for text in also]
    further = [f"--also={name}={Path(path).absolute()}" for name, _, path in named]
    paths = ["--shards", str(shards.absolute()), "--labels", str(labels.absolute())]
    return shlex.join(["granctl", "shards", "relabel", "--in-place", *paths, *further])


def _further(also: Sequence[str]) -> dict[str, ClassLookup]:
    found = {}
    for text in also:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise BadOptionError("--also", f"{text!r} is not NAME=MAP", "such as in1k=map.parquet")
        if name in found:
            raise BadOptionError("--also", f"{name!r} is given twice", "give each name once")
        found[name] = class_lookup(Path(path))
    return found
