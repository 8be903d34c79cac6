"""Images inside tars, read where they lie: a tar a class, a tar of such tars, class folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from granctl.errors import SourceLayoutError
from granctl.progress import Progress
from granctl.shards.names import Names
from granctl.shards.source.handles import Handles
from granctl.shards.source.headerscan import TAR_SUFFIX, Scan, scan_files
from granctl.shards.source.inventory import Inventory
from granctl.shards.source.kinds import claim_images
from granctl.shards.source.layout import tops_of
from granctl.shards.source.listing import SPLIT_OF_FOLDER
from granctl.workspace import Workspace


@dataclass(frozen=True, kw_only=True, eq=False)
class TarReader:
    """Members of tars by their place; arrays of shape (n,)."""

    handles: Handles
    files: Sequence[str]
    file_of: NDArray[np.int32]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def read(self, row: int) -> bytes:
        """The bytes of one member.

        Raises:
            SourceChangedError: its file is gone or ends before.
            OSError: it cannot be read.
        """
        name = self.files[self.file_of[row]]
        return self.handles.read(name, int(self.offsets[row]), int(self.sizes[row]))

    def read_soon(self, row: int) -> None:
        """Lets the system begin to read one member."""
        name = self.files[self.file_of[row]]
        self.handles.read_soon(name, int(self.offsets[row]), int(self.sizes[row]))


def tar_inventory(
    workspace: Workspace,
    root: Path,
    files: Sequence[str],
    progress: Progress,
    called: Mapping[str, str] | None = None,
) -> Inventory:
    """Every image in these tars below `root`, which stand under the folders that their names give.

    A tar NAME.tar counts as a folder NAME with its members in it; where it stands alone and its
    members lie in folders of their own, these count. The order is that of the folders, then that
    of the tar, so ImageNet-21k as a folder of tars and as a tar of tars is the same listing.

    Args:
        workspace: keeps what the headers say.
        root: the folder that the files lie in.
        files: their names, relative to `root`.
        progress: is told how far the walk is.
        called: another name for a file that does not say what it is, such as `train`.

    Raises:
        SourceLayoutError: a file cannot be read.
    """
    try:
        scan = scan_files(workspace, root, files, progress)
    except OSError as error:
        problem = f"{error.filename or 'a tar'} cannot be read: {error.strerror}"
        raise SourceLayoutError(root, problem) from error
    places = _places(scan, called or {})
    order = sorted(range(len(places)), key=lambda i: f"{places[i]}/")
    rows = _rows(scan, order)
    claims = claim_images(scan.names)
    rows = rows[claims[rows]]
    names, folders, folder_of = _placed(scan, places, rows)
    rows, names, folder_of = _last_of_each(rows, names, folder_of)
    archive_of = scan.archive_of
    file_of = np.array([a.file for a in scan.archives], dtype=np.int32)[archive_of]
    rank = _rank(file_of, scan.offsets)
    reader = TarReader(
        handles=Handles(root),
        files=[file.name for file in scan.files],
        file_of=file_of[rows],
        offsets=scan.offsets[rows],
        sizes=scan.sizes[rows],
    )
    full = [archive for archive in (scan.archives[i] for i in order) if archive.num]
    return Inventory(
        root=root if len(files) > 1 else root / files[0],
        names=names,
        folders=folders,
        folder_of=folder_of,
        sizes=reader.sizes,
        stamps=scan.mtimes[rows],
        lies_at=rank[rows],
        reader=reader,
        tops=tops_of(folders),
        content="\0".join(archive.ends for archive in full),
        num_others=len(claims) - int(claims.sum()),
        rejected=tuple(_rejected(scan)),
    )


def _places(scan: Scan, called: Mapping[str, str]) -> list[str]:
    """The folder that each archive counts as."""
    alone = len(scan.files) == 1
    ends = np.cumsum([archive.num for archive in scan.archives])
    places = []
    for archive, end in zip(scan.archives, ends.tolist(), strict=True):
        file = scan.files[archive.file].name
        above, _, stem = called.get(file, _stem(file)).rpartition("/")
        if not archive.name:
            counts = not alone or stem.lower() in SPLIT_OF_FOLDER
            counts = counts or not _have_slash(scan.names[end - archive.num : end]).any()
            places.append("/".join(filter(None, [above, stem if counts else ""])))
        else:
            outer = stem if stem.lower() in SPLIT_OF_FOLDER else ""
            places.append("/".join(filter(None, [above, outer, _stem(archive.name)])))
    return places


def _rank(file_of: NDArray[np.int32], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """By file, then by offset, which is how they were walked but for tars inside tars."""
    rank = np.arange(len(offsets))
    if not ((np.diff(file_of) > 0) | (np.diff(offsets) > 0)).all():
        rank[np.lexsort((offsets, file_of))] = np.arange(len(offsets))
    return rank


def _stem(name: str) -> str:
    return name[: -len(TAR_SUFFIX)] if name.lower().endswith(TAR_SUFFIX) else name


def _rows(scan: Scan, order: Sequence[int]) -> NDArray[np.int64]:
    """The members' rows of the scan, archive by archive in this order."""
    num = np.array([archive.num for archive in scan.archives], dtype=np.int64)
    ends = np.cumsum(num)
    pieces = [np.arange(ends[i] - num[i], ends[i]) for i in order]
    return np.concatenate([np.zeros(0, dtype=np.int64), *pieces])


def _placed(
    scan: Scan, places: Sequence[str], rows: NDArray[np.int64]
) -> tuple[Names, list[str], NDArray[np.int32]]:
    """Paths of members, the folders that they lie in, and the folder of each."""
    own = scan.names.take(rows)
    archive_of = scan.archive_of[rows]
    names = own.under(Names.of(places), archive_of)
    folders = list(dict.fromkeys(places))
    place_of = {folder: i for i, folder in enumerate(folders)}
    folder_of = np.array([place_of[place] for place in places], dtype=np.int32)[archive_of]
    nested = _have_slash(own)
    texts: list[bytes] = []
    for row in np.flatnonzero(nested).tolist():
        place = places[archive_of[row]]
        inner, _, base = own[row].rpartition("/")
        stem = place.rpartition("/")[2]
        if stem and (inner == stem or inner.startswith(f"{stem}/")):
            inner = inner[len(stem) + 1 :]  # n01440764.tar of a folder n01440764
        folder = "/".join(filter(None, [place, inner]))
        number = place_of.setdefault(folder, len(folders))
        if number == len(folders):
            folders.append(folder)
        folder_of[row] = number
        texts.append(f"{folder}/{base}".encode() if folder else base.encode())
    if texts:
        both = Names.joined([names, Names.packed(texts)])
        where = np.arange(len(names), dtype=np.int64)
        where[nested] = len(names) + np.arange(len(texts))
        names = both.take(where)
    return names, folders, folder_of


def _have_slash(names: Names) -> NDArray[np.bool_]:
    found = np.zeros(len(names), dtype=np.bool_)
    for places, piece in names.chunks():
        at = np.flatnonzero(piece.data == ord("/"))
        if len(at):
            found[places.start + np.searchsorted(piece.offsets, at, side="right") - 1] = True
    return found


def _last_of_each(
    rows: NDArray[np.int64], names: Names, folder_of: NDArray[np.int32]
) -> tuple[NDArray[np.int64], Names, NDArray[np.int32]]:
    """Of members with the same path the last one, as unpacking would leave it."""
    again = names.repeated()
    if not again.any():
        return rows, names, folder_of
    kept = np.flatnonzero(~again)
    return rows[kept], names.take(kept), folder_of[kept]


def _rejected(scan: Scan) -> list[tuple[str, str]]:
    """Where each problem is: `FILE.tar/INNER.tar/MEMBER`."""
    found = []
    for i, name, problem in scan.rejected:
        archive = scan.archives[i]
        parts = [scan.files[archive.file].name, archive.name, name]
        found.append(("/".join(filter(None, parts)), problem))
    return found
