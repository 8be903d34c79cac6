"""What the index costs at the size of ImageNet-21k: seconds and peak memory, one process each.

    python benchmarks/shards_index.py [--images 14200000] [--labels 21841]

Makes up the parts of a shard set whose tars are holes, lets the end of a build join them, and opens
what comes out. The goal: an index of that size opens in under a second.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from granctl.progress import Silent
from granctl.shards.build.finish import finish
from granctl.shards.build.pack import _META, key_of, part_path
from granctl.shards.build.plan import PlannedShard
from granctl.shards.build.planfile import Plan, SourceRef
from granctl.shards.columns import coded_column, column_of, text_column
from granctl.shards.manifest import classes_record

GOAL_SECONDS = 1
SHARD_IMAGES = 10_000
SAMPLE_BYTES = 82_000

OPEN = """
import json, resource, sys, time
from granctl.shards.index import ShardSet
began, used = time.perf_counter(), time.process_time()
shards = ShardSet.open(sys.argv[1])
opened = time.perf_counter() - began
rows = shards.rows("train")
took, cpu = time.perf_counter() - began, time.process_time() - used
again = time.perf_counter()
shards.rows("val")
print(json.dumps({
    "opened": opened, "rows": took, "images": len(rows), "val": time.perf_counter() - again,
    "cpu": cpu,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
}))
"""


def main() -> None:
    """Prints a line for the end of the build, and one for opening."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=14_200_000)
    parser.add_argument("--labels", type=int, default=21_841)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--here", type=Path, help="a folder to work in, and to leave as it is then")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.here or Path(temporary)
        plan = make_parts(folder, asked.images, asked.labels)
        began = time.perf_counter()
        finish(folder, plan, "fail", Silent())
        took = time.perf_counter() - began
        size = (folder / "index.parquet").stat().st_size
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(
            f"the end of a build of {asked.images:,} images in {asked.labels:,} labels,"
            f" {len(plan.shards):,} shards: {took:.1f} s, peak {peak:.2f} GB,"
            f" index {size / 1e6:,.0f} MB"
        )
        found = [opened(folder) for _ in range(asked.rounds)]
        best = {name: min(one[name] for one in found) for name in found[0]}
        print(
            f"opening it: {best['opened']:.2f} s; with every row of train ({best['images']:,}):"
            f" {best['rows']:.2f} s ({best['cpu']:.2f} CPU), peak {best['peak']:.2f} GB;"
            f" then of val: {best['val']:.2f} s"
            f"   (goal {GOAL_SECONDS} s)"
        )


def opened(folder: Path) -> dict[str, float]:
    """What a fresh process takes that opens the set."""
    command = [sys.executable, "-c", OPEN, str(folder)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(found.stdout)


def make_parts(folder: Path, num: int, num_labels: int) -> Plan:
    """Shards that are holes, and what the packing of each would have left."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    labels = [f"n{i:08d}" for i in range(num_labels)]
    shards = []
    for first in range(0, num, SHARD_IMAGES):
        here = min(SHARD_IMAGES, num - first)
        split = "val" if first >= num * 0.98 else "train"
        stem = f"{split}-{len(shards):06d}"
        size = here * SAMPLE_BYTES
        shards.append(PlannedShard(stem=stem, split=split, members=np.arange(here), num_bytes=size))
        with (folder / f"{stem}.tar").open("wb") as file:
            file.truncate(size)
        sums = rng.bytes(16 * here).hex()
        of = rng.integers(0, num_labels, here).tolist()
        table = pa.table(
            {
                "offset": column_of(np.arange(here, dtype=np.int64) * SAMPLE_BYTES + 512),
                "size": column_of(rng.integers(20_000, 80_000, here).astype(np.int32)),
                "key": text_column([key_of(i) for i in rng.integers(0, num, here).tolist()]),
                "label": coded_column([labels[i] for i in of]),
                "checksum": text_column([sums[i : i + 32] for i in range(0, 32 * here, 32)]),
                "width": column_of(rng.integers(300, 600, here).astype(np.int32)),
                "height": column_of(rng.integers(300, 600, here).astype(np.int32)),
                "remarks": column_of(np.zeros(here, dtype=np.uint8)),
            }
        ).replace_schema_metadata({_META: json.dumps({"bytes": size, "bad": [], "odd": []})})
        part = part_path(folder, stem)
        part.parent.mkdir(exist_ok=True)
        pq.write_table(table, part, compression="zstd")
    source = SourceRef(text=".", kind=None, known=None, workspace=".", digest="0", name="made-up")
    return Plan(
        digest="0",
        shards=shards,
        source=source,
        classes=[(i,) for i in range(num_labels)],
        labels=labels,
        depth="structure",
        recode=None,
        on_bad_image="fail",
        rejected=(),
        classes_record=classes_record(None, None, num_labels, [(i,) for i in range(num_labels)]),
        identity={"seed": 0},
        inputs={},
    )


if __name__ == "__main__":
    main()
