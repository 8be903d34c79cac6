"""A small ImageNet-1k in the layouts that are handed out, ImageNetV2 and ReaL for it, and facts.

Each class has a colour, so that tiny networks learn something; each image is another.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from granctl.shards.source.knownsets import list_labels

TEDDY = "n04399382"
PLAYTHING = "n03964744"
"""The hypernym of teddy."""
V2_PER_CLASS = 2


def some_wnids(num: int) -> tuple[str, ...]:
    """The first labels of ImageNet-1k and teddy, sorted; 1,000 are all."""
    every = list_labels("1k")
    return every if num == len(every) else tuple(sorted({*every[: num - 1], TEDDY}))


def jpeg(*seed: int, side: int = 12) -> bytes:
    """An image whose colour follows from the first number, and its noise from all."""
    colour = np.random.default_rng(seed[0]).integers(20, 236, 3)
    noise = np.random.default_rng(seed).integers(-20, 20, (side, side, 3))
    buffer = io.BytesIO()
    pixels = np.clip(colour + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def train_images(wnids: Sequence[str], per_class: int) -> dict[str, dict[str, bytes]]:
    """Class -> file name -> bytes."""
    return {
        wnid: {f"{wnid}_{j}.JPEG": jpeg(i, j, 0) for j in range(per_class)}
        for i, wnid in enumerate(wnids)
    }


def val_images(wnids: Sequence[str], per_class: int) -> dict[str, tuple[str, bytes]]:
    """File name -> class and bytes; the numbers of the files are in no order of the classes."""
    num = len(wnids) * per_class
    order = np.random.default_rng(7).permutation(num).tolist()
    return {
        f"ILSVRC2012_val_{at + 1:08d}.JPEG": (
            wnids[k % len(wnids)],
            jpeg(k % len(wnids), k // len(wnids), 1),
        )
        for at, k in enumerate(order)
    }


def write(path: Path, content: bytes | str) -> None:
    """Writes a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def write_folders(root: Path, wnids: Sequence[str], train: int, val: int) -> Path:
    """train/CLASS/NAME and val/CLASS/NAME."""
    for wnid, images in train_images(wnids, train).items():
        for name, content in images.items():
            write(root / "train" / wnid / name, content)
    for name, (wnid, content) in val_images(wnids, val).items():
        write(root / "val" / wnid / name, content)
    return root


def write_tars(root: Path, wnids: Sequence[str], train: int, val: int) -> Path:
    """The two tars of the official release and the development kit, which has the truth."""
    of_class = {f"{w}.tar": packed(images) for w, images in train_images(wnids, train).items()}
    write(root / "ILSVRC2012_img_train.tar", packed(of_class))
    held_out = val_images(wnids, val)
    write(root / "ILSVRC2012_img_val.tar", packed({n: c for n, (_, c) in held_out.items()}))
    # Its numbers of classes have an order of their own, which is not that of the sorted labels.
    numbered = np.random.default_rng(3).permutation(len(wnids)).tolist()
    number = {wnids[at]: i + 1 for i, at in enumerate(numbered)}
    truth = "".join(f"{number[held_out[name][0]]}\n" for name in sorted(held_out))
    inside = "ILSVRC2012_devkit_t12/data"
    kit = {
        f"{inside}/meta.mat": _meta([wnids[at] for at in numbered]),
        f"{inside}/ILSVRC2012_validation_ground_truth.txt": truth.encode(),
    }
    write(root / "ILSVRC2012_devkit_t12.tar.gz", packed(kit, "w:gz"))
    return root


def write_v2(root: Path, wnids: Sequence[str]) -> Path:
    """NUMBER/NAME: the numbers count the sorted labels."""
    for i in range(len(wnids)):
        for j in range(V2_PER_CLASS):
            write(root / str(i) / f"{j}.jpeg", jpeg(i, j, 2))
    return root


def real_lists(wnids: Sequence[str], val: int) -> list[list[int]]:
    """As real.json: the true class and sometimes another; every fifth image has none."""
    held_out = val_images(wnids, val)
    lists = []
    for at, name in enumerate(sorted(held_out)):
        true = wnids.index(held_out[name][0])
        other = [(true + 1) % len(wnids)] if at % 3 == 0 else []
        lists.append([] if at % 5 == 4 else [true, *other])
    return lists


def write_real(root: Path, wnids: Sequence[str], val: int) -> Path:
    """real.json."""
    write(root / "real.json", json.dumps(real_lists(wnids, val)))
    return root


def write_facts(workspace: Path, wnids: Sequence[str], train: int, val: int) -> None:
    """The workspace's own facts: a smaller ImageNet-1k is whole with these counts."""
    num = len(wnids)
    write(workspace / "short.txt", "\n".join(wnids))
    write(
        workspace / "data-sets.toml",
        f"""
[in1k]
about = "a small ImageNet-1k"
aliases = ["imagenet"]
[[in1k.release]]
name = "small"
classes = {num}
list = "short.txt"
images = {{ train = {num * train}, val = {num * val} }}
fewest = {{ train = {train}, val = {val} }}
most = {{ train = {train}, val = {val} }}

[in1k-v2]
about = "a small ImageNetV2"
numbered = "short.txt"
[[in1k-v2.release]]
name = "small"
classes = {num}
list = "short.txt"
images = {{ val = {num * V2_PER_CLASS} }}

[in1k-real]
about = "ReaL of a small ImageNet-1k"
holds = "real"
numbered = "short.txt"
[[in1k-real.release]]
name = "small"
classes = {num}
entries = {num * val}
""",
    )


def packed(files: dict[str, bytes], mode: str = "w") -> bytes:
    """A tar of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _meta(wnids: Sequence[str]) -> bytes:
    savemat = pytest.importorskip("scipy.io").savemat
    synsets = np.array(
        [(np.array([[i + 1.0]]), wnid, "words", 0.0) for i, wnid in enumerate(wnids)],
        dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")],
    ).reshape(-1, 1)
    buffer = io.BytesIO()
    savemat(buffer, {"synsets": synsets}, do_compression=True)
    return buffer.getvalue()
