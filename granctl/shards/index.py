"""A shard set opened for reading: manifest.json at once, rows of index.parquet when asked.

<shard set>/
  spec.json             what was asked; written first
  train-000000.tar      plain WebDataset: key.png|jpg|webp, key.cls, key.json
  index.parquet         a row an image: shard, offset, size, key, label, checksum, split, ...
  bad.csv               images left out, if any, with the reason
  manifest.json         counts, labels, digests; written last

A view (`granctl shards relabel`) has spec.json and manifest.json alone: labels, classes, and where
the set lies whose tars and index it reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from granctl.errors import (
    BaseChangedError,
    BaseGoneError,
    ManifestMismatchError,
    MissingInputError,
    NoSuchSplitError,
    OutputNotWritableError,
    listing,
)
from granctl.files import read_json, write_bytes
from granctl.shards.columns import bytes_of, mask_column, numbers_of
from granctl.shards.indexfile import ContentHasher, IndexGroups, rows_of_split, texts
from granctl.shards.journal import check_no_journal
from granctl.shards.manifest import manifest_faults
from granctl.shards.source.listing import SPLITS
from granctl.shards.store import Folder, Store, store_of, url_of
from granctl.workspace import MANIFEST_NAME

SCHEMA = 1
INDEX_NAME = "index.parquet"
HELD_OUT_SPLITS = ("test", "val")
"""Splits to measure on, the preferred one first."""

_NUMBERS: Mapping[str, type] = {
    "shard": np.int32,
    "offset": np.int64,
    "size": np.int32,
    "label_index": np.int32,
}
_SUM_CHARS = 32
_READ_BYTES = 1 << 22
_KEPT_DIGEST = ".content-digest"
_DIGEST_CHARS = 64
_HINT = "make it again with `granctl shards build`"


def index_record(path: Path) -> dict[str, Any]:
    """What the manifest says of the index: `bytes`, and `checksum`, the xxh3-128 of all of it."""
    hasher = xxhash.xxh3_128()
    with path.open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(_READ_BYTES))
        while size := file.readinto(buffer):
            hasher.update(buffer[:size])
        return {"bytes": file.tell(), "checksum": hasher.hexdigest()}


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Where the images of one split lie, in the order of the shards; all arrays are (N,)."""

    shard: NDArray[np.int32]
    """Index into the manifest's list of shards."""
    offset: NDArray[np.int64]
    """First byte of the image inside its shard."""
    size: NDArray[np.int32]
    """Bytes of the image."""
    label: NDArray[np.int32]
    """Index into `ShardSet.labels`."""

    def __len__(self) -> int:
        return len(self.offset)


@dataclass(frozen=True, kw_only=True, eq=False)
class ShardSet:
    """A whole shard set; opening it reads manifest.json only."""

    root: Path
    """The folder; of a set behind a URL, the folder of the cache with its manifest and index."""
    manifest: Mapping[str, Any]
    store: Store
    """Where its tars and its index lie."""
    base: ShardSet | None = None
    """Of a view: the set whose tars and index it reads, with labels of which it may have fewer."""

    @classmethod
    def open(cls, path: Path | str) -> ShardSet:
        """Opens the shard set in a folder, or behind a URL (`s3://`, `http://`, `https://`).

        Raises:
            MissingInputError: there is no such folder.
            ManifestMismatchError: it is no shard set, or an unfinished one.
            RelabelUnfinishedError: its shards are half relabelled.
            BaseGoneError, BaseChangedError: it is a view of a set that is not there any more.
            RemoteDownError: the URL cannot be read.
        """
        return cls._open(path)

    @classmethod
    def _open(cls, path: Path | str, *, as_base: bool = False) -> ShardSet:
        if url_of(path) is not None:
            return cls.of_store(store_of(path), as_base=as_base)
        path = Path(path)
        if not path.exists():
            raise MissingInputError("shard set", path, "make one with `granctl shards build`")
        if not (path / MANIFEST_NAME).is_file():
            check_no_journal(path)
            problem = f"not a whole shard set: it has no {MANIFEST_NAME}"
            hint = "if its build was stopped, run the same `granctl shards build` again"
            raise ManifestMismatchError(path, problem, hint)
        manifest = read_json(path / MANIFEST_NAME)
        return cls.of_manifest(path, manifest, Folder(path), as_base=as_base)

    @classmethod
    def of_store(cls, store: Store, *, as_base: bool = False) -> ShardSet:
        """Opens the shard set of a store: that of a URL with limits of one's own, for example.

        Args:
            store: where it lies.
            as_base: for a view, which may not be one of a view.

        Raises:
            ManifestMismatchError: it is no shard set, or an unfinished one.
            GranctlError: the URL cannot be read.
        """
        try:
            manifest = store.file(MANIFEST_NAME)
        except MissingInputError as error:
            problem = f"not a whole shard set: it has no {MANIFEST_NAME}"
            hint = "check the URL; if its upload was stopped, run the same command again"
            raise ManifestMismatchError(store.where, problem, hint) from error
        return cls.of_manifest(manifest.parent, read_json(manifest), store, as_base=as_base)

    @classmethod
    def of_manifest(
        cls, root: Path, manifest: Mapping[str, Any], store: Store, *, as_base: bool = False
    ) -> ShardSet:
        """The shard set of a manifest that was read.

        Args:
            root: the folder with the manifest.
            manifest: what it says.
            store: where the set lies.
            as_base: for a view, which may not be one of a view.

        Raises:
            ManifestMismatchError: it is not one of a shard set, or damaged.
            BaseGoneError, BaseChangedError: it is a view of a set that is not there any more.
        """
        if manifest.get("kind") != "shards" or manifest.get("schema") != SCHEMA:
            found = f"{manifest.get('kind')!r}, schema {manifest.get('schema')!r}"
            problem = f"not a shard set of this version ({found})"
            raise ManifestMismatchError(store.where, problem, _HINT)
        if faults := manifest_faults(manifest):
            where = f"{store.where}/{MANIFEST_NAME}"
            raise ManifestMismatchError(where, f"damaged: {listing(faults)}", _HINT)
        if "view" not in manifest:
            return cls(root=root, manifest=manifest, store=store)
        if as_base:
            hint = "make the view of the set itself again: `granctl shards relabel`"
            raise ManifestMismatchError(store.where, "a view cannot be one of a view", hint)
        base = cls._base_of(root, manifest["view"], store.where)
        theirs = {name: base.manifest[name] for name in ("shards", "index")}
        return cls(root=root, manifest={**manifest, **theirs}, store=base.store, base=base)

    @classmethod
    def _base_of(cls, root: Path, view: Mapping[str, Any], where: str) -> ShardSet:
        """The set that a view reads: where it was, or beside the view as it was."""
        places = [view["path"]] if url_of(view["path"]) else [view["path"], root / view["beside"]]
        for place in places:
            with suppress(MissingInputError, OSError):  # a damaged path may be no path at all
                base = cls._open(place, as_base=True)
                break
        else:
            raise BaseGoneError(where, view["path"])
        if base.digest != view["content_digest"]:
            raise BaseChangedError(where, base.where)
        return base

    @property
    def where(self) -> str:
        """The folder or the URL, as people write it."""
        return self.store.where if self.base is None else str(self.root)

    @property
    def name(self) -> str:
        """The last part of the folder's path or of the URL."""
        return self.where.rstrip("/").rpartition("/")[2]

    @cached_property
    def digest(self) -> str:
        """Content: the same images under the same labels in the same order and splits.

        The classes in `.cls` and `.json` are no part of it: a cut is looked up at reading. For a
        view with fewer labels than its base the index is read, as such a view is made without; the
        digest is kept beside it.
        """
        if "content_digest" in self.manifest:
            return str(self.manifest["content_digest"])
        kept = self.root / _KEPT_DIGEST
        if kept.is_file() and len(found := kept.read_text()) == _DIGEST_CHARS:
            return found
        hasher, groups = ContentHasher(self.labels), IndexGroups(self.index_path)
        for number, shard in enumerate(self.manifest["shards"]):
            rows = self._of_our_labels(groups.rows(number, ["label", "label_index", "checksum"]))
            hasher.update(shard["split"], rows["label"], rows["checksum"])
        with suppress(OutputNotWritableError):
            write_bytes(kept, hasher.hexdigest().encode())
        return hasher.hexdigest()

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Label ids, sorted."""
        return tuple(self.manifest["labels"])

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Those of train, val, test that have images, in this order."""
        return tuple(split for split in SPLITS if split in self.manifest["splits"])

    @cached_property
    def label_counts(self) -> Mapping[str, tuple[int, ...]]:
        """Split -> images of each label, in the order of `labels`."""
        recorded = self.manifest["splits"]
        return {split: tuple(recorded[split]["label_counts"]) for split in self.splits}

    @cached_property
    def shard_names(self) -> tuple[str, ...]:
        """File name of each shard; `Rows.shard` points here."""
        return tuple(shard["name"] for shard in self.manifest["shards"])

    def num_images(self, split: str) -> int:
        """How many images a split has.

        Raises:
            NoSuchSplitError: there is no such split.
        """
        return sum(self.label_counts[self._known(split)])

    @property
    def held_out(self) -> str:
        """The split to measure on: `test` where there is one, else `val`.

        Raises:
            NoSuchSplitError: there is neither.
        """
        for split in HELD_OUT_SPLITS:
            if split in self.splits:
                return split
        raise NoSuchSplitError(self.where, " or ".join(HELD_OUT_SPLITS), self.splits)

    # --- the index ----------------------------------------------------------------------------

    @cached_property
    def index_path(self) -> Path:
        """A local file with the index, whose bytes are those that the manifest names.

        Raises:
            MissingInputError: there is none.
            ManifestMismatchError: it is another, or was damaged.
        """
        if self.base is not None:
            return self.base.index_path
        path, said = self.store.file(INDEX_NAME), self.manifest.get("index")
        if not path.is_file():
            raise MissingInputError("index of a shard set", path, _HINT)
        if said != index_record(path):
            problem = "its bytes are not those that the manifest names"
            raise ManifestMismatchError(path, problem, _HINT)
        return path

    def rows(self, split: str) -> Rows:
        """Where the images of a split lie and which label each has.

        Raises:
            NoSuchSplitError: there is no such split.
            ManifestMismatchError: the index is damaged.
        """
        num, at = self.num_images(split), 0
        found: dict[str, NDArray[Any]] = {
            name: np.empty(num, kind) for name, kind in _NUMBERS.items()
        }
        for piece in self._pieces(split, list(_NUMBERS)):
            for name, array in found.items():
                array[at : at + len(piece)] = numbers_of(piece[name], _NUMBERS[name])
            at += len(piece)
        shard, offset, size, label = found.values()
        outside = num and (
            min(shard.min(), offset.min(), size.min()) < 0 or shard.max() >= len(self.shard_names)
        )
        if outside:
            problem = f"rows of {split} lie outside of every shard"
            raise ManifestMismatchError(self.index_path, problem, _HINT)
        if self.base is not None:
            label = self._our_label_of[label]
        return Rows(shard=shard, offset=offset, size=size, label=label)

    def keys(self, split: str) -> NDArray[np.str_]:
        """The WebDataset key of each row.

        Raises:
            NoSuchSplitError: there is no such split.
            ManifestMismatchError: the index is damaged.
        """
        pieces = self._pieces(split, ["key"])
        keys = [np.array(texts(piece["key"]), dtype=np.str_) for piece in pieces]
        return np.concatenate([np.empty(0, "U1"), *keys])

    def checksums(self, split: str) -> NDArray[np.bytes_]:
        """The xxh3-128 of each row's image bytes: shape (N,), dtype S32, 32 hex digits.

        Raises:
            NoSuchSplitError: there is no such split.
            ManifestMismatchError: the index is damaged.
        """
        sums = [np.empty(0, "S32")]
        for piece in self._pieces(split, ["checksum"]):
            starts, data = bytes_of(piece["checksum"])
            if (np.diff(starts) != _SUM_CHARS).any():
                problem = f"its column checksum has not {_SUM_CHARS} digits each"
                raise ManifestMismatchError(self.index_path, problem, _HINT)
            sums.append(data[starts[0] : starts[-1]].view("S32"))
        return np.concatenate(sums)

    def _known(self, split: str) -> str:
        if split not in self.splits:
            raise NoSuchSplitError(self.where, split, self.splits)
        return split

    def _pieces(self, split: str, columns: Sequence[str]) -> Iterator[Any]:
        """The rows of a split some shards at a time: fresh memory for all would cost the most.

        Raises:
            NoSuchSplitError: there is no such split.
            ManifestMismatchError: the index is damaged.
        """
        expected, num = self.num_images(split), 0
        columns = list(dict.fromkeys([*columns, "label_index"]))
        for piece in rows_of_split(self.index_path, split, columns):
            label = numbers_of(piece["label_index"], np.int32)
            if len(label) and not 0 <= label.min() <= label.max() < len(self._our_label_of):
                problem = f"labels of {split} are not in the manifest"
                raise ManifestMismatchError(self.index_path, problem, _HINT)
            ours = self._of_our_labels(piece)
            num += len(ours)
            if num > expected:
                break
            yield ours
        if num != expected:
            said = f"{'more' if num > expected else num} rows of {split}"
            problem = f"{said}, not {expected} as its manifest says"
            raise ManifestMismatchError(self.index_path, problem, _HINT)

    @property
    def _lacks_labels(self) -> bool:
        """Whether this is a view with fewer labels than its base."""
        return self.base is not None and len(self.labels) < len(self.base.labels)

    def _of_our_labels(self, table: Any) -> Any:
        """Those rows of the index that a view does not leave out."""
        if not self._lacks_labels:
            return table
        kept = self._our_label_of[numbers_of(table["label_index"], np.int32)] >= 0
        return table.filter(mask_column(kept))

    @cached_property
    def _our_label_of(self) -> NDArray[np.int32]:
        """Index into `labels` of each label that the index numbers; -1: a view leaves it out."""
        if self.base is None:
            return np.arange(len(self.labels), dtype=np.int32)
        ours = {label: i for i, label in enumerate(self.labels)}
        return np.array([ours.get(label, -1) for label in self.base.labels], dtype=np.int32)
