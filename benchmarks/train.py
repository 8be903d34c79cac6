"""What training costs: images ready for the network, whole steps, the skip, memory, the start.

    python benchmarks/train.py [--rounds 5] [--only images,steps] [--peers PYTHON] [--cache DIR]

Contenders run interleaved, one process each, on one thread. A line is a ratio of wall and of CPU
time, made of the least of each over the rounds, beside the median of the ratios of single rounds,
the seconds, and the goal where there is one. Packages are loaded before the clock runs, but for
the start of the program, which is about that.

* **Images** are read, decoded, cropped at random, resized to 224 x 224, perhaps mirrored, and
  stacked as uint8, by one process without workers; all normalise on the device, so nobody does
  here. One epoch of the shards, without its first batch. timm reads the same shards.
* **Steps** are those of `granctl pretrain`, with one worker, from photographs to weights, against a
  bare loop over tensors in memory that computes the same network, without the first 20 steps; the
  CPU time is that of the training process without its worker. timm's train.py is in none of its
  packages, so that its parts stand in for it: its reader with one worker, loader, network and
  optimizer in a plain loop.

The peers are no dependency of granctl; those that are not installed are left out, aloud:

    python -m venv peers
    peers/bin/pip install webdataset timm
    python benchmarks/train.py --peers peers/bin/python
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from _photos import EACH, Photos, photos
from _race import Runner, best, compare, granctl, line, missing, race, run, versions
from _train_peers import STEP_BATCH

PACKAGES = ("timm", "webdataset", "torch", "torchvision", "pillow", "numpy")
MODULES = ("webdataset", "timm", "torchvision")
BUILD = ("--shard-images", 1000, "--holdout-frac", 0, "--quiet")
EPOCHS = 20
_COMMON = """
about = "for benchmarks"
epochs = 1
batch_size = {batch}
input = {{ resolution = 96, channels = 3 }}
augment = {{ kind = "resized-crop" }}
model = {model}
optimizer = {optimizer}
"""
_TRANSFERS = "".join(
    f"[{name}]\nsteps = 1\nbatch_size = 1\noptimizer = {{ name = 'sgd', lr = 0.1 }}\n"
    for name in ("finetune", "scratch", "linear")
)
RECIPES = {
    "resnet18": ('{ name = "resnet18" }', '{ name = "sgd", lr = 0.01 }'),
    "vit-ti": (
        '{ name = "small-vit", width = 192, depth = 12, heads = 3, patch = 16 }',
        '{ name = "adamw", lr = 0.001 }',
    ),
}

PEERS = {"resnet18": "resnet18", "vit-ti": "vit_tiny_patch16_224"}
"""Timm's names of the recipes' networks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What every part is given."""

    photos: Photos
    work: Path
    peers: str
    """The interpreter that has the other programs."""
    lacking: frozenset[str]
    rounds: int

    def runner(self, name: str, source: Path | str, *arguments: object) -> dict[str, Runner]:
        """A contender of `_train_peers.py`; nothing where its package is missing."""
        word = name.split("_", maxsplit=1)[0]
        if word in self.lacking:
            print(f"left out: {name}: {word} is not installed", flush=True)
            return {}
        python = self.peers if word in MODULES else sys.executable
        script = str(Path(__file__).parent / "_train_peers.py")
        out = self.work / name
        return {
            name: Runner([python, script, name, str(source), str(out), *map(str, arguments)], out)
        }

    def built(self, name: str, *options: object) -> Path:
        """A shard set of the photos, made once."""
        out = self.work / "kept" / name
        if not out.exists():
            arguments = ("shards", "build", "--source", self.photos.folders, *BUILD, *options)
            run(granctl(*arguments, "--out", out, "--workspace", self.work / "kept"))
        return out

    def cut(self) -> Path:
        """A label map of the photos, and beside it the number of its classes that are present."""
        out = self.work / "kept" / "cut.parquet"
        if not out.exists():
            run(granctl("tree", "cut", "--depth", 5, "--list", "21841", "--out", out, "--quiet"))
            from granctl.shards.index import ShardSet
            from granctl.train.labelling import label_images
            from granctl.tree.labelmap import LabelMap

            found = label_images(ShardSet.open(self.built("set")), "train", LabelMap.read(out))
            out.with_suffix(".classes").write_text(str(found.num_classes))
        return out

    def recipe(self, name: str) -> Path:
        """A recipe as a file."""
        model, optimizer = RECIPES[name]
        path = self.work / "kept" / f"{name}.toml"
        common = _COMMON.format(batch=STEP_BATCH, model=model, optimizer=optimizer)
        path.write_text(common + _TRANSFERS)
        return path


def main() -> None:
    """Runs the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--each", type=int, default=EACH, help="images a synset")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, parted by commas")
    parser.add_argument("--peers", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()))
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    print(f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}")
    print(f"granctl: Python {platform.python_version()}, ", end="")
    print(", ".join(versions(sys.executable, ("torch", "torchvision", "pillow"))))
    print("others:", ", ".join(versions(asked.peers, PACKAGES)), flush=True)
    with tempfile.TemporaryDirectory(dir=asked.cache) as work:
        bench = Bench(
            photos=photos(asked.cache / "granctl-benchmarks", asked.each),
            work=Path(work),
            peers=asked.peers,
            lacking=frozenset(missing(asked.peers, MODULES)),
            rounds=asked.rounds,
        )
        mean = bench.photos.image_bytes / bench.photos.num
        print(f"{bench.photos.num:,} images of {mean / 1e3:.1f} KB", flush=True)
        for part in asked.only.split(","):
            PARTS[part](bench)


def images(bench: Bench) -> None:
    """Images ready for the network, on one core."""
    whole, small = bench.built("set"), bench.built("small", "--resize", 256)
    resized = bench.runner("granctl_images", small)["granctl_images"]
    theirs_resized = bench.runner("timm_images", small).get("timm_images")
    times = race(
        {
            **bench.runner("granctl_images", whole),
            "resized": resized,
            **bench.runner("timm_images", whole),
            **({"timm_resized": theirs_resized} if theirs_resized else {}),
            **bench.runner("torchvision_images", bench.photos.folders),
            **bench.runner("bare_decode", whole),
        },
        bench.rounds,
    )
    compare(times, "images ready: timm / granctl", "timm_images", "granctl_images", 1.9)
    compare(times, "images ready: timm / granctl on --resize 256", "timm_images", "resized", 3)
    compare(times, "images ready: both on --resize 256", "timm_resized", "resized")
    compare(times, "images ready: ImageFolder / granctl", "torchvision_images", "granctl_images")
    compare(times, "images ready: timm / bare decode", "timm_images", "bare_decode")
    for name, found in times.items():
        took = best(found)
        line(f"images ready: {name}", f"{took.said['images'] / took.cpu_s:,.0f} a second of a core")


def steps(bench: Bench) -> None:
    """Whole steps against a bare loop."""
    shards, cut = bench.built("set"), bench.cut()
    for name, theirs in PEERS.items():
        recipe = bench.recipe(name)
        times = race(
            {
                **bench.runner("granctl_steps", shards, cut, recipe),
                **bench.runner("bare_steps", shards, cut, recipe),
                **bench.runner("timm_steps", shards, theirs, cut),
            },
            bench.rounds,
        )
        compare(times, f"step of {name}: bare loop / granctl", "bare_steps", "granctl_steps", 0.95)
        compare(times, f"step of {name}: timm / granctl", "timm_steps", "granctl_steps", 1)
        if times.get("granctl_steps"):
            least = min(took.said["waiting_frac"] for took in times["granctl_steps"])
            line(f"step of {name}: share of time waiting for images", f"{least:.3f}")


def skip(bench: Bench) -> None:
    """To the middle of a large epoch."""
    took = best(race(bench.runner("granctl_skip", ""), bench.rounds)["granctl_skip"])
    line("skip to the middle of 14,200,000 images", f"{took.wall_s:.4f} s", "1 s")


def memory(bench: Bench) -> None:
    """Memory at the end of each of 20 epochs."""
    arguments = (bench.cut(), bench.recipe("vit-ti"), EPOCHS)
    took = race(bench.runner("granctl_memory", bench.built("set"), *arguments), 1)
    curve = took["granctl_memory"][0].said["megabytes"]
    line(f"memory over {EPOCHS} epochs (MB)", " ".join(map(str, curve)))
    growth = curve[-1] - curve[1]
    line("memory: last epoch less the second", f"{growth:+d} MB", "no growth")


def start(bench: Bench) -> None:
    """From the command to its first step, on the embedded images."""
    out = bench.work / "kept"
    run(granctl("shards", "build", "--quiet", "--out", out / "embedded", "--workspace", out))
    run(granctl("tree", "cut", "--depth", 5, "--quiet", "--out", out / "few.parquet"))
    arguments = (out / "embedded", out / "few.parquet")
    times = race(
        {
            **bench.runner("granctl_first_step", "", *arguments),
            "torch": Runner([sys.executable, "-c", "import torch"], bench.work / "none"),
        },
        bench.rounds,
    )
    ours, theirs = best(times["granctl_first_step"]), best(times["torch"])
    said = f"{ours.wall_s - theirs.wall_s:.2f} s wall, {ours.cpu_s - theirs.cpu_s:.2f} s CPU"
    line("start to the end of the first step, beyond importing torch", said, "2 s")
    line("start: all of it; importing torch", f"{ours.wall_s:.2f} s; {theirs.wall_s:.2f} s")


PARTS: Mapping[str, Callable[[Bench], None]] = {
    "images": images,
    "steps": steps,
    "skip": skip,
    "memory": memory,
    "start": start,
}

if __name__ == "__main__":
    main()
