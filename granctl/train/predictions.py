"""Predictions kept: what a network said of every held-out image, as one Parquet file.

predictions.parquet, a row an image, in the order of the split:

  checksum   string          xxh3-128 of the image's bytes, as in the shard set's index
  classes    list<int32>     its true classes, numbers into `class_ids`; the first is the main one
  loss       float           its negative log-likelihood in nats (`measures.losses`)
  margin     float           log-probability of its best class less that of the best other, nats
  top        list<int32>[T]  the T highest classes, best first: 5, or 50 where `logp` is missing
  top_logp   list<float>[T]  their log-probabilities in nats
  logp       list<float>[K]  of all classes, in nats; half precision above 10 million numbers,
                             missing above 100 million

The file's metadata `granctl.predictions` is a JSON object: schema, content_digest (sha256 of the
columns), class_ids, class_names, sigmoid (whether each class has a probability of its own),
probabilities (false: the answers are scores, as of few-shot regression, and loss, margin and logp
those of a softmax of them), split, and the digests shards_digest, labels_digest and result_digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadPredictionsError, NoPredictionsError, NotKeptError
from granctl.files import replacing
from granctl.train.labelling import Labelling
from granctl.train.measures import logits_of
from granctl.train.tally import TOP, Answers
from granctl.tree.arrow import csr_of, list_column

PREDICTIONS_NAME = "predictions.parquet"
SCHEMA = 1
_META = b"granctl.predictions"
_SINGLE, _MOST = 10_000_000, 100_000_000
"""Log-probabilities that are kept in single precision, and at all."""
_TOP_ALONE = 50
_BATCH = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Answers beside the truth, N images, K classes."""

    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    sigmoid: bool
    """Whether each class has a probability of its own; else they are those of a softmax."""
    offsets: NDArray[np.int64]
    """Shape (N + 1,): the true classes of image i are `classes[offsets[i]:offsets[i + 1]]`."""
    classes: NDArray[np.int32]
    loss: NDArray[np.float32]
    """Shape (N,), nats."""
    margin: NDArray[np.float32]
    """Shape (N,), nats; positive where the answer is right."""
    top: NDArray[np.int32]
    """Shape (N, T): the highest classes, best first."""
    top_logp: NDArray[np.float32]
    """Shape (N, T), nats."""
    logp: NDArray[np.float32] | NDArray[np.float16] | None
    """Shape (N, K), nats; None where they would be too many."""
    probabilities: bool = True
    """False: the answers are scores, and a softmax of them means nothing."""

    def __len__(self) -> int:
        return len(self.loss)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Shape (N,): whether the highest class is one of the image's."""
        answer = np.repeat(self.top[:, 0], np.diff(self.offsets))
        return np.logical_or.reduceat(answer == self.classes, self.offsets[:-1])

    def truth(self) -> Labelling:
        """The true classes as `evaluated` takes them."""
        num = len(self)
        return Labelling(
            row=np.arange(num),
            key=np.arange(num),
            offsets=self.offsets,
            classes=self.classes.astype(np.int64),
            class_ids=self.class_ids,
            class_names=self.class_names,
            classes_total=len(self.class_ids),
            labels_present=len(np.unique(self.classes)),
            dropped=0,
        )

    def batches(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Logits of the kept probabilities and their images, as `evaluated` takes them.

        Raises:
            NotKeptError: only the highest classes were kept.
        """
        if self.logp is None:
            raise NotKeptError(len(self), len(self.class_ids), self.top.shape[1])
        for start in range(0, len(self), _BATCH):
            part = self.logp[start : start + _BATCH].astype(np.float32)
            which = np.arange(start, start + len(part))
            yield logits_of(part, sigmoid=self.sigmoid), which

    @property
    def content_digest(self) -> str:
        """Sha256 over the columns and ids: a file that was changed is found out."""
        hasher = hashlib.sha256()
        text = "\0".join((*self.class_ids, str(self.sigmoid))).encode()
        hasher.update(len(text).to_bytes(8, "little") + text)
        arrays = (self.offsets, self.classes, self.loss, self.margin, self.top, self.top_logp)
        for array in (*arrays, self.logp):
            if array is not None:
                hasher.update(f"{array.dtype.str} {array.shape}".encode())
                hasher.update(np.ascontiguousarray(array).tobytes())
        return hasher.hexdigest()


class Taken:
    """Gathers answers batch by batch, in any order, each image once."""

    def __init__(self, labelling: Labelling, *, sigmoid: bool) -> None:
        num, classes = len(labelling), labelling.num_classes
        self._truth, self._sigmoid = labelling, sigmoid
        few = num * classes <= _MOST
        self.ranks = min(TOP if few else _TOP_ALONE, classes)
        precision = np.float32 if num * classes <= _SINGLE else np.float16
        self._logp = np.zeros((num, classes), dtype=precision) if few else None
        self._top = np.zeros((num, self.ranks), dtype=np.int32)
        self._top_logp = np.zeros((num, self.ranks), dtype=np.float32)
        self._loss = np.zeros(num, dtype=np.float32)
        self._margin = np.zeros(num, dtype=np.float32)

    def add(self, answers: Answers) -> None:
        """Takes one batch."""
        which, top = answers.which, answers.top[:, : self.ranks]
        if self._logp is not None:
            with np.errstate(over="ignore"):  # below what half precision has: no probability
                self._logp[which] = answers.logp
        self._top[which] = top
        self._top_logp[which] = np.take_along_axis(answers.logp, top, axis=1)
        self._loss[which], self._margin[which] = answers.loss, answers.margin

    def all(self) -> Predictions:
        """What was gathered."""
        place, classes = self._truth.pairs(np.arange(len(self._truth)))
        counts = np.bincount(place, minlength=len(self._truth))
        return Predictions(
            class_ids=self._truth.class_ids,
            class_names=self._truth.class_names,
            sigmoid=self._sigmoid,
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            classes=classes.astype(np.int32),
            loss=self._loss,
            margin=self._margin,
            top=self._top,
            top_logp=self._top_logp,
            logp=self._logp,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """A file of predictions: the answers, and which images they are of."""

    answers: Predictions
    checksums: NDArray[np.bytes_]
    """Shape (N,), dtype S32: xxh3-128 of the images' bytes in hex."""
    split: str
    shards_digest: str
    labels_digest: str
    result_digest: str
    """Of the result that they belong to."""

    @property
    def content_digest(self) -> str:
        """Sha256 over answers and checksums."""
        hasher = hashlib.sha256(self.answers.content_digest.encode())
        hasher.update(np.ascontiguousarray(self.checksums.astype("S32")).tobytes())
        return hasher.hexdigest()

    def record(self) -> dict[str, Any]:
        """What a result says of them.

        `file`, `digest`, `logp` (`float32`, `float16` or null), `probabilities`.
        """
        logp = self.answers.logp
        kept = None if logp is None else str(logp.dtype)
        digest, are_some = self.content_digest, self.answers.probabilities
        return {"file": PREDICTIONS_NAME, "digest": digest, "logp": kept, "probabilities": are_some}

    def write(self, path: Path) -> None:
        """Writes the file whole, or not at all.

        Raises:
            OutputNotWritableError: no space, read-only, no permission.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        own = self.answers
        head = {
            "schema": SCHEMA,
            "content_digest": self.content_digest,
            "class_ids": list(own.class_ids),
            "class_names": list(own.class_names),
            "sigmoid": own.sigmoid,
            "probabilities": own.probabilities,
            "split": self.split,
            "shards_digest": self.shards_digest,
            "labels_digest": self.labels_digest,
            "result_digest": self.result_digest,
        }
        columns: dict[str, Any] = {
            "checksum": pa.array([c.decode() for c in self.checksums.tolist()], pa.string()),
            "classes": list_column(own.offsets, own.classes),
            "loss": pa.array(own.loss),
            "margin": pa.array(own.margin),
            "top": _rows(own.top),
            "top_logp": _rows(own.top_logp),
        }
        if own.logp is not None:
            columns["logp"] = _rows(own.logp)
        text = json.dumps(head, sort_keys=True, ensure_ascii=False)
        table = pa.table(columns).replace_schema_metadata({_META: text})
        with replacing(path) as temporary:
            pq.write_table(table, temporary, compression="zstd", use_dictionary=False)


def read_predictions(path: Path, command: str = "granctl transfer") -> Kept:
    """Reads a file of predictions and checks its content against the digest written with it.

    Args:
        path: the file.
        command: what makes it again, for the mend of an error.

    Raises:
        NoPredictionsError: there is no such file.
        BadPredictionsError: it holds no predictions, or was changed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise NoPredictionsError(path, command)
    try:
        with path.open("rb") as file:
            table = pq.ParquetFile(file).read()
        head = json.loads((table.schema.metadata or {})[_META])
        offsets, classes = csr_of(table["classes"].combine_chunks())
        found = Kept(
            answers=Predictions(
                class_ids=tuple(head["class_ids"]),
                class_names=tuple(head["class_names"]),
                sigmoid=bool(head["sigmoid"]),
                offsets=offsets,
                classes=classes,
                loss=table["loss"].to_numpy(),
                margin=table["margin"].to_numpy(),
                top=_matrix(table, "top"),
                top_logp=_matrix(table, "top_logp"),
                logp=_matrix(table, "logp") if "logp" in table.column_names else None,
                probabilities=bool(head.get("probabilities", True)),
            ),
            checksums=np.array(table["checksum"].to_pylist(), dtype="S32"),
            **{key: str(head[key]) for key in ("split", "shards_digest", "labels_digest")},
            result_digest=str(head["result_digest"]),
        )
        whole = found.content_digest == head["content_digest"] and head["schema"] == SCHEMA
    except (
        pa.ArrowException,
        OSError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        raise BadPredictionsError(path, f"it holds no predictions ({error})", command) from error
    if not whole:
        raise BadPredictionsError(path, "its content is not what was written", command)
    return found


def _rows(matrix: NDArray[Any]) -> Any:
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(matrix).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])


def _matrix(table: Any, name: str) -> NDArray[Any]:
    width = table.schema.field(name).type.list_size
    values = table[name].combine_chunks().values.to_numpy(zero_copy_only=False)
    found: NDArray[Any] = values.reshape(-1, width)
    return found
