"""The label map: label (or single image) -> one class or several; one Parquet file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ManifestMismatchError, MissingInputError
from granctl.files import replacing
from granctl.provenance import digest, plain
from granctl.tree.arrow import csr_of, list_column, text_column
from granctl.tree.cutname import cut_name

SCHEMA = 1
KeyedBy = Literal["label", "image"]


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """Which classes each label has under one cut, as a sparse matrix in CSR form.

    The classes of `labels[i]` are `classes[offsets[i]:offsets[i + 1]]`, in file order; the first
    is what single-integer consumers get. A label without a class was dropped by the cut.
    """

    labels: tuple[str, ...]
    """Label ids (wnids), in the label list's order; or image checksums (hex)."""
    offsets: NDArray[np.int64]
    """Shape (len(labels) + 1,), non-decreasing, from 0 to len(classes)."""
    classes: NDArray[np.int32]
    """Class indices, 0 <= index < len(class_ids)."""
    class_ids: tuple[str, ...]
    """One id a class: a node of the taxonomy, or a made-up one (`n02084071/3`, `random/17`)."""
    class_names: tuple[str, ...]
    """One name a class, for people."""
    method: str
    """How it was made: depth, level, leaf, kmeans, random ..."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Everything that `method` was given, JSON types; the policy and the seed too."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Role (taxonomy, list, like, within, features, shards) -> digest of what was read."""
    keyed_by: KeyedBy = "label"
    """Whether `labels` holds label ids or image checksums."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """The record of `granctl.provenance`; no part of the identity."""

    def __post_init__(self) -> None:
        """Checks the invariants of CSR and freezes the arrays.

        Raises:
            ValueError: they do not hold.
        """
        if self.offsets.shape != (len(self.labels) + 1,) or self.offsets[0] != 0:
            raise ValueError("offsets do not fit the labels")
        if (np.diff(self.offsets) < 0).any() or self.offsets[-1] != len(self.classes):
            raise ValueError("offsets are not those of a CSR matrix")
        if len(self.classes) and not (
            self.classes.min() >= 0 and self.classes.max() < len(self.class_ids)
        ):
            raise ValueError("a class index is out of range")
        if len(self.class_names) != len(self.class_ids):
            raise ValueError("names and ids of the classes differ in number")
        self.offsets.setflags(write=False)
        self.classes.setflags(write=False)

    @staticmethod
    def spec_digest(
        method: str, params: Mapping[str, Any], inputs: Mapping[str, str], keyed_by: KeyedBy
    ) -> str:
        """The identity that a map made so will have, known before it is made."""
        spec = {"method": method, "params": plain(params), "inputs": dict(inputs)}
        return digest({"kind": "label-map", "schema": SCHEMA, "keyed_by": keyed_by, **spec})

    @cached_property
    def digest(self) -> str:
        """Identity: the digest of how it was made, from what."""
        return self.spec_digest(self.method, self.params, self.inputs, self.keyed_by)

    @cached_property
    def content_digest(self) -> str:
        """Sha256 over the arrays and ids: a file that was changed is found out."""
        hasher = hashlib.sha256()
        for part in ("\0".join(self.labels).encode(), "\0".join(self.class_ids).encode()):
            hasher.update(len(part).to_bytes(8, "little") + part)
        hasher.update(self.offsets.astype("<i8").tobytes())
        hasher.update(self.classes.astype("<i4").tobytes())
        return hasher.hexdigest()

    @cached_property
    def index_of(self) -> dict[str, int]:
        """Label -> its row."""
        return {label: i for i, label in enumerate(self.labels)}

    @property
    def num_classes(self) -> int:
        """How many classes the map knows, present in some images or not."""
        return len(self.class_ids)

    @property
    def name(self) -> str:
        """The cut in a word, as `depth-5` or `kmeans-40`."""
        return cut_name(self.method, self.params)

    @property
    def multi_label(self) -> bool:
        """Whether any label has several classes."""
        return bool((np.diff(self.offsets) > 1).any())

    @classmethod
    def from_single(
        cls, labels: Sequence[str], class_of_label: NDArray[np.integer], **fields: Any
    ) -> LabelMap:
        """A map with at most one class a label; -1 means none. `fields` are the other fields.

        Args:
            labels: label ids.
            class_of_label: shape (len(labels),), integer.
            fields: class_ids, class_names, method, and so on.
        """
        kept = class_of_label >= 0
        offsets = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        classes = class_of_label[kept].astype(np.int32)
        return cls(labels=tuple(labels), offsets=offsets, classes=classes, **fields)

    def classes_of(self, label: str) -> NDArray[np.int32]:
        """The classes of one label, in file order.

        Raises:
            KeyError: the map does not know the label.
        """
        row = self.index_of[label]
        return self.classes[self.offsets[row] : self.offsets[row + 1]]

    # --- the file -----------------------------------------------------------------------------

    def write(self, path: Path) -> None:
        """Writes the map as Parquet: a row a label, everything else in the file's metadata."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        head = {
            "schema": SCHEMA,
            "digest": self.digest,
            "content_digest": self.content_digest,
            "method": self.method,
            "params": plain(self.params),
            "inputs": dict(self.inputs),
            "keyed_by": self.keyed_by,
            "class_ids": list(self.class_ids),
            "class_names": list(self.class_names),
            "provenance": plain(self.provenance),
        }
        columns = [text_column(self.labels), list_column(self.offsets, self.classes)]
        table = pa.Table.from_arrays(columns, names=["label", "classes"])
        text = json.dumps(head, sort_keys=True, ensure_ascii=False)
        table = table.replace_schema_metadata({"granctl.label-map": text})
        with replacing(path) as temporary:
            pq.write_table(table, temporary, compression="zstd", use_dictionary=False)

    @classmethod
    def read(cls, path: Path) -> LabelMap:
        """Reads a map and checks its content against the digest that was written with it.

        Raises:
            MissingInputError: there is no such file.
            ManifestMismatchError: it is no label map, or was changed.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not path.is_file():
            raise MissingInputError("label map", path, "make one with `granctl tree cut`")
        hint = "make it again with `granctl tree cut`"
        try:
            with path.open("rb") as file:
                table = pq.ParquetFile(file).read()
            head = json.loads((table.schema.metadata or {})[b"granctl.label-map"])
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise ManifestMismatchError(path, f"not a label map ({error})", hint) from error
        offsets, classes = csr_of(table["classes"].combine_chunks())
        found = cls(
            labels=tuple(table["label"].to_pylist()),
            offsets=offsets,
            classes=classes,
            class_ids=tuple(head["class_ids"]),
            class_names=tuple(head["class_names"]),
            method=head["method"],
            params=head["params"],
            inputs=head["inputs"],
            keyed_by=head["keyed_by"],
            provenance=head["provenance"],
        )
        if found.content_digest != head["content_digest"] or found.digest != head["digest"]:
            raise ManifestMismatchError(path, "its content is not what was written", hint)
        return found
