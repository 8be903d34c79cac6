"""Reading what the checks look at: the small files of a shard set, its index, one shard."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import (
    BaseChangedError,
    BaseGoneError,
    ManifestMismatchError,
    MissingInputError,
    listing,
)
from granctl.shards.columns import places_of, text_column
from granctl.shards.index import SCHEMA, ShardSet
from granctl.shards.indexfile import ContentHasher, IndexGroups
from granctl.shards.journal import check_no_journal
from granctl.shards.manifest import manifest_faults
from granctl.shards.pool import Tell
from granctl.shards.setfiles import BAD_NAME
from granctl.shards.source.listing import SPLITS
from granctl.shards.store import Folder, Store
from granctl.shards.verify.facts import IndexFacts, SetFacts, ShardFacts
from granctl.shards.verify.layout import COLUMNS, LabelHeads, ShardRows, layout_of, shard_rows
from granctl.shards.verify.scan import Scan, scan_shard
from granctl.shards.verify.walk import Walk, walk_shard
from granctl.workspace import MANIFEST_NAME, SPEC_NAME

_MOST_ODDITIES = 100


def gather_set(store: Store) -> tuple[SetFacts, ShardSet | None]:
    """Reads everything of a shard set but its shards; and the set, if it can be opened.

    Raises:
        MissingInputError: there is no such folder, or nothing in it that is a shard set.
        RelabelUnfinishedError: its shards are half relabelled.
        GranctlError: the URL cannot be read.
    """
    root = store.root if isinstance(store, Folder) else None
    if root is not None and not root.is_dir():
        raise MissingInputError("shard set", root, "make one with `granctl shards build`")
    if root is not None:
        check_no_journal(root)
    files = store.sizes()
    spec, spec_problem = _read_object(store, SPEC_NAME)
    manifest, manifest_problem = _read_object(store, MANIFEST_NAME)
    if manifest is not None and (problem := _unusable(manifest)):
        manifest, manifest_problem = None, problem
    if not (files or spec or manifest or spec_problem or manifest_problem):
        hint = "name the folder (or URL) that has manifest.json in it"
        raise MissingInputError("shard set", store.where, hint)
    shards, base_problem = _opened(store, manifest)
    index, index_problem = (None, "")
    if shards is not None and shards.base is None:
        index, index_problem = _read_index(shards)
    num_bad, bad_problem = _left_out(store)
    facts = SetFacts(
        where=store.where,
        files=files,
        folders=sorted(p.name for p in root.iterdir() if p.is_dir()) if root else [],
        spec=spec,
        spec_problem=spec_problem,
        manifest=manifest,
        manifest_problem=manifest_problem,
        index=index,
        index_problem=index_problem,
        base=shards.base.manifest if shards and shards.base else None,
        base_problem=base_problem,
        num_bad=num_bad,
        bad_problem=bad_problem,
    )
    return facts, shards


def _opened(store: Store, manifest: Mapping[str, Any] | None) -> tuple[ShardSet | None, str]:
    """The shard set of a good manifest; None and why, where the base of a view is not as it was."""
    if manifest is None:
        return None, ""
    try:
        return ShardSet.of_store(store), ""
    except (BaseGoneError, BaseChangedError, ManifestMismatchError) as error:
        if "view" not in manifest:
            raise
        return None, error.message


def _read(store: Store, name: str) -> bytes | None:
    """A small file; None where there is none."""
    try:
        with store.open(name) as file:
            return file.read()
    except MissingInputError:
        return None


def _read_object(store: Store, name: str) -> tuple[dict[str, Any] | None, str]:
    """A JSON object; None and perhaps a problem where there is none."""
    try:
        content = _read(store, name)
        if content is None:
            return None, ""
        value = json.loads(content)
    except OSError as error:
        return None, f"it cannot be read ({error.strerror})"
    except (ValueError, RecursionError) as error:
        return None, f"it is not JSON ({error})"
    return (value, "") if isinstance(value, dict) else (None, "it is no object")


def _unusable(manifest: Mapping[str, Any]) -> str:
    """What is wrong with a manifest; empty for a good one."""
    if manifest.get("kind") != "shards" or manifest.get("schema") != SCHEMA:
        return f"it is of kind {manifest.get('kind')!r}, schema {manifest.get('schema')!r}"
    return listing(manifest_faults(manifest))


def _left_out(store: Store) -> tuple[int | None, str]:
    """How many images bad.csv says were left out; or why that cannot be said."""
    try:
        content = _read(store, BAD_NAME)
        if content is None:
            return None, ""
        rows = csv.DictReader(io.StringIO(content.decode()))
        return sum(row["left_out"] == "yes" for row in rows), ""
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        return None, f"{error}"


# --- the index ----------------------------------------------------------------------------------


def _read_index(shards: ShardSet) -> tuple[IndexFacts | None, str]:
    try:
        return _index_facts(shards), ""
    except (ManifestMismatchError, MissingInputError) as error:
        return None, error.message
    except (OSError, ValueError) as error:
        return None, f"{error}"


def _index_facts(shards: ShardSet) -> IndexFacts:
    """One pass over the row groups of an index.

    Raises:
        ManifestMismatchError, MissingInputError, ValueError: it is damaged, or not there.
    """
    groups = IndexGroups(shards.index_path)
    labels, splits = text_column(shards.labels), text_column(SPLITS)
    hasher = ContentHasher(shards.labels)
    counts = {split: np.zeros((2, len(labels)), dtype=np.int64) for split in SPLITS}
    images: list[int] = []
    oddities: list[str] = []
    total = groups.num_rows
    keys, split_of = np.zeros(total, dtype=np.int32), np.zeros(total, dtype=np.int8)
    sums = np.zeros((total, 16), dtype=np.uint8)
    done = 0
    for number, shard in enumerate(shards.manifest["shards"]):
        table = groups.rows(number, (*COLUMNS, "split"))
        images.append(table.num_rows)
        if not table.num_rows:
            continue
        rows = shard_rows(table, labels)
        hasher.update(shard["split"], table["label"], table["checksum"])
        _count(counts[shard["split"]], rows)
        oddities += _oddities(shard, places_of(table["split"], splits), rows)
        ours = slice(done, done + len(rows))
        keys[ours], sums[ours] = rows.keys, rows.sums
        split_of[ours] = SPLITS.index(shard["split"])
        done += len(rows)
    beyond = [number for number in groups.shards if not 0 <= number < len(images)]
    if beyond:
        oddities.append(f"rows of {len(beyond):,} shards that the manifest does not name")
    return IndexFacts(
        images=images,
        splits={
            split: {
                "images": int(both[0].sum()),
                "image_bytes": int(both[1].sum()),
                "label_counts": both[0].tolist(),
                "label_bytes": both[1].tolist(),
            }
            for split, both in counts.items()
            if both[0].any()
        },
        content_digest=hasher.hexdigest(),
        keys=keys[:done],
        split_of=split_of[:done],
        sums=sums[:done].view(np.uint64),
        oddities=oddities[:_MOST_ODDITIES],
    )


def _oddities(
    shard: Mapping[str, Any], split_of: NDArray[np.int32], rows: ShardRows
) -> Iterator[str]:
    """What is wrong with the labels and splits of one shard."""
    others = int((split_of != SPLITS.index(shard["split"])).sum())
    if others:
        yield f"{others:,} rows of {shard['name']} have another split than it"
    unknown = int((rows.labels < 0).sum())
    if unknown:
        yield f"{unknown:,} rows of {shard['name']} have labels of no manifest"


def _count(both: NDArray[np.int64], rows: ShardRows) -> None:
    """Adds images and bytes of each label; shape (2, labels)."""
    good = rows.labels >= 0
    labels, sizes = rows.labels[good], rows.sizes[good]
    both[0] += np.bincount(labels, minlength=both.shape[1])
    np.add.at(both[1], labels, sizes)  # exact, as the float weights of bincount would not be


# --- one shard ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class ShardGatherer:
    """Gathers what there is to know of any shard of a set; it may be used after a fork."""

    store: Store
    shards: ShardSet | None
    """None: tars that granctl did not write."""
    groups: IndexGroups | None
    """None: there is no index to go by."""
    known: LabelHeads | None
    labels: Any
    """Those of the manifest, as `text_column` makes them; None: there is none."""

    def gather(self, name: str, number: int, tell: Tell) -> ShardFacts:
        """Reads one shard.

        Raises:
            GranctlError: the place cannot be read.
        """
        listed = self.shards.manifest["shards"][number]["bytes"] if self.shards else None
        rows = self.rows(number) if self.groups is not None else None
        layout = layout_of(rows, listed) if rows is not None and listed is not None else None
        scan: Scan | None = None
        walk: Walk | None = None
        num_bytes: int | None = None
        problem = ""
        try:
            if rows is not None and layout is not None and self.known is not None:
                with self.store.open(name) as file:
                    scan = scan_shard(file, rows, layout, self.known, tell)
                num_bytes = scan.num_bytes
            if scan is None or not scan.is_as_listed:
                with self.local(name) as path:
                    num_bytes = path.stat().st_size
                    begins = layout.begins.tolist() if layout is not None else []
                    walk = walk_shard(path, begins)
        except MissingInputError:
            pass
        except OSError as error:  # a failing disk; what it still gives is not taken for whole
            num_bytes, scan, walk = num_bytes or 0, None, None
            problem = error.strerror or str(error)
        if scan is None:
            tell(len(rows) if rows is not None else 1, num_bytes or 0, 0)
        return ShardFacts(
            name=name,
            num_bytes=num_bytes,
            listed_bytes=listed,
            problem=problem,
            rows=rows,
            layout=layout,
            scan=scan,
            walk=walk,
            known=self.known,
        )

    def rows(self, number: int) -> ShardRows:
        """The rows of a shard; there is an index."""
        assert self.groups is not None
        assert self.labels is not None
        table = self.groups.rows(number, COLUMNS)
        if not table.num_rows:
            return ShardRows.none()
        return shard_rows(table, self.labels)

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A shard as a file of this machine; one behind a URL is copied for the while.

        Raises:
            MissingInputError: it is not there.
        """
        if isinstance(self.store, Folder):
            with self.store.open(name):
                yield self.store.root / name
            return
        with tempfile.TemporaryDirectory() as folder, self.store.open(name) as remote:
            path = Path(folder) / "shard.tar"
            with path.open("wb") as file:
                shutil.copyfileobj(remote, file, 1 << 20)
            yield path
