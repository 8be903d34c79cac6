"""Mending a shard set: damaged files are set aside, and whole ones put in their places.

What is mended is made in a folder of its own and proven by the index before the damaged file gives
up its place; so a repair that is killed, or fails, leaves nothing worse than it was, and the same
command goes on.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

from granctl.alone import making_alone
from granctl.errors import BadOptionError
from granctl.files import make_folder, write_json
from granctl.progress import Progress
from granctl.shards.index import INDEX_NAME, ShardSet
from granctl.shards.store import Folder, Store
from granctl.shards.verify.gather import gather_set
from granctl.shards.verify.mend import mend_shards
from granctl.shards.verify.places import put_in_place, set_aside_alone
from granctl.shards.verify.rebuild import RepairSpec
from granctl.shards.verify.reindex import reindex
from granctl.shards.verify.report import Mended, Report
from granctl.shards.verify.setchecks import REPAIR_NAME, strays
from granctl.shards.verify.table import selected
from granctl.shards.verify.verify import verify
from granctl.workspace import MANIFEST_NAME, Workspace

_OF_SHARDS = ("E2", "E3", "W2")
_UNCERTAIN = ("E105", "E106", "E107", "E108")
"""Where manifest and index contradict each other, neither says what a shard should be."""


def repair(
    workspace: Workspace, store: Store, spec: RepairSpec, workers: int, progress: Progress
) -> Report:
    """Checks a shard set and mends what can be mended; the report is of the set as it is then.

    Tars that the manifest does not name, and temporary files, are set aside. A damaged index is
    made again from the shards. A shard whose images are sound is mended from the index; any other
    is built again from the source, and taken only if each image has the checksum of the index.

    Raises:
        BadOptionError: the set lies behind a URL; the source cannot be found.
        SourceDiffersError: the source has other images than the set.
        OutputNotWritableError: no space, read-only, no permission.
        GranctlError: as `verify`.
    """
    if not isinstance(store, Folder):
        hint = "repair it where it was built, then `granctl shards upload` sends what changed"
        raise BadOptionError("--repair", f"{store.where} is no folder of this machine", hint)
    codes = selected(None)
    facts, shards = gather_set(store)
    if facts.is_view:
        base = shards.base.where if shards and shards.base else "another set"
        hint = "repair that one: it has the tars and the index"
        raise BadOptionError("--repair", f"{store.where} is a view of {base}", hint)
    if shards is None:
        return verify(store, codes, workers, progress)
    with making_alone(store.root, progress):
        mended = [set_aside_alone(store.root, name, progress) for name in strays(facts)]
        if facts.index_problem:
            mended += _mend_index(shards, workers, progress)
        report = verify(store, codes, workers, progress)
        found = {finding.code for finding in report.findings}
        damaged = {f.shard for f in report.findings if f.shard and f.code[:2] in _OF_SHARDS}
        facts, shards = gather_set(store)
        if damaged and facts.index and shards and not found.intersection(_UNCERTAIN):
            mended += mend_shards(workspace, facts, shards, damaged, spec, workers, progress)
        shutil.rmtree(store.root / REPAIR_NAME, ignore_errors=True)
        if mended:
            again = verify(store, codes, workers, progress, only=damaged)
            report = replace(report, findings=again.findings, mended=mended)
    return report


def _mend_index(shards: ShardSet, workers: int, progress: Progress) -> list[Mended]:
    """Makes the index again; nothing is changed where the shards do not give what it was."""
    folder = shards.root
    make_folder(folder / REPAIR_NAME)
    record = reindex(shards, folder / REPAIR_NAME, workers, progress)
    if record is None:
        progress.note("the index cannot be made again: shards are damaged too")
        return []
    mended = put_in_place(folder, INDEX_NAME, "reindexed", progress)
    if record != shards.manifest.get("index"):
        # Another version of the writer of Parquet: the same rows in other bytes.
        write_json(folder / MANIFEST_NAME, {**shards.manifest, "index": record})
    return [mended]
