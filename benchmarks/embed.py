"""How long `granctl embed` waits for its images, and what a kill costs.

    python benchmarks/embed.py [--images 600] [--workers 1] [--model resnet18] [--cache DIR]

Photographs of the size of ImageNet's (see _photos.py) at 224 pixels through a network with random
weights, on one CPU thread beside decoding workers. A line each:

* the share of the time in which the network waited for images (goal: below 10 %), and images a
  second; the peak of memory of the process;
* the same files through a network that was killed half-way, and gone on with: seconds in all over
  those of the run without a kill, and whether the bytes are the same.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import timm
import torch
from _photos import photos

from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.train.device import Machine
from granctl.train.embed import EmbedSpec, embed
from granctl.train.public import PublicModel
from granctl.workspace import Artefact, Workspace

ROWS = 100
"""Of a part: few images are embedded here."""


def main() -> None:
    """Prints the lines."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--images", type=int, default=600)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--model", default="resnet18.a1_in1k")
    options.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "granctl-bench"
    )
    with tempfile.TemporaryDirectory(prefix="embed-") as name:
        measure(options.parse_args(), Path(name))


def measure(given: argparse.Namespace, folder: Path) -> None:
    """Embeds the images twice in a folder, once with a kill."""
    space, silent = Workspace(folder), Silent()
    source = str(photos(given.cache).folders)
    asked = BuildSpec(source=source, images=given.images, holdout_frac=0.0)
    shards = build_shards(space, asked, None, silent).path
    torch.manual_seed(0)
    torch.save(timm.create_model(given.model).state_dict(), folder / "weights.pth")
    model = PublicModel.of_option(f"timm:{given.model}={folder / 'weights.pth'}")
    spec = EmbedSpec(origin=model, shards=shards)
    machine = Machine(device="cpu", workers=given.workers)

    def run(name: str) -> Artefact:
        return embed(space, spec, folder / name, silent, machine, rows_a_part=ROWS)

    began = time.perf_counter()
    made = run("whole")
    whole_s = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = given.images / whole_s
    print(
        f"{given.model}, {given.images} photographs, {given.workers} workers: waited"
        f" {made.details['waiting']:.1%} of the time (goal 10 %), {rate:.1f} images/s,"
        f" {peak:,.0f} MB at most"
    )
    began = time.perf_counter()
    child = os.fork()
    if not child:
        run("killed")
        os._exit(0)
    parts = folder / "killed.parts"
    half = given.images // ROWS // 2
    while len(list(parts.glob("part-*.npy"))) < half:
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    run("killed")
    killed_s = time.perf_counter() - began
    same = (folder / "killed").read_bytes() == (folder / "whole").read_bytes()
    print(
        f"killed after {half} of {given.images // ROWS} parts: {killed_s / whole_s:.2f} x the time,"
        f" {'the same' if same else 'OTHER'} bytes"
    )


if __name__ == "__main__":
    main()
