"""A relabel inside the shards of a set: only the label members are written, by the index.

What is about to be written lies in a journal first (granctl/shards/journal.py), so that after a
kill at any moment the same command ends with the same bytes. Nothing moves: offsets, images, their
checksums and the index stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from granctl.alone import making_alone
from granctl.errors import (
    BadOptionError,
    DoesNotFitError,
    DropsInPlaceError,
    MissingInputError,
    NoTarsError,
    OutputNotWritableError,
    RelabelUnfinishedError,
    ShardCorruptError,
)
from granctl.files import write_at, write_json, writing
from granctl.progress import Progress
from granctl.provenance import command_line, plain, provenance
from granctl.shards.dali import dali_path, read_for_dali
from granctl.shards.foreign import write_set_indexes
from granctl.shards.index import ShardSet
from granctl.shards.indexfile import IndexGroups
from granctl.shards.journal import (
    Journal,
    begin_journal,
    find_journal,
    find_sources,
    is_done,
    mark_done,
    remove_journal,
    write_sources,
)
from granctl.shards.pool import Tell, Teller, over_shards
from granctl.shards.relabel.members import Labelling, Members, members_of, read_tails
from granctl.shards.relabel.relabelling import Relabelling, relabelling_of
from granctl.shards.relabel.relabelspec import RelabelSpec
from granctl.shards.store import Folder, url_of
from granctl.shards.tar import BLOCK, JSON_SLACK, json_head
from granctl.workspace import SPEC_NAME, Artefact, finish_folder

_MOST_NAMED = 3


def relabel_in_place(spec: RelabelSpec, workers: int, progress: Progress) -> Artefact:
    """Writes other classes into the shards of a folder; goes on where it was stopped.

    All is checked before the first byte is written.

    Raises:
        BadOptionError, NoTarsError: the set has no shards that could be written to.
        DropsInPlaceError: images would have to leave.
        DoesNotFitError: a `.json` has not enough room for its classes.
        RelabelUnfinishedError: another relabel in place was stopped.
        ShardCorruptError: a shard is not as its index says.
        OutputNotWritableError: no permission.
        WorkerDiedError: a worker process was killed.
    """
    folder = spec.shards
    if url_of(folder) is not None:
        hint = "leave --in-place out: a view of the URL; with --materialise: a copy in a folder"
        raise BadOptionError("--in-place", f"{url_of(folder)} is no folder", hint)
    if not folder.is_dir():
        raise MissingInputError("shard set", folder, "make one with `granctl shards build`")
    with making_alone(folder, progress):
        journal = find_journal(folder)
        opened = _opened(folder, journal)
        relabelling = relabelling_of(opened, spec)
        manifest = relabelling.manifest()
        if journal is None and opened.manifest["digest"] == relabelling.digest:
            remove_journal(folder)
            return relabelling.artefact(folder, "in-place", opened.manifest, made=False)
        if relabelling.drops:
            names, images = relabelling.dropped, relabelling.dropped_images
            raise DropsInPlaceError(opened.where, names, images)
        job = _Job(folder, relabelling)
        if journal is None:
            job.check(progress)
            had, command = plain(opened.manifest), spec.again or command_line()
            begin_journal(folder, Journal(digest=relabelling.digest, command=command, manifest=had))
        elif journal.digest != relabelling.digest:
            raise RelabelUnfinishedError(folder, journal.command)
        job.run(workers, progress)
        write_set_indexes(folder, manifest)  # without the hashes of the old shards
        identity, inputs = relabelling.identity, relabelling.inputs
        record = {"spec": plain(identity), "provenance": provenance(identity, inputs)}
        write_json(folder / SPEC_NAME, {"digest": relabelling.digest, **record})
        finish_folder(folder, manifest)
        remove_journal(folder)
    return relabelling.artefact(folder, "in-place", manifest, made=True)


def _opened(folder: Path, journal: Journal | None) -> ShardSet:
    """The set as it was before; while it is relabelled its manifest is in the journal.

    Raises:
        NoTarsError: it is a view.
    """
    if journal is not None:
        return ShardSet.of_manifest(folder, journal.manifest, Folder(folder))
    opened = ShardSet.open(folder)
    if opened.base is not None:
        raise NoTarsError("--in-place", opened.where, opened.base.where)
    return opened


class _Job:
    """What every shard of one set needs."""

    def __init__(self, folder: Path, relabelling: Relabelling) -> None:
        self.folder, self.base, self.relabelling = folder, relabelling.base, relabelling
        self.shards = self.base.manifest["shards"]
        self.groups = IndexGroups(self.base.index_path)
        self.labelling = Labelling(relabelling)
        self.number_of_label = {label: i for i, label in enumerate(self.base.labels)}

    def members(self, number: int) -> Members:
        """The samples of a shard.

        Raises:
            ShardCorruptError: its index does not fit to its size.
        """
        rows = self.groups.rows(number, ["offset", "size", "key", "label"])
        path = str(self.folder / self.shards[number]["name"])
        return members_of(path, rows, self.number_of_label, self.shards[number])

    # --- before anything is written -----------------------------------------------------------

    def check(self, progress: Progress) -> None:
        """Raises where a shard is not as its index says, may not be written to, or is too narrow.

        Raises:
            ShardCorruptError, OutputNotWritableError, DoesNotFitError: see there.
        """
        for shard in self.shards:
            path, expected = self.folder / shard["name"], shard["bytes"]
            if not path.is_file() or path.stat().st_size != expected:
                found = f"{path.stat().st_size} bytes" if path.is_file() else "no file"
                raise ShardCorruptError(path, f"there is {found}, not {expected} bytes as made")
            if not os.access(path, os.W_OK):
                raise OutputNotWritableError(path, "permission denied")
        wide = self._wide()
        if wide.any():
            self._check_fits(wide, progress)

    def _wide(self) -> NDArray[np.bool_]:
        """Labels whose classes may need more room than every `.json` has.

        When a `.json` was first written it had room for at least one class and a label, the source
        and 64 spaces; blocks are never taken away in place.
        """
        least = [len(json_head(label, (0,))) for label in self.base.labels]
        heads = [len(head) for head in self.labelling.heads]
        wide: NDArray[np.bool_] = np.array(heads) - np.array(least) > JSON_SLACK
        return wide

    def _check_fits(self, wide: NDArray[np.bool_], progress: Progress) -> None:
        """Reads the members of these labels.

        Raises:
            DoesNotFitError: some are too narrow.
        """
        num, first = 0, list[str]()
        total = sum(shard["images"] for shard in self.shards)
        progress.start("looking whether the classes fit", total, "images")
        for number, shard in enumerate(self.shards):
            members = self.members(number)
            progress.advance(len(members))
            members = members.part(wide[members.labels])
            path = self.folder / shard["name"]
            with _open_shard(path, os.O_RDONLY) as handle:
                for part in members.parts():
                    old = read_tails(str(path), handle, part)
                    sources = self.labelling.sources(str(path), part, old)
                    texts = self.labelling.texts(part, sources)
                    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
                    narrow = part.keys[sizes > part.json_sizes]
                    num += len(narrow)
                    first += [f"{key:09d}" for key in narrow[: _MOST_NAMED - len(first)].tolist()]
        progress.finish()
        if num:
            raise DoesNotFitError(self.base.where, num, first)

    # --- writing ------------------------------------------------------------------------------

    def run(self, workers: int, progress: Progress) -> None:
        """Relabels every shard that is not done."""
        stems = [shard["name"].removesuffix(".tar") for shard in self.shards]
        left = [n for n, stem in enumerate(stems) if not is_done(self.folder, stem)]
        if len(left) < len(stems):
            progress.note(f"going on: {len(stems) - len(left)} of {len(stems)} shards are done")
        teller = Teller(progress)
        total = sum(self.shards[n]["images"] for n in left)
        progress.start("relabelling in place", total, "images")
        try:
            names = [stems[n] for n in left]
            over_shards(names, lambda i, tell: self._relabel(left[i], tell), workers, teller.tell)
            teller.tell_rest()
        finally:
            progress.finish()

    def _relabel(self, number: int, tell: Tell) -> None:
        """Relabels one shard, part by part."""
        path, parts = self.folder / self.shards[number]["name"], 0
        all_of_it = self.members(number)
        with _open_shard(path, os.O_RDWR) as handle, writing(path):
            for parts, members in enumerate(all_of_it.parts(), start=1):
                written = self._relabel_part(path, handle, parts - 1, members)
                tell(len(members), written, 0)
            os.fdatasync(handle)  # bytes changed, and neither sizes nor places
        if dali_path(path).exists():
            read_for_dali(path, all_of_it.begins + BLOCK)
        mark_done(self.folder, path.stem, parts)

    def _relabel_part(self, path: Path, handle: int, part: int, members: Members) -> int:
        """Writes the members that become other ones; returns how many bytes.

        Once the sources are in the journal they are not read from the shard any more.
        """
        kept, old = find_sources(self.folder, path.stem, part), None
        if kept is None:
            old = read_tails(str(path), handle, members)
            sources = self.labelling.sources(str(path), members, old)
        else:
            sources = kept
        new = self.labelling.fitting_tails(members, sources)
        changed = [i for i in range(len(new)) if old is None or new[i] != old[i]]
        if kept is None and changed:
            write_sources(self.folder, path.stem, part, sources)
        places = members.tails.tolist()
        for i in changed:
            write_at(handle, new[i], places[i])
        return sum(len(new[i]) for i in changed)


@contextmanager
def _open_shard(path: Path, flags: int) -> Iterator[int]:
    handle = os.open(path, flags)
    try:
        yield handle
    finally:
        os.close(handle)
