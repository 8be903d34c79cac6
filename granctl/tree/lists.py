"""Label lists: which nodes carry images, in the data set's own order, with counts where known."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from granctl.errors import BadLabelListError, UnknownListError
from granctl.workspace import embedded

DEFAULT_LIST = "21843"
ABOUT = {
    "21843": "ImageNet-21k as Google uses it (ViT, BiT, the paper); two labels have no images",
    "21841": "ImageNet-21k, fall 2011 release",
    "21842": "ImageNet-21k as Microsoft uses it (Swin): 21,841 and teddy, the 1k first",
    "12k": "the 11,821 largest classes of ImageNet-21k (timm)",
    "21k-P-fall11": "ImageNet-21k-P of Ridnik et al., from the fall 2011 release",
    "21k-P-winter21": "ImageNet-21k-P of Ridnik et al., from the winter 2021 release",
    "1k": "ImageNet-1k (ILSVRC 2012)",
    "embedded": "the ten labels of the embedded images",
}
"""The embedded lists: name -> what it is."""


@dataclass(frozen=True, kw_only=True)
class LabelList:
    """Labels in the order in which the data set numbers them."""

    name: str
    """An embedded list's name, or a file's name without its ending."""
    ids: tuple[str, ...]
    """Ids, each once."""
    counts: tuple[int, ...] | None = None
    """Images a label, where the file says so."""

    @cached_property
    def digest(self) -> str:
        """Identity: sha256 over ids and counts, not over the name."""
        lines = self.ids
        if self.counts is not None:
            lines = tuple(f"{i}\t{n}" for i, n in zip(self.ids, self.counts, strict=True))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def load_list(name_or_path: str) -> LabelList:
    """An embedded list by name, or a file: one id a line, perhaps a tab and a count of images.

    Raises:
        UnknownListError: it is neither.
        BadLabelListError: the file's faults, each with its line.

    Example:
        >>> len(load_list("1k").ids)
        1000
    """
    if name_or_path in ABOUT:
        return _read(embedded(f"lists/{name_or_path}.txt.gz"), name_or_path)
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        raise UnknownListError(name_or_path, tuple(ABOUT))
    return _read(path, path.name.removesuffix(".gz").rpartition(".")[0] or path.name)


def _read(path: Path, name: str) -> LabelList:
    content = path.read_bytes()
    try:
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    except (OSError, EOFError, ValueError) as error:
        raise BadLabelListError(path, [f"it is no text: {error}"]) from error
    ids = tuple(text.split())  # all there is to a list without counts, comments and long names
    if ids and not any(c in text for c in "#\t ") and len(set(ids)) == len(ids):
        return LabelList(name=name, ids=ids)
    return _with_care(path, name, [line.rstrip() for line in text.splitlines()])


def _with_care(path: Path, name: str, lines: list[str]) -> LabelList:
    """Reads a list that has counts, comments, empty lines or faults."""
    line_of: dict[str, int] = {}
    counts: list[int] = []
    faults: list[tuple[int, str]] = []
    bare: list[tuple[int, str]] = []  # a fault only where others have a count
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        label, tab, count = line.partition("\t")
        if label in line_of:
            faults.append((number, f"{label} stood in line {line_of[label]} already"))
            continue
        line_of[label] = number
        if not tab:
            bare.append((number, f"{label} has no count, where others have one"))
        elif not count.isdigit():
            faults.append((number, f"{count!r} is no number of images"))
        else:
            counts.append(int(count))
    faults += bare if counts else []
    if faults:
        raise BadLabelListError(path, [f"line {number}: {text}" for number, text in sorted(faults)])
    if not line_of:
        return _no_labels(path)
    return LabelList(name=name, ids=tuple(line_of), counts=tuple(counts) if counts else None)


def _no_labels(path: Path) -> LabelList:
    raise BadLabelListError(path, ["it has no label"])
