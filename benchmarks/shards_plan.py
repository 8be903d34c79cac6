"""What planning costs at the size of ImageNet-21k: seconds and peak memory of one process.

    python benchmarks/shards_plan.py [--images 14200000] [--labels 21841] [--order stratified|all]
    python benchmarks/shards_plan.py --headers 200000

The first opens a made-up tar of tars whose headers are known (an empty file of its size, and the
cache of its headers), and does what a build does before it writes: the bytes that each sample
takes, the images that are held out, a budget, the shards. The goal: 14,200,000 images in 21,841
labels under 90 s and 4 GB.

The second walks the headers of a tar of tars with members of 80 KB (whose content is a hole in the
file), once with granctl and once with Python's tarfile. The goal: 200,000 members a second, warm.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np

from granctl.progress import Silent
from granctl.shards.arraycache import cache_path
from granctl.shards.build.budget import at_most_in_all
from granctl.shards.build.plan import _ORDERS, hold_out, plan_shards
from granctl.shards.names import Names
from granctl.shards.source import headerscan
from granctl.shards.source.headerscan import Archive, Scan
from granctl.shards.source.listing import SPLITS, Listing
from granctl.shards.source.resolve import open_source
from granctl.shards.tar import END_BYTES, header, padded
from granctl.workspace import Workspace

GOAL_SECONDS, GOAL_GB, GOAL_RATE = 90, 4, 200_000
MEMBER_BYTES = 80_000


def main() -> None:
    """Prints a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=14_200_000)
    parser.add_argument("--labels", type=int, default=21_841)
    parser.add_argument("--order", default="stratified", help=f"or: {', '.join(_ORDERS)}, all")
    parser.add_argument("--headers", type=int, help="walk the headers of so many members instead")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.headers:
            walk_headers(Path(folder), asked.headers)
            return
        workspace, tar = Workspace(Path(folder) / "w"), Path(folder) / "winter21_whole.tar"
        make_known(workspace, tar, asked.images, asked.labels)
        began = time.perf_counter()
        listing = open_source(workspace, str(tar)).listing
        opened = time.perf_counter() - began
        print(f"{len(listing):,} images in {len(listing.labels):,} labels, headers known: opened")
        for order in _ORDERS if asked.order == "all" else [asked.order]:
            plan(listing, order, opened)


def plan(listing: Listing, order: str, opened: float) -> None:
    """Splits, a budget, sizes and shards in one order."""
    began = time.perf_counter()
    held = hold_out(listing.label_of, len(listing.labels), 0.02, 0)
    split_of = held.astype(np.int8)
    kept = at_most_in_all(listing.label_of, len(listing) * 9 // 10, "proportional", 0)
    split_of[~kept] = -1
    chosen = time.perf_counter() - began
    json_bytes = -(-(64 + 70 + listing.names.json_lengths) // 512) * 512
    shards = plan_shards(
        split_of,
        SPLITS,
        4 * 512 + -(-listing.sizes // 512) * 512 + json_bytes,
        order=order,
        seed=0,
        shard_images=10_000,
        shard_bytes=1 << 30,
        label_of=listing.label_of,
        lies_at=listing.lies_at,
    )
    took = time.perf_counter() - began
    print(
        f"{order:<11} {sum(len(s.members) for s in shards):,} images in {len(shards):,} shards:"
        f" {opened + took:5.1f} s (opening {opened:.1f}, splits and budget {chosen:.1f}),"
        f" peak {peak():.2f} GB   (goal {GOAL_SECONDS} s, {GOAL_GB} GB)",
        flush=True,
    )


def make_known(workspace: Workspace, tar: Path, num: int, num_labels: int) -> None:
    """An empty tar of tars of this many images, and what its headers would say; in a child."""
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        return
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.05, 1.2, num_labels)
    counts = np.bincount(
        rng.choice(num_labels, num, p=weights / weights.sum()), minlength=num_labels
    )
    sizes = rng.lognormal(11.4, 0.5, num).astype(np.int64)
    offsets = np.cumsum((sizes + 1023) // 512 * 512) - sizes
    with tar.open("wb") as file:
        file.truncate(int(offsets[-1] + sizes[-1]) // 512 * 512 + 4096)
    names = np.empty((num, 22), dtype=np.uint8)
    names[:] = np.frombuffer(b"n00000000_0000000.JPEG", np.uint8)
    labels = np.repeat(np.arange(num_labels), counts)
    numbers = np.arange(num) - np.repeat(np.cumsum(counts) - counts, counts)
    for first, width, values in ((1, 8, labels), (10, 7, numbers)):
        for digit in range(width):
            names[:, first + width - 1 - digit] = 48 + values // 10**digit % 10
    seen = headerscan._seen(tar.parent, tar.name)
    archives = [Archive(0, "", 0, 0, seen.ends, 0)]
    for i, count in enumerate(counts.tolist()):
        archives.append(Archive(0, f"n{i:08d}.tar", 0, 0, f"{i:032x}", count))
    scan = Scan(
        files=(seen,),
        archives=tuple(archives),
        names=Names(names.reshape(-1), np.arange(num + 1, dtype=np.int64) * 22),
        offsets=offsets,
        sizes=sizes,
        mtimes=np.full(num, 1_300_000_000, dtype=np.int64),
        rejected=(),
    )
    key = "\0".join([str(tar.parent.resolve()), tar.name])
    headerscan._save(cache_path(workspace, "headers", key), scan)
    os._exit(0)


def walk_headers(folder: Path, num: int) -> None:
    """The header pass over a tar of tars of 650 members each, against Python's tarfile."""
    path, each = folder / "whole.tar", 650
    inner_bytes = each * (512 + padded(MEMBER_BYTES)) + END_BYTES
    with path.open("wb") as file:
        for i in range(-(-num // each)):
            file.write(header(f"n{i:08d}.tar", inner_bytes))
            begin = file.tell()
            for j in range(min(each, num - i * each)):
                file.write(header(f"n{i:08d}_{j}.JPEG", MEMBER_BYTES))
                file.seek(padded(MEMBER_BYTES), os.SEEK_CUR)
            file.seek(begin + padded(inner_bytes))
        file.write(bytes(END_BYTES))
    ours, theirs, known = [], [], []
    for round_ in range(5):
        workspace = Workspace(folder / f"w{round_}")
        for times in (ours, known):
            began = time.perf_counter()
            found = headerscan.scan_files(workspace, folder, [path.name], Silent())
            times.append(num / (time.perf_counter() - began))
        assert len(found.sizes) == num
        began = time.perf_counter()
        assert with_tarfile(path) == num
        theirs.append(num / (time.perf_counter() - began))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    print(
        f"{num:,} headers: {statistics.median(ours):,.0f} a second"
        f" (tarfile {statistics.median(theirs):,.0f}, ratio {ratio:.1f};"
        f" from the cache {statistics.median(known):,.0f})   (goal {GOAL_RATE:,})"
    )


def with_tarfile(path: Path) -> int:
    """How many members tarfile finds in the tars of a tar."""
    num = 0
    with tarfile.open(path) as outer:
        for member in outer:
            with tarfile.open(fileobj=outer.extractfile(member)) as inner:
                num += sum(1 for _ in inner)
    return num


def peak() -> float:
    """The most memory that this process held so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
