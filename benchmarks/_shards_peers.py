"""What others do, and granctl's random reads: one a process, which says what its work took.

    python benchmarks/_shards_peers.py NAME FROM OUT

Packages are loaded before the clock runs, and the work is done three times, of which the least
counts: the first time a process also waits for fresh memory. Each writer writes the image and its
class, which is less than granctl writes, in an order that is shuffled by a fixed seed where the
source lets it.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import resource
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from _race import remove

SHARD_IMAGES = 1000
REPEATS = 3
PASSES = 5
"""Of granctl's random reads, which are over too soon to be timed once."""

Work = Callable[[], dict[str, Any] | None]


def main() -> None:
    """Does one thing some times and prints the least that it took as a line of JSON."""
    name, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    work: Work = globals()[name](source, out)
    walls, cpus = [], []
    said: dict[str, Any] = {}
    for _ in range(1 if name.endswith(("_bytes", "_once")) else REPEATS):
        remove(out)
        began, used = time.perf_counter(), _cpu()
        said = work() or {}
        walls.append(time.perf_counter() - began)
        cpus.append(_cpu() - used)
    print(json.dumps({"wall_s": min(walls), "cpu_s": min(cpus)} | said))


def _cpu() -> float:
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


# --- writing, from class folders -----------------------------------------------------------------


def _files(source: Path) -> list[tuple[Path, int]]:
    """Every image and its class, shuffled."""
    folders = sorted(path for path in source.iterdir() if path.is_dir())
    found = [(path, i) for i, folder in enumerate(folders) for path in sorted(folder.iterdir())]
    random.Random(0).shuffle(found)
    return found


def webdataset_folders(source: Path, out: Path) -> Work:
    """ShardWriter, bytes passed through."""
    import webdataset

    def work() -> None:
        out.mkdir(parents=True)
        with webdataset.ShardWriter(f"{out}/%06d.tar", maxcount=SHARD_IMAGES, verbose=0) as sink:
            for i, (path, label) in enumerate(_files(source)):
                sink.write({"__key__": f"{i:09d}", "jpg": path.read_bytes(), "cls": label})

    return work


def tarfile_folders(source: Path, out: Path) -> Work:
    """Python's tarfile, USTAR."""

    def work() -> None:
        out.mkdir(parents=True)
        files = _files(source)
        for first in range(0, len(files), SHARD_IMAGES):
            path = out / f"{first // SHARD_IMAGES:06d}.tar"
            with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
                for i, (image, label) in enumerate(files[first : first + SHARD_IMAGES], first):
                    for suffix, content in (
                        ("jpg", image.read_bytes()),
                        ("cls", str(label).encode()),
                    ):
                        info = tarfile.TarInfo(f"{i:09d}.{suffix}")
                        info.size = len(content)
                        tar.addfile(info, io.BytesIO(content))

    return work


def litdata_folders(source: Path, out: Path) -> Work:
    """`optimize` with one worker."""
    import litdata

    def work() -> None:
        litdata.optimize(
            _litdata_sample,
            [(str(path), label) for path, label in _files(source)],
            str(out),
            chunk_bytes="64MB",
            num_workers=1,
            verbose=False,
        )

    return work


def _litdata_sample(one: tuple[str, int]) -> dict[str, Any]:
    return {"jpg": Path(one[0]).read_bytes(), "cls": one[1]}


def streaming_folders(source: Path, out: Path) -> Work:
    """MDSWriter without hashes."""
    from streaming import MDSWriter

    columns = {"jpg": "bytes", "cls": "int"}

    def work() -> None:
        with MDSWriter(out=str(out), columns=columns, size_limit=1 << 26) as sink:
            for path, label in _files(source):
                sink.write({"jpg": path.read_bytes(), "cls": label})

    return work


# --- writing, from a tar of tars -----------------------------------------------------------------


def webdataset_nested(source: Path, out: Path) -> Work:
    """A tarfile inside a tarfile, streamed into ShardWriter: in the order of classes."""
    import webdataset

    def work() -> None:
        out.mkdir(parents=True)
        with webdataset.ShardWriter(f"{out}/%06d.tar", maxcount=SHARD_IMAGES, verbose=0) as sink:
            for i, (content, label) in enumerate(_nested(source)):
                sink.write({"__key__": f"{i:09d}", "jpg": content, "cls": label})

    return work


def _nested(source: Path) -> Iterator[tuple[bytes, int]]:
    with tarfile.open(source) as outer:
        for label, synset in enumerate(outer):
            with tarfile.open(fileobj=outer.extractfile(synset)) as inner:
                for member in inner:
                    content = inner.extractfile(member)
                    assert content is not None
                    yield content.read(), label


def webdataset_untar(source: Path, out: Path) -> Work:
    """GNU tar unpacks all of it beside the shards, then ShardWriter as from folders."""
    import webdataset

    def work() -> None:
        tars, folders = out / "tars", out / "folders"
        tars.mkdir(parents=True)
        subprocess.run(["tar", "-xf", source, "-C", tars], check=True)
        for tar in sorted(tars.iterdir()):
            folder = folders / tar.stem
            folder.mkdir(parents=True)
            subprocess.run(["tar", "-xf", tar, "-C", folder], check=True)
        with webdataset.ShardWriter(f"{out}/%06d.tar", maxcount=SHARD_IMAGES, verbose=0) as sink:
            for i, (path, label) in enumerate(_files(folders)):
                sink.write({"__key__": f"{i:09d}", "jpg": path.read_bytes(), "cls": label})

    return work


# --- relabelling ---------------------------------------------------------------------------------


def webdataset_relabel(source: Path, out: Path) -> Work:
    """Every sample read, its label looked up, and written again; nothing is decoded."""
    import webdataset

    def work() -> None:
        out.mkdir(parents=True)
        samples = webdataset.WebDataset(_tars(source), shardshuffle=False)
        with webdataset.ShardWriter(f"{out}/%06d.tar", maxcount=SHARD_IMAGES, verbose=0) as sink:
            for sample in samples:
                label = json.loads(sample["json"])
                label["classes"] = [int(sample["cls"]) // 2]
                ours = {"__key__": sample["__key__"], "jpg": sample["jpg"]}
                sink.write(ours | {"cls": label["classes"][0], "json": label})

    return work


# --- reading -------------------------------------------------------------------------------------


def _tars(source: Path) -> list[str]:
    return sorted(str(path) for path in source.glob("*.tar"))


def webdataset_read(source: Path, _: Path) -> Work:
    """WebDataset, in sequence."""
    import webdataset

    def work() -> dict[str, Any]:
        samples = webdataset.WebDataset(_tars(source), shardshuffle=False)
        return {"images": sum(1 for sample in samples if sample["jpg"])}

    return work


def tarfile_read(source: Path, _: Path) -> Work:
    """Python's tarfile, in sequence."""

    def work() -> dict[str, Any]:
        num = 0
        for path in _tars(source):
            with tarfile.open(path) as tar:
                for member in tar:
                    content = tar.extractfile(member)
                    num += bool(content and content.read()) and member.name.endswith(".jpg")
        return {"images": num}

    return work


def litdata_read(source: Path, _: Path) -> Work:
    """StreamingDataset of what `optimize` wrote, not shuffled."""
    import litdata

    def work() -> dict[str, Any]:
        found = litdata.StreamingDataset(str(source), shuffle=False)
        return {"images": sum(1 for sample in found if sample["jpg"])}

    return work


def streaming_read(source: Path, _: Path) -> Work:
    """StreamingDataset of what MDSWriter wrote, at random places."""
    from streaming import StreamingDataset

    def work() -> dict[str, Any]:
        found = StreamingDataset(local=str(source), batch_size=1, shuffle=False)
        places = list(range(len(found)))
        random.Random(0).shuffle(places)
        return {"images": sum(1 for place in places if found[place]["jpg"])}

    return work


def granctl_command(_: Path, __: Path) -> Work:
    """Any command of granctl, given behind the three arguments, once its packages are loaded."""
    import PIL.Image  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import granctl.cli.app
    import granctl.study.building
    import granctl.study.relabelling  # noqa: F401
    from granctl.cli.main import run

    def work() -> None:
        if code := run(sys.argv[4:]):
            raise SystemExit(code)

    return work


granctl_once = granctl_command
"""For what cannot be done twice."""


def granctl_read(source: Path, _: Path) -> Work:
    """Every image of the set at a random place, through the index."""
    import numpy as np

    from granctl.shards.index import ShardSet
    from granctl.shards.read import ImageReader

    shards = ShardSet.open(source)
    rows = shards.rows("train")
    reader = ImageReader(shards)
    order = np.random.default_rng(0).permutation(len(rows)).tolist()

    def work() -> dict[str, Any]:
        num = sum(1 for _ in range(PASSES) for i in order if reader.image(rows, i))
        return {"images": num}

    return work


# --- the same bytes ------------------------------------------------------------------------------


def _said(images: Iterator[tuple[bytes, int]]) -> dict[str, Any]:
    """How many images, and a digest of all of them with their classes, in no order."""
    sums = sorted(hashlib.sha256(b"%d\0%b" % (label, image)).digest() for image, label in images)
    return {"images": len(sums), "digest": hashlib.sha256(b"".join(sums)).hexdigest()}


def source_bytes(source: Path, _: Path) -> Work:
    """Class folders, by their sorted names."""
    return lambda: _said((path.read_bytes(), label) for path, label in _files(source))


def granctl_bytes(source: Path, _: Path) -> Work:
    """By the index."""
    from granctl.shards.index import ShardSet
    from granctl.shards.read import ImageReader

    shards = ShardSet.open(source)
    rows = shards.rows("train")
    reader = ImageReader(shards)
    return lambda: _said((reader.image(rows, i), int(rows.label[i])) for i in range(len(rows)))


def webdataset_bytes(source: Path, _: Path) -> Work:
    """WebDataset."""
    import webdataset

    samples = webdataset.WebDataset(_tars(source), shardshuffle=False)
    return lambda: _said((sample["jpg"], int(sample["cls"])) for sample in samples)


def timm_bytes(source: Path, _: Path) -> Work:
    """What timm's reader hands to Pillow, in whose place something stands that keeps it."""
    from timm.data.readers import reader_wds

    class Kept:
        """As much of Pillow as the reader uses."""

        def __init__(self, content: bytes = b"") -> None:
            self.content = content

        def open(self, file: io.BytesIO) -> Kept:
            return Kept(file.getvalue())

        def load(self) -> None: ...

        def convert(self, _: str) -> bytes:
            return self.content

    reader_wds.Image = Kept()
    reader = reader_wds.ReaderWds(str(source), split="train", is_training=False)
    return lambda: _said(iter(reader))


if __name__ == "__main__":
    main()
