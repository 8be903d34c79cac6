"""What planning costs at the size of ImageNet-21k: seconds and peak memory of one process.

    python benchmarks/shards_plan.py [--images 14200000] [--labels 21841] [--order stratified]

A made-up listing (names of 30 bytes, sizes around 110 KB, classes of unequal sizes), then what a
build does before it writes: the bytes that each sample takes, the images that are held out, a
budget, and the shards in every order that was asked for. The goal: 14,200,000 images in 21,841
labels under 90 s and 4 GB.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from granctl.shards.budget import at_most_in_all
from granctl.shards.listing import SPLITS, Listing
from granctl.shards.names import Names
from granctl.shards.plan import _ORDERS, hold_out, plan_shards

GOAL_SECONDS, GOAL_GB = 90, 4


def main() -> None:
    """Plans once in each order and prints a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=14_200_000)
    parser.add_argument("--labels", type=int, default=21_841)
    parser.add_argument("--order", default="stratified", help=f"or: {', '.join(_ORDERS)}, all")
    asked = parser.parse_args()
    listing = made_up(asked.images, asked.labels)
    print(f"{len(listing):,} images in {len(listing.labels):,} labels, listed; {peak():.2f} GB")
    for order in _ORDERS if asked.order == "all" else [asked.order]:
        began = time.perf_counter()
        held = hold_out(listing.label_of, len(listing.labels), 0.02, 0)
        split_of = held.astype(np.int8)
        kept = at_most_in_all(listing.label_of, len(listing) * 9 // 10, "proportional", 0)
        split_of[~kept] = -1
        half = time.perf_counter()
        json_bytes = -(-(64 + 70 + listing.names.json_lengths) // 512) * 512
        sample_bytes = 4 * 512 + -(-listing.sizes // 512) * 512 + json_bytes
        shards = plan_shards(
            split_of,
            SPLITS,
            sample_bytes,
            order=order,
            seed=0,
            shard_images=10_000,
            shard_bytes=1 << 30,
            label_of=listing.label_of,
            lies_at=listing.lies_at,
        )
        took = time.perf_counter() - began
        placed = sum(len(shard.members) for shard in shards)
        print(
            f"{order:<11} {placed:,} images in {len(shards):,} shards: {took:5.1f} s"
            f" (splits and budget {half - began:.1f} s), peak {peak():.2f} GB"
            f"   (goal {GOAL_SECONDS} s, {GOAL_GB} GB)",
            flush=True,
        )


def made_up(num: int, num_labels: int) -> Listing:
    """A listing in class order, classes of 1 to about 1,600 images."""
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.05, 1.2, num_labels)
    label_of = np.sort(rng.choice(num_labels, num, p=weights / weights.sum())).astype(np.int32)
    data = np.tile(np.frombuffer(b"n01440764/n01440764_12345.JPEG", np.uint8), num)
    return Listing(
        names=Names(data, np.arange(num + 1, dtype=np.int64) * 30),
        labels=tuple(f"n{i:08d}" for i in range(num_labels)),
        label_of=label_of,
        split_of=np.zeros(num, dtype=np.int8),
        sizes=rng.lognormal(11.4, 0.5, num).astype(np.int64),
    )


def peak() -> float:
    """The most memory that this process held so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
