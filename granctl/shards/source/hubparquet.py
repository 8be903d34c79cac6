"""Parquet files with images in them, in the form of the Hugging Face hub, read by row groups."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from granctl.errors import SourceChangedError, SourceLayoutError, listing
from granctl.shards.arraycache import cache_path, load_arrays, save_arrays
from granctl.shards.names import Names
from granctl.shards.source.inventory import FileSource, Inventory, Labelled
from granctl.shards.source.layout import OUTSIDE
from granctl.shards.source.listing import SPLITS
from granctl.shards.source.opening import Opening
from granctl.shards.source.webdataset import label_texts, split_in_name

_IMAGE_COLUMNS = ("image", "img", "jpg", "jpeg", "png", "webp")
_LABEL_COLUMNS = ("label", "labels", "fine_label", "cls", "class", "category", "wnid")
_BATCH = 128
_SCHEMA = 1
_MEND = (
    "expected: a column image (binary, or a struct with the field bytes) and a column label"
    " (text, or a number with names in the Hugging Face metadata)"
)


@dataclass(frozen=True, slots=True)
class _Form:
    """Which columns of a file hold what."""

    image: str
    inside: bool
    """The bytes are a field of a struct."""
    label: str
    names: tuple[str, ...]
    """Names of numbered labels; empty where there are none."""


class _Place(threading.local):
    """Where a thread stands in a file: batches come one after another."""

    key: tuple[int, int] | None = None
    batches: Iterator[tuple[int, Any]] | None = None
    first = 0
    images: Any = None


class ParquetReader:
    """Images by row; reading forward through a row group decodes each batch once."""

    def __init__(self, root: Path, files: Sequence[str], forms: Sequence[_Form]) -> None:
        self._root, self._files, self._forms = root, files, forms
        self._place = _Place()
        self.at: NDArray[np.int64] = np.zeros((0, 3), dtype=np.int64)
        """Shape (n, 3): file, row group, row in it."""
        self.sizes: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def read_soon(self, row: int) -> None:
        """Nothing: whole row groups are read."""

    def read(self, row: int) -> bytes:
        """The bytes of one image.

        Raises:
            SourceChangedError: the file is not what was listed.
        """
        import pyarrow as pa

        file, group, wanted = (int(number) for number in self.at[row])
        path, place = self._root / self._files[file], self._place
        try:
            if place.key != (file, group) or place.images is None or wanted < place.first:
                place.key = (file, group)
                place.batches = _image_batches(path, self._forms[file], group)
                place.first, place.images = next(place.batches)
            while wanted >= place.first + len(place.images):
                assert place.batches is not None
                place.first, place.images = next(place.batches)
            content = place.images[wanted - place.first].as_py()
        except (pa.ArrowException, OSError, StopIteration) as error:
            place.key = None
            raise SourceChangedError(path, f"it cannot be read any more ({error})") from error
        if content is None or len(content) != self.sizes[row]:
            raise SourceChangedError(path, f"row {wanted} of group {group} has another size")
        return bytes(content)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_place"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._place = _Place()


def open_hub_parquet(opening: Opening) -> FileSource:
    """Images of Parquet files; their sizes and a hash of them are found in one pass, and kept.

    Raises:
        SourceLayoutError: a file is no Parquet, or lacks the columns; no image has a label.
    """
    root = opening.path if opening.path.is_dir() else opening.path.parent
    files = list(opening.files) or parquet_files(root)
    forms = [_form_of(root / file) for file in files]
    tables = [_scanned(opening, root, file, form) for file, form in zip(files, forms, strict=True)]
    names, at, sizes, texts, sums = [], [], [], [], []
    rejected: list[tuple[str, str]] = []
    for number, (file, form, table) in enumerate(zip(files, forms, tables, strict=True)):
        stem = file.removesuffix(".parquet")
        rows = np.flatnonzero(table["sizes"] >= 0)
        nulls = np.flatnonzero(table["sizes"] < 0).tolist()
        rejected += [(f"{stem}#{i}", "a row without image bytes") for i in nulls]
        names += [f"{stem}#{i}" for i in rows.tolist()]
        place = np.column_stack([np.full(len(rows), number), table["group"][rows]])
        at.append(np.column_stack([place, table["row"][rows]]))
        sizes.append(table["sizes"][rows])
        words = Names(table["data"], table["bounds"]).take(rows)
        texts += _named(root, list(words), form)
        sums.append(table["sums"].tobytes())
    reader = ParquetReader(root, files, forms)
    reader.at, reader.sizes = np.concatenate(at).astype(np.int64), np.concatenate(sizes)
    folder_of = reader.at[:, 0].astype(np.int32)
    inventory = Inventory(
        root=opening.path,
        names=Names.of(names),
        folders=files,
        folder_of=folder_of,
        sizes=reader.sizes,
        stamps=np.zeros(len(names), dtype=np.int64),
        lies_at=np.arange(len(names), dtype=np.int64),
        reader=reader,
        tops={},
        content=xxhash.xxh3_128_hexdigest(b"".join(sums)),
        rejected=tuple(rejected),
    )
    labels = sorted({text for text in texts if text})
    place_of = {label: i for i, label in enumerate(labels)} | {"": OUTSIDE}
    splits = np.array([SPLITS.index(split_in_name(file)) for file in files], dtype=np.int8)
    labelled = Labelled(
        labels=labels,
        label_of=np.array([place_of[text] for text in texts], dtype=np.int32),
        split_of=splits[folder_of],
    )
    return FileSource(inventory, opening.name, labelled)


def parquet_files(root: Path) -> list[str]:
    """Parquet files in a folder, else in its folder `data`, as on the hub; sorted."""
    found = sorted(root.glob("*.parquet")) or sorted(root.glob("data/*.parquet"))
    return [str(path.relative_to(root)) for path in found]


def _form_of(path: Path) -> _Form:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise SourceLayoutError(path, f"not Parquet ({error})", _MEND) from error
    image = next((name for name in _IMAGE_COLUMNS if name in schema.names), None)
    label = next((name for name in _LABEL_COLUMNS if name in schema.names), None)
    if image is None or label is None:
        raise SourceLayoutError(path, f"its columns are {listing(schema.names, 8)}", _MEND)
    kind = schema.field(image).type
    inside = pa.types.is_struct(kind) and any(field.name == "bytes" for field in kind)
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    if not inside and not binary:
        raise SourceLayoutError(path, f"its column {image} holds {kind}, not bytes", _MEND)
    try:
        record = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        feature = record.get("info", {}).get("features", {}).get(label, {})
        names = tuple(str(name) for name in feature.get("names") or ())
    except (ValueError, AttributeError):
        names = ()
    return _Form(image, inside, label, names)


def _named(root: Path, texts: list[str], form: _Form) -> list[str]:
    """Numbers as names; empty for -1, which is how unlabelled test images are marked."""
    if form.names:
        numbers = [int(text) if text.lstrip("-").isdecimal() else -1 for text in texts]
        return [form.names[n] if 0 <= n < len(form.names) else "" for n in numbers]
    kept = [text for text in texts if not text.startswith("-")]
    said = iter(label_texts(root, kept))
    return ["" if text.startswith("-") else next(said) for text in texts]


def _scanned(opening: Opening, root: Path, file: str, form: _Form) -> dict[str, NDArray[Any]]:
    """Size, place, label and a hash of each row of a file; from the cache if it did not change."""
    path = root / file
    status = path.stat()
    cache = cache_path(opening.workspace, "parquet", str(path.resolve()))
    key = {"schema": _SCHEMA, "size": status.st_size, "time": status.st_mtime_ns}
    known = load_arrays(cache)
    if known is not None and known[0] == key:
        return known[1]
    columns = _pass(path, form, opening)
    save_arrays(cache, key, columns)
    return columns


def _pass(path: Path, form: _Form, opening: Opening) -> dict[str, NDArray[Any]]:
    """One pass over a file, batch by batch."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sizes: list[int] = []
    sums: list[int] = []
    places: list[tuple[int, int]] = []
    labels: list[str] = []
    try:
        file = pq.ParquetFile(path)
        opening.progress.start(f"reading {path.name}", file.metadata.num_rows, "rows")
        for group in range(file.num_row_groups):
            words = file.read_row_group(group, columns=[form.label])[form.label].to_pylist()
            labels += ["" if word is None else str(word).strip() for word in words]
            for first, images in _image_batches(path, form, group):
                for i, image in enumerate(images.to_pylist()):
                    sizes.append(-1 if image is None else len(image))
                    sums.append(0 if image is None else xxhash.xxh3_64_intdigest(image))
                    places.append((group, first + i))
                opening.progress.advance(len(images))
    except (pa.ArrowException, OSError) as error:
        raise SourceLayoutError(path, f"cannot be read ({error})", "fetch it again") from error
    finally:
        opening.progress.finish()
    packed, at = Names.of(labels), np.array(places, dtype=np.int64).reshape(-1, 2)
    return {
        "sizes": np.array(sizes, dtype=np.int64),
        "sums": np.array(sums, dtype=np.uint64),
        "group": np.ascontiguousarray(at[:, 0]),
        "row": np.ascontiguousarray(at[:, 1]),
        "data": packed.data,
        "bounds": packed.offsets,
    }


def _image_batches(path: Path, form: _Form, group: int) -> Iterator[tuple[int, Any]]:
    """First row and the image bytes of each batch of a row group; memory is that of a batch."""
    import pyarrow.parquet as pq

    column = f"{form.image}.bytes" if form.inside else form.image
    first = 0
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(_BATCH, row_groups=[group], columns=[column]):
            images = batch.column(0)
            images = images.field("bytes") if form.inside else images
            yield first, images
            first += len(batch)
