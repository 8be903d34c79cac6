"""What clustering costs: peak memory and time of whole commands at the size of ImageNet-21k.

    python benchmarks/cluster.py [--only kmeans,ward,average,images] [--images 1000000]

Made-up clustered features: 21,843 labels x 512 (one image each) and a million images x 512, both
into 1,000 classes, streamed from Parquet. Each line is one `granctl tree cut` (for images the
clustering alone, from the file on: there is no shard set of so many) in a process of its own:
CPU seconds, wall seconds, peak resident memory, and the memory goal. Needs about 2.2 GB under the
temporary folder for a million images; all of it is removed at the end.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LABELS, DIM, CLASSES = 21_843, 512, 1_000
GOAL_GB = {"kmeans": 2, "ward": 2, "average": 5, "images": 3}
PIECE = 16_384

COMMAND = "import sys; from granctl.cli.main import main; main()"
IMAGES = """
import sys
from pathlib import Path
import numpy as np
from granctl.progress import Silent
from granctl.shards.feature_stream import FeatureStream
from granctl.study.clustercuts import chunks_of
from granctl.tree.cluster import shares
from granctl.tree.kmeans import Groups, streamed_kmeans
stream = FeatureStream.open(Path(sys.argv[1]))
num, groups = stream.num_rows, int(sys.argv[3])
superclass = np.arange(num) % groups
chunks = chunks_of(stream, stream.checksums, np.arange(num))
split = Groups(of_row=superclass, num_clusters=shares(np.bincount(superclass), int(sys.argv[2])))
found = streamed_kmeans(chunks, split, 0, Silent())
used = len(np.unique(superclass * int(sys.argv[2]) + found.cluster))
print(f"{used} clusters of {num} images, {found.num_passes} passes,"
      f" mean squared distance {found.distance.mean(dtype=float):.2f}")
"""


def main() -> None:
    """Runs the parts that were asked for and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="kmeans,ward,average,images")
    parser.add_argument("--images", type=int, default=1_000_000)
    asked = parser.parse_args()
    parts = asked.only.split(",")
    with tempfile.TemporaryDirectory() as folder:
        labels, images = Path(folder) / "labels.parquet", Path(folder) / "images.parquet"
        if set(parts) - {"images"}:
            write_features(labels, LABELS)
        for method in [p for p in parts if p != "images"]:
            cut = ["tree", "cut", "--cluster", method, "--features", str(labels)]
            cut += ["--classes", str(CLASSES), "--workspace", folder, "--quiet", "--json"]
            out = measured(f"{method} of {LABELS} labels x {DIM}", method, COMMAND, *cut)
            assert json.loads(out)["classes"] == CLASSES
        if "images" in parts:
            write_features(images, asked.images)
            for groups in (1, 11):
                what = f"kmeans of {asked.images} images x {DIM}, {groups} superclasses"
                arguments = (str(images), str(CLASSES), str(groups))
                print("   ", measured(what, "images", IMAGES, *arguments).strip())


def write_features(path: Path, num: int) -> None:
    """The Parquet of `granctl embed`, written piece by piece; labels are WordNet-like ids."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(2 * CLASSES, DIM)).astype(np.float32)
    ids = np.array([f"n{i:08d}" for i in range(min(num, LABELS))])
    label = np.arange(num) % len(ids)
    checksums = [f"{i:032x}" for i in range(num)]
    hasher = hashlib.sha256(str((num, DIM)).encode())
    hasher.update("".join(checksums).encode())
    hasher.update("\0".join(ids[label].tolist()).encode())
    schema = pa.schema(
        [
            ("checksum", pa.string()),
            ("label", pa.string()),
            ("features", pa.list_(pa.float32(), DIM)),
        ]
    )
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=["label"]) as writer:
        for start in range(0, num, PIECE):
            rows = slice(start, min(start + PIECE, num))
            size = rows.stop - rows.start
            noise = rng.standard_normal((size, DIM), np.float32)
            matrix = centres[rng.integers(0, len(centres), size)] + noise
            hasher.update(matrix.data)
            flat = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), DIM)
            columns = [pa.array(checksums[rows]), pa.array(ids[label[rows]].tolist()), flat]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        head = {"schema": 1, "digest": "0" * 64, "content_digest": hasher.hexdigest()}
        writer.add_key_value_metadata({"granctl.features": json.dumps(head)})


def measured(what: str, part: str, program: str, *arguments: str) -> str:
    """Prints what one process took; returns its stdout."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    began = time.monotonic()
    command = [sys.executable, "-c", program, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - began
    if status:
        raise SystemExit(f"{what}: the process failed")
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9
    line = f"{what:<52} {cpu:7.1f} s CPU {took:7.1f} s wall {peak:5.2f} GB"
    print(f"{line}   (goal {GOAL_GB[part]} GB)", flush=True)
    return out


if __name__ == "__main__":
    main()
