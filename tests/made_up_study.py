"""A made-up study: results with a known U-curve, the label maps and runs they came from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from granctl.files import write_json
from granctl.progress import Silent
from granctl.provenance import digest, short
from granctl.study.cuts import CutSpec, make_cut
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace

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
        "computed": "cpu, float32",
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


TEN = [
    *("n03595614", "n04489008", "n04021028", "n03236735", "n03057021"),
    *("n04133789", "n04197391", "n03472535", "n02773037", "n02872752"),
]
"""The embedded images' labels: clothes, shoes and a bag."""


def write_cuts(workspace: Workspace) -> dict[str, LabelMap]:
    """Makes the label maps of SOURCES, the clustered one by hand; cut -> map."""
    names = workspace.root / "ten.txt"
    names.parent.mkdir(parents=True, exist_ok=True)
    names.write_text("\n".join(TEN))
    made: dict[str, Path] = {}
    for depth in (5, 6, 7):
        spec = CutSpec(method="depth", depth=depth, list=str(names))
        made[f"depth-{depth}"] = make_cut(workspace, spec, None, Silent()).path
    spec = CutSpec(method="level", level=0, list=str(names))
    made["leaf"] = make_cut(workspace, spec, None, Silent()).path
    spec = CutSpec(method="random", like=made["leaf"], seed=0)
    made["random-like-leaf"] = make_cut(workspace, spec, None, Silent()).path
    maps = {name: LabelMap.read(path) for name, path in made.items()}
    for num in (40, 160):
        maps[f"kmeans-{num}"] = clusters(workspace, num)
    return maps


def clusters(workspace: Workspace, num: int) -> LabelMap:
    """A map keyed by image: `num` clusters, each of the ten labels' images in equal shares."""
    images = [digest(["image", i])[:32] for i in range(800)]
    ids = tuple(f"{TEN[c * 10 // num]}/{c % (num // 10)}" for c in range(num))
    labels = LabelMap(
        labels=tuple(images),
        offsets=np.arange(801, dtype=np.int64),
        classes=np.array([(i * 7 if i % 3 else i * 14) % num for i in range(800)], np.int32),
        class_ids=ids,
        class_names=ids,
        method="kmeans",
        params={"classes": num},
        keyed_by="image",
        provenance={"command": f"granctl tree cut --cluster kmeans --classes {num}"},
    )
    labels.write(workspace.place("label-map", f"kmeans-{num}", labels.digest, ".parquet"))
    return labels


def write_run(workspace: Workspace, record: dict[str, Any], labels: LabelMap) -> dict[str, Any]:
    """Writes the run a result came from, as far as a report reads it; the result that names it."""
    run = workspace.place("run", "embedded-resnet", record["source"]["run_digest"])
    shards = workspace.place("shards", "embedded", digest(["shards"]))
    name = f"{record['source']['cut']}-{short(labels.digest)}.parquet"
    at = workspace.folder("label-map") / name
    command = f"granctl pretrain --shards {shards} --labels {at} --seed {record['seed']}"
    spec = {"recipe": {"name": "embedded-resnet"}, "seed": record["seed"]}
    inputs = {"shards": digest(["shards"]), "labels": labels.digest}
    made_by = {"command": command, "spec": spec, "inputs": inputs}
    write_json(run / "spec.json", {"digest": digest(str(run)), "spec": spec, "provenance": made_by})
    counts = {"label_counts": [1200] * len(TEN), "images": 1200 * len(TEN)}
    counts |= {"label_bytes": [0] * len(TEN), "image_bytes": 0}
    classes = {"num_classes": len(TEN), "of_label": [[i] for i in range(len(TEN))]}
    manifest = {"kind": "shards", "schema": 1, "digest": shards.name, "source": "embedded"}
    manifest |= {"content_digest": digest(["shards"]), "bad_images": 0, "shards": []}
    manifest |= {"classes": classes, "splits": {"train": counts}}
    write_json(shards / "manifest.json", {**manifest, "labels": sorted(TEN)})
    source = {**record["source"], "labels_digest": labels.digest}
    return {**record, "run": str(run), "source": source}


def write_study(workspace: Workspace) -> None:
    """A whole made-up study: cuts, runs and 48 results."""
    maps = write_cuts(workspace)
    for record in u_curve():
        source = record["source"]
        known = write_run(workspace, record, maps[source["cut"]]) if source else record
        write_result(workspace.folder("result"), known)
