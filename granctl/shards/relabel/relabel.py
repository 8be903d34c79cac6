"""`granctl shards relabel`: other classes for an existing set, in one of three ways."""

from __future__ import annotations

import dataclasses

from granctl.progress import Progress
from granctl.shards.index import ShardSet
from granctl.shards.relabel.inplace import relabel_in_place
from granctl.shards.relabel.materialise import materialise
from granctl.shards.relabel.relabelling import relabelling_of
from granctl.shards.relabel.relabelspec import RelabelSpec
from granctl.shards.relabel.view import make_view
from granctl.shards.store import url_of
from granctl.workspace import Artefact, Workspace, slug


def relabel_shards(
    workspace: Workspace, spec: RelabelSpec, progress: Progress, workers: int = 1
) -> Artefact:
    """Gives a shard set other classes; goes on where the same relabel was stopped.

    Raises:
        UserError: the set, the label maps or the output cannot be used.
        DataError: the set is damaged.
        WorkerDiedError: a worker process was killed.
    """
    spec.check()
    if spec.how == "in-place":
        return relabel_in_place(spec, workers, progress)
    relabelling = relabelling_of(ShardSet.open(spec.shards), spec)
    if relabelling.dropped:
        images, labels = relabelling.dropped_images, len(relabelling.dropped)
        progress.note(f"left out: {images} images of {labels} labels that the cut drops")
    name = slug(relabelling.base.manifest["source"])
    folder = spec.out or workspace.place("shards", name, relabelling.digest)
    if spec.how == "view":
        return make_view(folder.absolute(), relabelling)
    if url_of(relabelling.base.where) is not None:
        from granctl.shards.remote.download import fetched_source

        here, _ = fetched_source(relabelling.base.where, progress)
        relabelling = dataclasses.replace(relabelling, base=ShardSet.open(here))
    return materialise(folder.absolute(), relabelling, workers, progress)
