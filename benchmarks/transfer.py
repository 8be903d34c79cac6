"""What heads cost beside the features they stand on, and what nearest neighbours need in memory.

    python benchmarks/transfer.py [--device cpu] [--images 64] [--steps 6] [--rows 1200000]

* **Probes.** The goal: a feature pass and a grid of 40 probes take at most twice the time of a
  feature pass and one probe, for ViT-B/16 and 1,000 classes. Measured are the seconds an image of
  the network (torchvision's `vit_b_16` at 224 pixels, random weights and pixels, no reading or
  decoding, which would only lessen the ratio), and the seconds a step of 1 and of 40 heads on made
  features of width 768 with 1,000 classes and 1,024 rows, both without their first. Both parts are
  linear in the number of images and steps, so that the ratio of a whole transfer is

      (n f + s h40) / (n f + s h1),   n images, s steps of the recipe's 1,024 rows, f, h: seconds

  and is printed for ImageNet-1k by the recipe `vit-b16-in21k`: n = 1,281,167, s = 12,500, which
  are ten passes; and for the most passes that heads take (50), as on smaller targets.
  The training of the chosen head on all images, and the look at the held-out ones, count as
  one more head. On a CPU it takes about a minute.
* **Neighbours.** 1,200,000 x 768 features, kept as float16 as `--method knn` does above 1 GiB of
  float32, against 1,024 queries in chunks: the peak of the process's memory, which the goal puts
  under 4 GB, with all that torch takes. It runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, CLASSES, ROWS, HEADS = 768, 1000, 1024, 40
GOAL_RATIO, GOAL_BYTES = 2.0, 4e9
QUERIES, NEIGHBOURS = 1024, 20


def main() -> None:
    """Measures and prints a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--images", type=int, default=32, help="that the network is shown")
    parser.add_argument("--steps", type=int, default=3, help="of the heads that are timed")
    parser.add_argument("--rows", type=int, default=1_200_000, help="of the neighbours; 0: none")
    parser.add_argument("--neighbours-only", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.neighbours_only:
        print(json.dumps(neighbours_of(asked.rows, asked.device, asked.threads)))
        return
    import torch

    torch.set_num_threads(asked.threads)
    name = torch.cuda.get_device_name() if asked.device == "cuda" else platform.processor()
    print(f"torch {torch.__version__}, {asked.device} {name}, {asked.threads} threads")
    probes(asked.device, asked.images, asked.steps)
    if asked.rows:
        told_neighbours(asked.rows, asked.device, asked.threads)


def probes(device: str, images: int, steps: int) -> None:
    """The line of a grid of probes."""
    f = image_seconds(device, images)
    h1, h40 = step_seconds(device, 1, steps), step_seconds(device, HEADS, steps)
    print(f"ViT-B/16 at 224: {1e3 * f:.3g} ms an image; a step of 1 head {1e3 * h1:.3g} ms, of")
    print(f"  {HEADS} heads {1e3 * h40:.3g} ms, {h40 / h1:.1f} times as much ({CLASSES} classes)")
    for what, n, passes in (
        ("ImageNet-1k, 10 passes (the recipe)", 1_281_167, 9.76),
        ("the most passes that heads take, 50", 1_281_167, 50.0),
    ):
        s = n * passes / ROWS
        ratio = (n * f + s * (h40 + h1)) / (n * f + s * h1)
        kept = "kept" if ratio <= GOAL_RATIO else "missed"
        print(f"  {what}: features and {HEADS} probes / features and one: {ratio:.2f}")
        print(f"    (goal: {GOAL_RATIO:.0f} or less, {kept})")


def image_seconds(device: str, images: int) -> float:
    """Seconds an image of a feature pass, by the outputs that `transfer` itself computes with."""
    import torch

    from granctl.train import models
    from granctl.train.architecture import Model
    from granctl.train.device import autocast

    network = models.build(
        Model(name="vit_b_16"), channels=3, resolution=224, num_classes=1, seed=0
    )
    network.to(device).eval()
    shown = torch.randn(min(images, 256 if device == "cuda" else 16), 3, 224, 224, device=device)

    def one_batch() -> None:
        with torch.inference_mode(), autocast(torch.device(device)):
            network.features(shown)

    return timed(one_batch, max(images // len(shown), 1), device) / len(shown)


def step_seconds(device: str, heads: int, steps: int) -> float:
    """Seconds a step of some heads at once."""
    import torch

    from granctl.train.headgrid import Knobs, train_heads
    from granctl.train.labelling import Labelling
    from granctl.train.recipe import load_recipe

    rng = np.random.default_rng(0)
    num = 4 * ROWS
    classes = np.concatenate([np.arange(CLASSES), rng.integers(0, CLASSES, num - CLASSES)])
    ids = tuple(map(str, range(CLASSES)))
    truth = Labelling(
        row=np.arange(num),
        key=np.arange(num),
        offsets=np.arange(num + 1),
        classes=classes,
        class_ids=ids,
        class_names=ids,
        classes_total=CLASSES,
        labels_present=num,
        dropped=0,
    )
    features = rng.normal(size=(num, WIDTH)).astype(np.float32)
    training = load_recipe(
        "vit-b16-in21k", {"linear.steps": steps + 1, "linear.batch_size": ROWS}
    ).linear
    ticks: list[float] = []

    def told(_step: int, _losses: list[float]) -> None:
        if device == "cuda":
            torch.cuda.synchronize()
        ticks.append(time.perf_counter())

    knobs = [Knobs(0.001, 0.01)] * heads
    train_heads(features, truth, "cross-entropy", knobs, training, 0, torch.device(device), told)
    return (ticks[-1] - ticks[0]) / (len(ticks) - 1)


def timed(work: Callable[[], Any], times: int, device: str) -> float:
    """Seconds of a call, after a first that is not counted."""
    import torch

    work()
    if device == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(times):
        work()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / times


def told_neighbours(rows: int, device: str, threads: int) -> None:
    """The line of nearest neighbours, of a process of its own."""
    command = [sys.executable, __file__, "--neighbours-only", "--rows", str(rows)]
    command += ["--device", device, "--threads", str(threads)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    kept = "kept" if said["peak"] <= GOAL_BYTES else "missed"
    print(
        f"neighbours: {rows:,} x {WIDTH} features, {QUERIES} queries, k {NEIGHBOURS}:"
        f" peak {said['peak'] / 1e9:.2f} GB of memory, {said['before'] / 1e9:.2f} of them before"
        f" (goal: under {GOAL_BYTES / 1e9:.0f}, {kept}); {said['seconds']:.0f} s"
    )


def neighbours_of(rows: int, device: str, threads: int) -> dict[str, float]:
    """Peak of memory, what torch alone took, and seconds of the search."""
    import torch

    from granctl.train.knn import neighbours

    torch.set_num_threads(threads)
    before = peak()
    rng = np.random.default_rng(0)
    kept = np.empty((rows, WIDTH), dtype=np.float16)
    for begin in range(0, rows, 10_000):
        part = rng.standard_normal((min(10_000, rows - begin), WIDTH), dtype=np.float32)
        kept[begin : begin + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    queries = kept[:QUERIES].copy()
    began = time.perf_counter()
    _, nearest = neighbours(kept, queries, NEIGHBOURS, torch.device(device))
    seconds = time.perf_counter() - began
    assert (nearest[:, 0] == np.arange(QUERIES)).all(), "each is its own nearest neighbour"
    return {"peak": peak(), "before": before, "seconds": seconds}


def peak() -> float:
    """Bytes of memory that this process had at most, since it began to run this program."""
    status = Path("/proc/self/status").read_text()  # getrusage counts what its parent had, too
    (line,) = (one for one in status.splitlines() if one.startswith("VmHWM"))
    return 1024.0 * int(line.split()[1])


if __name__ == "__main__":
    main()
