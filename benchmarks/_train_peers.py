"""Readers and training loops, granctl's and others': one a process, which says what its work took.

    python benchmarks/_train_peers.py NAME FROM OUT [ARGUMENT ...]

Packages are loaded, and the first batch is made, before the clock runs. One thread computes.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SIDE, BATCH = 224, 128
STEP_BATCH, STEPS, WARM_STEPS = 32, 40, 20
"""Of whole steps: the first 20 are not counted, which is a line of granctl's metrics."""


def main() -> None:
    """Does one thing and prints what it took as a line of JSON."""
    import warnings

    warnings.simplefilter("ignore")
    name, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    print(json.dumps(globals()[name](source, out)))


def _cpu() -> float:
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _consumed(batches: Iterator[Any], num: int, of: Callable[[Any], Any]) -> dict[str, Any]:
    """What `num` images took after the first batch."""
    size = len(of(next(batches)))
    began, used, seen = time.perf_counter(), _cpu(), 0
    while seen < num:
        pixels = of(next(batches))
        assert pixels.shape[1:] == (3, SIDE, SIDE), pixels.shape
        assert "uint8" in str(pixels.dtype)
        seen += len(pixels)
    wall, cpu = time.perf_counter() - began, _cpu() - used
    return {"wall_s": wall * num / seen, "cpu_s": cpu * num / seen, "images": num, "first": size}


# --- images ready for the network: uint8 batches, in this process --------------------------------


def granctl_images(source: Path, _: Path) -> dict[str, Any]:
    """Granctl's own reader, in random order through the index."""
    import numpy as np

    from granctl.progress import Silent
    from granctl.shards.index import ShardSet
    from granctl.train.batches import Share, num_batches, pieces_from
    from granctl.train.device import Machine
    from granctl.train.images import Images
    from granctl.train.recipe import Augment, Input

    _one_thread()
    shards = ShardSet.open(source)
    num = shards.num_images("train")
    images = Images(
        shards=shards,
        split="train",
        row=np.arange(num),
        look=Input(resolution=SIDE, channels=3),
        machine=Machine(workers=0),
        progress=Silent(),
    )
    steps = num_batches(num, BATCH) + 2
    pieces = pieces_from(num, BATCH, Share(), step=0, steps=steps)
    batches = images.training(pieces, Augment(kind="resized-crop"), 0)
    return _consumed(batches, num - BATCH, lambda batch: batch.pixels)


def timm_images(source: Path, _: Path) -> dict[str, Any]:
    """Timm's WebDataset reader with its own transforms, as its loader puts them together."""
    from timm.data import create_dataset, create_transform
    from timm.data.loader import fast_collate
    from torch.utils.data import DataLoader

    _one_thread()
    data = create_dataset(
        "wds/photos", root=str(source), split="train", is_training=True, batch_size=BATCH
    )
    data.transform = create_transform(
        SIDE, is_training=True, use_prefetcher=True, color_jitter=None, interpolation="bilinear"
    )
    num = data.reader.num_samples
    loader = DataLoader(data, batch_size=BATCH, num_workers=0, collate_fn=fast_collate)
    return _consumed(iter(loader), num - BATCH, lambda batch: batch[0])


def torchvision_images(source: Path, _: Path) -> dict[str, Any]:
    """Torchvision's ImageFolder and its transforms of PIL images."""
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    _one_thread()
    change = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIDE),
            transforms.RandomHorizontalFlip(),
            transforms.PILToTensor(),
        ]
    )
    data = ImageFolder(str(source), transform=change)
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=0)
    return _consumed(iter(loader), len(data) - BATCH, lambda batch: batch[0])


def bare_decode(source: Path, _: Path) -> dict[str, Any]:
    """Torchvision's decoder alone, over bytes in memory: what no reader can be faster than."""
    import numpy as np
    import torch

    from granctl.shards.index import ShardSet
    from granctl.shards.read import ImageReader
    from granctl.train.decode import decoded

    torch.set_num_threads(1)
    shards = ShardSet.open(source)
    rows = shards.rows("train")
    reader = ImageReader(shards)
    order = np.random.default_rng(0).permutation(len(rows)).tolist()
    for i in order[:BATCH]:
        decoded(reader.view(rows, i), 3)
    began, used = time.perf_counter(), _cpu()
    for i in order[BATCH:]:
        decoded(reader.view(rows, i), 3)
    took = {"wall_s": time.perf_counter() - began, "cpu_s": _cpu() - used}
    return {**took, "images": len(order) - BATCH}


# --- whole steps ----------------------------------------------------------------------------------


def granctl_steps(source: Path, out: Path) -> dict[str, Any]:
    """`granctl pretrain` of a recipe; processor time is that of the training without its worker."""
    from granctl.cli.main import run
    from granctl.train.metrics import MetricsLog

    labels, recipe = sys.argv[4:6]
    lines: list[dict[str, Any]] = []
    write = MetricsLog.write

    def written(self: MetricsLog, **fields: Any) -> None:
        write(self, **fields)
        lines.append({**fields, "wall_s": time.perf_counter(), "cpu_s": time.process_time()})

    MetricsLog.write = written  # type: ignore[method-assign]
    asked = ["pretrain", "--shards", str(source), "--labels", labels, "--recipe", recipe, "--quiet"]
    asked += ["--images", str(STEPS * STEP_BATCH)]
    if code := run([*asked, "--workspace", str(out), "--out", str(out / "run")]):
        raise SystemExit(code)
    first = next(line for line in lines if line["step"] == WARM_STEPS)
    last = next(line for line in lines if line["step"] == STEPS)
    took = {name: last[name] - first[name] for name in ("wall_s", "cpu_s")}
    num = last["images_seen"] - first["images_seen"]
    kept = [line["waiting_frac"] for line in lines if line["step"] > WARM_STEPS]
    return {**took, "images": num, "waiting_frac": statistics.mean(kept)}


def bare_steps(_: Path, __: Path) -> dict[str, Any]:
    """A loop of PyTorch over tensors that are ready: forward, backward, step, and no more."""
    import torch

    from granctl.train.models import build
    from granctl.train.recipe import recipe_of
    from granctl.train.stepping import make_optimizer

    labels, path = sys.argv[4:6]
    torch.set_num_threads(1)
    with Path(path).open("rb") as file:
        recipe = recipe_of({"name": "bare", **tomllib.load(file)}, path)
    side, num_classes = (
        recipe.input.resolution,
        int(Path(labels).with_suffix(".classes").read_text()),
    )
    network = build(recipe.model, channels=3, resolution=side, num_classes=num_classes, seed=0)
    optimizer = make_optimizer(network, recipe.optimizer)
    images = torch.randn(8 * STEP_BATCH, 3, side, side)
    images = images.to(memory_format=torch.channels_last)
    classes = torch.randint(0, num_classes, (len(images),))
    network.train()
    for step in range(STEPS):
        if step == WARM_STEPS:
            began, used = time.perf_counter(), _cpu()
        first = step * STEP_BATCH % len(images)
        ours = slice(first, first + STEP_BATCH)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(images[ours]), classes[ours])
        loss.backward()
        optimizer.step()
    took = {"wall_s": time.perf_counter() - began, "cpu_s": _cpu() - used}
    return {**took, "images": STEP_BATCH * (STEPS - WARM_STEPS)}


def timm_steps(source: Path, _: Path) -> dict[str, Any]:
    """The same steps of timm's parts: its reader with one worker, loader, network and optimizer."""
    import torch
    from timm import create_model
    from timm.data import create_dataset, create_loader
    from timm.optim import create_optimizer_v2

    name, num_classes = sys.argv[4], int(Path(sys.argv[5]).with_suffix(".classes").read_text())
    torch.set_num_threads(1)
    side, cpu = 96, torch.device("cpu")
    data = create_dataset(
        "wds/photos", root=str(source), split="train", is_training=True, batch_size=STEP_BATCH
    )
    loader = create_loader(
        data,
        input_size=(3, side, side),
        batch_size=STEP_BATCH,
        is_training=True,
        num_workers=1,
        color_jitter=None,
        interpolation="bilinear",
        device=cpu,
    )
    of = {"img_size": side} if name.startswith("vit") else {}
    network = create_model(name, num_classes=num_classes, **of).train()
    optimizer = create_optimizer_v2(network, opt="adamw" if of else "sgd", lr=1e-3)
    for step, (pixels, classes) in enumerate(loader):
        if step == WARM_STEPS:
            began, used = time.perf_counter(), time.process_time()
        if step == STEPS:
            break
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(pixels), classes % num_classes)
        loss.backward()
        optimizer.step()
    took = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - used}
    return {**took, "images": STEP_BATCH * (STEPS - WARM_STEPS)}


# --- the rest -------------------------------------------------------------------------------------


def granctl_skip(_: Path, __: Path) -> dict[str, Any]:
    """To the middle of an epoch of 14,200,000 images: its piece, its images, their numbers."""
    from granctl.shards.blocks import in_blocks
    from granctl.shards.order import permuted, uniforms
    from granctl.train.augment import NUM_UNIFORMS
    from granctl.train.batches import Share, num_batches, pieces_from

    num = 14_200_000
    began, used = time.perf_counter(), _cpu()
    step = num_batches(num, 4096) // 2
    piece = next(pieces_from(num, 4096, Share(), step=step, steps=2 * step))
    permuted(piece.positions, num, 0, piece.epoch)
    in_blocks(piece.positions, num, 0, piece.epoch)
    uniforms(piece.positions, NUM_UNIFORMS, 0, piece.epoch)
    return {"wall_s": time.perf_counter() - began, "cpu_s": _cpu() - used, "at": piece.begin}


def granctl_memory(source: Path, out: Path) -> dict[str, Any]:
    """Memory that is not of files, of a training and its workers, at the end of each epoch."""
    from granctl.cli.main import run
    from granctl.train.metrics import MetricsLog

    labels, recipe, epochs = sys.argv[4:7]
    curve: dict[int, int] = {}
    write = MetricsLog.write

    def written(self: MetricsLog, **fields: Any) -> None:
        write(self, **fields)
        curve[fields["epoch"]] = _memory_bytes()

    MetricsLog.write = written  # type: ignore[method-assign]
    began, used = time.perf_counter(), _cpu()
    asked = ["pretrain", "--shards", str(source), "--labels", labels, "--recipe", recipe, "--quiet"]
    asked += ["--epochs", epochs, "--images", str(STEP_BATCH * 16)]
    if code := run([*asked, "--workspace", str(out), "--out", str(out / "run")]):
        raise SystemExit(code)
    took = {"wall_s": time.perf_counter() - began, "cpu_s": _cpu() - used}
    return {**took, "megabytes": [round(num / 1e6) for num in curve.values()]}


def _memory_bytes() -> int:
    """Anonymous and shared pages of this process and its children."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    total = 0
    for pid in ["self", *children]:
        fields = Path(f"/proc/{pid}/status").read_text()
        for line in fields.splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1]) * 1024
    return total


def granctl_first_step(_: Path, out: Path) -> None:
    """`granctl pretrain` to the end of its first step, and out."""
    from granctl.cli.main import run
    from granctl.train import loop

    def ended(*_: Any) -> None:
        os._exit(0)

    loop._Fitting._end_step = ended  # type: ignore[method-assign]
    shards, labels = sys.argv[4:6]
    run(["pretrain", "--shards", shards, "--labels", labels, "--quiet", "--workspace", str(out)])


if __name__ == "__main__":
    main()
