"""JPEGs of the size and the entropy of photos, in 200 synsets: folders, a tar each, a tar of tars.

Each is two crops of the photos that scikit-learn brings along, blended, their colours moved, with
noise; it follows from its number alone. They are made once, into a folder that is kept.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sys
import tarfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from granctl.workspace import embedded

SYNSETS, EACH = 200, 30
"""Images a synset; where more are asked for, the same stand again under other names."""
_VERSION = 1
"""Of what follows from a number: another one is another folder."""
_MTIME = 1_300_000_000


@dataclass(frozen=True, slots=True)
class Photos:
    """The same images three times."""

    root: Path
    num: int
    image_bytes: int

    @property
    def folders(self) -> Path:
        """`nXXXXXXXX/nXXXXXXXX_N.JPEG`."""
        return self.root / "folders"

    @property
    def tars(self) -> Path:
        """`nXXXXXXXX.tar` with the files of one synset."""
        return self.root / "tars"

    @property
    def whole(self) -> Path:
        """One tar of these tars."""
        return self.root / "winter21_whole.tar"


def photos(kept_in: Path, each: int = EACH) -> Photos:
    """The images, made where they are not there yet; an unfinished folder is made anew."""
    root = kept_in / f"photos-{_VERSION}-{SYNSETS}x{each}"
    done = root / "made.json"
    if not done.is_file():
        print(f"making {SYNSETS * each:,} images in {root}, once", file=sys.stderr, flush=True)
        shutil.rmtree(root, ignore_errors=True)
        made = Photos(root, SYNSETS * each, _make_folders(root / "folders", each))
        _make_tars(made)
        done.write_text(json.dumps({"image_bytes": made.image_bytes}))
    return Photos(root, SYNSETS * each, json.loads(done.read_text())["image_bytes"])


def _make_folders(root: Path, each: int) -> int:
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return sum(pool.map(_make_synset, [root] * SYNSETS, range(SYNSETS), [each] * SYNSETS))


def _make_synset(root: Path, synset: int, each: int) -> int:
    """Returns the bytes written."""
    wnid = _synsets()[synset]
    folder = root / wnid
    folder.mkdir(parents=True)
    num_bytes = 0
    contents = [photo(synset * EACH + i) for i in range(min(each, EACH))]
    for i in range(each):
        content = contents[i % EACH]
        num_bytes += len(content)
        path = folder / f"{wnid}_{i}.JPEG"
        path.write_bytes(content)
        os.utime(path, (_MTIME, _MTIME))
    return num_bytes


@cache
def _synsets() -> list[str]:
    """Every hundredth label of ImageNet-21k, so that `granctl tree cut` has maps of them."""
    labels = gzip.decompress(embedded("lists/21841.txt.gz").read_bytes()).decode().split()
    return labels[:: len(labels) // SYNSETS][:SYNSETS]


def photo(number: int) -> bytes:
    """The JPEG of this number: about 80 KB, most of 500 x 375 pixels."""
    rng = np.random.default_rng([_VERSION, number])
    width, height = 500, 375
    if rng.random() < 0.4:
        scale = float(np.exp(rng.normal(-0.1, 0.25)))
        width, height = round(width * scale), round(height * scale)
    if rng.random() < 0.3:
        width, height = height, width
    one, other = (_crop(rng, width, height) for _ in range(2))
    share = rng.uniform(0.1, 0.45)
    pixels = one * (1 - share) + other * share
    pixels = pixels * rng.uniform(0.75, 1.2, 3) + rng.uniform(-20, 20, 3)
    pixels += rng.normal(0, rng.uniform(3, 8.5), pixels.shape)
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=int(rng.integers(90, 97)), subsampling="4:2:0")
    return out.getvalue()


def _crop(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    picture = _samples()[int(rng.integers(2))]
    part = rng.uniform(0.5, 1.0)
    across = min(picture.width, picture.height * width / height) * part
    down = across * height / width
    left = rng.uniform(0, picture.width - across)
    top = rng.uniform(0, picture.height - down)
    box = (left, top, left + across, top + down)
    crop = picture.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(ImageOps.mirror(crop) if rng.random() < 0.5 else crop, dtype=np.float32)


@cache
def _samples() -> list[Image.Image]:
    from sklearn.datasets import load_sample_images

    return [Image.fromarray(image) for image in load_sample_images().images]


def _make_tars(made: Photos) -> None:
    made.tars.mkdir()
    with tarfile.open(made.whole, "w", format=tarfile.USTAR_FORMAT) as outer:
        for folder in sorted(made.folders.iterdir()):
            path = made.tars / f"{folder.name}.tar"
            with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as inner:
                for image in sorted(folder.iterdir(), key=lambda p: int(p.stem.split("_")[1])):
                    inner.add(image, image.name)
            os.utime(path, (_MTIME, _MTIME))
            outer.add(path, path.name)
