"""WebDataset shards of others as a source: samples of a tar, their label in .cls or in .json."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from granctl.errors import SourceLayoutError
from granctl.shards.names import Names
from granctl.shards.source.handles import Handles
from granctl.shards.source.headerscan import Scan, scan_files
from granctl.shards.source.inventory import FileSource, Inventory, Labelled
from granctl.shards.source.kinds import IMAGE_SUFFIXES
from granctl.shards.source.layout import OUTSIDE
from granctl.shards.source.listing import SPLIT_OF_FOLDER, SPLITS
from granctl.shards.source.opening import Opening, tars_below
from granctl.shards.source.tarsource import TarReader

_JSON_FIELDS = ("label", "wnid", "synset", "class_id", "class_name", "class", "category", "cls")
"""Fields that are taken for the label where there is no .cls, the first that is there."""
_LABEL_FILES = ("labels.txt", "synsets.txt", "classes.txt", "classnames.txt")
_SPLIT_IN_NAME = re.compile(r"(?:^|[-_./])(train|validation|val|test)(?:[-_./\d]|$)", re.IGNORECASE)
_LONGEST = 1 << 20


@dataclass(slots=True)
class _Samples:
    """Images that have a label, column by column."""

    rows: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    num_others: int = 0


def open_webdataset(opening: Opening) -> FileSource:
    """Samples of tars: members of one name up to the first dot, beside each other.

    The label is what .cls says, else a field of .json. Where it is a number and a file
    labels.txt, synsets.txt, classes.txt or classnames.txt lies beside the tars, the label is that
    line of the file, counted from 0. The split is that of the shard's name, else train.

    Raises:
        SourceLayoutError: no sample has an image and a label.
    """
    root = opening.path if opening.path.is_dir() else opening.path.parent
    files = list(opening.files) or tars_below(root)
    try:
        scan = scan_files(opening.workspace, root, files, opening.progress)
    except OSError as error:
        problem = f"{error.filename or 'a tar'} cannot be read: {error.strerror}"
        raise SourceLayoutError(root, problem) from error
    samples = _samples(scan, Handles(root))
    if not samples.rows:
        problem = f"no sample of {len(files)} tars has an image and a label"
        mend = "a sample is KEY.jpg (or .png, .webp) with KEY.cls or KEY.json beside it"
        raise SourceLayoutError(root, problem, mend)
    return FileSource(*_labelled(opening.name, root, scan, samples))


def _samples(scan: Scan, handles: Handles) -> _Samples:
    """Walks members in order, sample by sample."""
    found = _Samples()
    texts: dict[bytes, str] = {}
    sample: dict[str, int] = {}
    before: tuple[int, str] | None = None
    row = 0
    names = iter(scan.names)
    for number, archive in enumerate(scan.archives):
        for _ in range(archive.num):
            name = next(names)
            folder, slash, base = name.rpartition("/")
            key, dot, extension = base.partition(".")
            here = (number, folder + slash + key)
            if here != before:
                _close(scan, handles, before, sample, texts, found)
                sample, before = {}, here
            if dot and key:
                sample.setdefault(extension.lower(), row)
            else:
                found.num_others += 1
            row += 1
    _close(scan, handles, before, sample, texts, found)
    return found


def _close(
    scan: Scan,
    handles: Handles,
    place: tuple[int, str] | None,
    sample: Mapping[str, int],
    texts: dict[bytes, str],
    found: _Samples,
) -> None:
    """Takes a sample whose members have all been seen."""
    if place is None or not sample:
        return
    file = scan.files[scan.archives[place[0]].file].name
    images = [row for extension, row in sample.items() if f".{extension}" in IMAGE_SUFFIXES]
    if not images:
        found.rejected.append((f"{file}/{place[1]}", "a sample without an image"))
        return
    problem, text = "a sample without a label", ""
    row = sample.get("cls", sample.get("json", -1))
    if row >= 0 and scan.sizes[row] <= _LONGEST:
        content = handles.read(file, int(scan.offsets[row]), int(scan.sizes[row]))
        if "cls" in sample:
            text = texts.get(content) or texts.setdefault(content, _text(content))
        else:
            text, problem = _field(content)
    if not text:
        found.rejected.append((f"{file}/{place[1]}", problem))
        return
    found.rows.append(images[0])
    found.texts.append(text)
    found.num_others += len(images) - 1


def _text(content: bytes) -> str:
    return content.decode("utf-8", "backslashreplace").strip(" \n\r\t\0")


def _field(content: bytes) -> tuple[str, str]:
    """The label that a .json member says, or the problem."""
    try:
        record: Any = json.loads(content)
    except ValueError:
        return "", "its .json is not JSON"
    if not isinstance(record, dict):
        return "", "its .json is no object"
    for name in _JSON_FIELDS:
        value = record.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip(), ""
    return "", f"its .json has none of the fields {', '.join(_JSON_FIELDS)}"


def _labelled(
    name: str, root: Path, scan: Scan, samples: _Samples
) -> tuple[Inventory, str, Labelled]:
    rows = np.array(samples.rows, dtype=np.int64)
    file_of = np.array([a.file for a in scan.archives], dtype=np.int32)[scan.archive_of[rows]]
    files = [file.name for file in scan.files]
    stems = Names.of(file.removesuffix(".tar") for file in files)
    splits = np.array([SPLITS.index(split_in_name(file)) for file in files], dtype=np.int8)
    texts = label_texts(root, samples.texts)
    labels = sorted(set(texts))
    place = {label: i for i, label in enumerate(labels)}
    reader = TarReader(
        handles=Handles(root),
        files=files,
        file_of=file_of,
        offsets=scan.offsets[rows],
        sizes=scan.sizes[rows],
    )
    rejected = [
        ("/".join(filter(None, [files[scan.archives[i].file], member])), problem)
        for i, member, problem in scan.rejected
    ]
    inventory = Inventory(
        root=root,
        names=scan.names.take(rows).under(stems, file_of),
        folders=list(stems),
        folder_of=file_of,
        sizes=reader.sizes,
        stamps=scan.mtimes[rows],
        lies_at=np.arange(len(rows), dtype=np.int64),
        reader=reader,
        tops={},
        content="\0".join(file.ends for file in scan.files),
        num_others=samples.num_others,
        rejected=(*rejected, *samples.rejected),
    )
    label_of = np.array([place.get(text, OUTSIDE) for text in texts], dtype=np.int32)
    return inventory, name, Labelled(labels=labels, label_of=label_of, split_of=splits[file_of])


def split_in_name(file: str) -> str:
    """The split that a file's name says, `imagenet-validation-0004.tar`; train where none."""
    found = _SPLIT_IN_NAME.search(file)
    return SPLIT_OF_FOLDER[found.group(1).lower()] if found else "train"


def label_texts(root: Path, texts: list[str]) -> list[str]:
    """Numbers as the lines of a file of labels, where one lies beside the data.

    Raises:
        SourceLayoutError: the file has fewer lines than a number says.
    """
    path = next((root / name for name in _LABEL_FILES if (root / name).is_file()), None)
    if path is None or not all(text.isdecimal() for text in set(texts)):
        return texts
    lines = [line.split()[0] for line in path.read_text().splitlines() if line.strip()]
    most = max(map(int, set(texts)))
    if most >= len(lines):
        problem = f"it has {len(lines)} labels, and the images count up to {most}"
        raise SourceLayoutError(path, problem, "give it a line for each label, or remove it")
    return [lines[int(text)] for text in texts]
