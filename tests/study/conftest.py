"""Made-up results with a known U-curve, and the label maps they came from."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from granctl.files import write_json
from granctl.provenance import digest, short

SOURCES: list[tuple[str, str, int, float]] = [
    ("depth-5", "depth", 2, 0.742),
    ("depth-6", "depth", 3, 0.768),
    ("depth-7", "depth", 5, 0.801),
    ("leaf", "leaf", 10, 0.834),
    ("kmeans-40", "kmeans", 40, 0.829),
    ("kmeans-160", "kmeans", 160, 0.797),
    ("random-like-leaf", "random", 10, 0.655),
]
"""Cut, method, classes present, mean top-1 of the made-up curve."""
TARGETS = [("embedded@depth-7", "depth-7", 5), ("embedded@leaf", "leaf", 10)]

Make = Callable[..., Path]


def fake_result(
    *,
    cut: str | None,
    method: str = "depth",
    classes: int = 2,
    top1: float = 0.8,
    seed: int = 0,
    target: str = "embedded@depth-7",
    num_classes: int = 5,
    n: int = 2000,
    **others: Any,
) -> dict[str, Any]:
    """One result.json as `granctl transfer` writes it; `cut=None` is the target alone."""
    how = "scratch" if cut is None else others.pop("how", "finetune")
    source = (
        None
        if cut is None
        else {
            "cut": cut,
            "method": method,
            "params": {"classes": classes, "seed": seed if method != "depth" else None},
            "classes_total": classes,
            "classes_present": classes,
            "labels_digest": digest(["labels", cut, seed if method in ("kmeans", "random") else 0]),
            "run_digest": digest(["run", cut, seed]),
            "run_seed": seed,
            "recipe": "embedded-resnet",
            "images_seen": 72000,
        }
    )
    run = None if cut is None else f"/somewhere/runs/embedded-resnet-{short(digest([cut, seed]))}"
    command = f"granctl transfer --target {target} --method {how} --per-class 20 --seed {seed}"
    spec = {"target": target, "method": how, "per_class": 20, "seed": seed}
    inputs = {"target_shards": digest(["shards"]), "run": digest(["run", cut, seed])}
    record = {
        "schema": 1,
        "kind": "result",
        "made": True,
        "top1": top1,
        "mean_per_class": top1 - 0.002,
        "n": n,
        "correct": round(top1 * n),
        "num_classes": num_classes,
        "seed": seed,
        "method": how,
        "target": target,
        "target_cut": target.partition("@")[2],
        "per_class": 20,
        "split": "test",
        "resolution": 28,
        "steps": 300,
        "images_seen": 38400,
        "train_images": 20 * num_classes,
        "run": run,
        "source": source,
        "inputs": inputs,
        "provenance": {
            "tool": "granctl",
            "version": "0.1.0",
            "python": "3.11.2",
            "command": command if run is None else f"{command} --run {run}",
            "spec": spec,
            "inputs": inputs,
        },
    } | others
    return {**record, "digest": digest([cut, target, how, seed, top1])}


def write_result(folder: Path, record: dict[str, Any]) -> Path:
    """Writes a result's folder as `granctl transfer` does; returns its result.json."""
    name = f"{record['target']}-{record['method']}-{short(record['digest'])}"
    place = folder / name
    write_json(place / "spec.json", {"digest": record["digest"], "spec": {}})
    write_json(place / "result.json", {**record, "path": str(place / "result.json")})
    write_json(place / "manifest.json", {"digest": record["digest"]})
    return place / "result.json"


def u_curve(
    seeds: Sequence[int] = (0, 1, 2), targets: Sequence[tuple[str, str, int]] = tuple(TARGETS)
) -> list[dict[str, Any]]:
    """All results of a study: seven sources and the target alone, on each target, each seed."""
    rng = random.Random(7)
    records = []
    for target, _, num_classes in targets:
        for seed in seeds:
            shared = rng.gauss(0, 0.006)  # what a seed has in common: the reason for pairing
            lower = 0.0 if num_classes == 5 else 0.09
            for cut, method, classes, top1 in [*SOURCES, (None, "", 0, 0.699)]:
                records.append(
                    fake_result(
                        cut=cut,
                        method=method,
                        classes=classes,
                        top1=round(top1 - lower + shared + rng.gauss(0, 0.004), 4),
                        seed=seed,
                        target=target,
                        num_classes=num_classes,
                    )
                )
    return records


@pytest.fixture
def study(workspace_folder: Path) -> Path:
    """A workspace with 48 made-up results: 8 sources, 2 targets, 3 seeds; yields results/."""
    for record in u_curve():
        write_result(workspace_folder / "results", record)
    return workspace_folder / "results"
