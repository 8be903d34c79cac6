"""What shards cost against webdataset, tarfile, litdata, mosaicml-streaming, GNU tar, cat and cp.

    python benchmarks/shards.py [--rounds 5] [--only folders,tars] [--peers PYTHON] [--cache DIR]

Contenders run interleaved, one process each. A line is a ratio of wall and of CPU time, made of
the least of each over the rounds, beside the median of the ratios of single rounds, the seconds,
and the goal where there is one. Of other programs the work counts without the loading of their
packages, the least of three times in one process. Of granctl the whole command counts, from its
start to its end, or, where the line says `loaded`, the same as of the others.

The peers are no dependency of granctl; those that are not installed are left out, aloud:

    python -m venv peers
    peers/bin/pip install webdataset litdata mosaicml-streaming timm
    python benchmarks/shards.py --peers peers/bin/python
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
from _race import (
    DidNotRunError,
    Runner,
    Times,
    best,
    compare,
    granctl,
    line,
    missing,
    race,
    run,
    versions,
)
from _shards_peers import SHARD_IMAGES

PACKAGES = ("webdataset", "litdata", "mosaicml-streaming", "timm", "numpy", "pyarrow", "xxhash")
MODULES = ("webdataset", "litdata", "streaming", "timm")
"""What the peers are loaded as, which is how the names of contenders begin."""
OPTIONS = ("--shard-images", SHARD_IMAGES, "--holdout-frac", 0, "--quiet")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What every part is given."""

    photos: Photos
    work: Path
    """An empty folder on the disk that is measured."""
    peers: str
    """The interpreter that has the other programs."""
    lacking: frozenset[str]
    """Peers that it does not have."""
    rounds: int

    def theirs(self, name: str, source: Path, out: Path | None = None) -> dict[str, Runner]:
        """A contender of `_shards_peers.py`; nothing where its package is missing."""
        word = name.split("_", maxsplit=1)[0]
        if word in self.lacking:
            print(f"left out: {name}: {word} is not installed", flush=True)
            return {}
        python = sys.executable if word == "granctl" else self.peers
        out = out or self.work / name
        script = Path(__file__).parent / "_shards_peers.py"
        return {name: Runner([python, str(script), name, str(source), str(out)], out)}

    def build(self, source: Path, workers: int, *, loaded: bool = False) -> Runner:
        """`granctl shards build`, from its start to its end or once it is loaded."""
        out = self.work / f"granctl-{workers}"
        arguments = ("shards", "build", "--source", source, *OPTIONS, "--workers", workers)
        command = granctl(*arguments, "--out", out / "set", "--workspace", out)
        return loaded_runner(Runner(command, out)) if loaded else Runner(command, out)

    def built(self) -> Path:
        """A shard set of the images that the parts on reading share."""
        out = self.work / "kept"
        if not out.exists():
            arguments = ("shards", "build", "--source", self.photos.folders, *OPTIONS)
            run(granctl(*arguments, "--out", out / "set", "--workspace", out))
        return out / "set"


def main() -> None:
    """Runs the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--each", type=int, default=EACH, help="images a synset")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, parted by commas")
    parser.add_argument("--peers", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()))
    asked = parser.parse_args()
    kept = asked.cache / "granctl-benchmarks"
    peers = asked.peers
    print(f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}")
    print(f"granctl with Python {platform.python_version()}; others: ", end="")
    print(", ".join(versions(peers, PACKAGES)), flush=True)
    with tempfile.TemporaryDirectory(dir=asked.cache) as work:
        found = photos(kept, asked.each)
        bench = Bench(
            photos=found,
            work=Path(work),
            peers=peers,
            lacking=frozenset(missing(peers, MODULES)),
            rounds=asked.rounds,
        )
        mean = found.image_bytes / found.num
        print(f"{found.num:,} images of {mean / 1e3:.1f} KB in 200 synsets", flush=True)
        for part in asked.only.split(","):
            PARTS[part](bench)


def folders(bench: Bench) -> None:
    """Building from class folders."""
    source, work = bench.photos.folders, bench.work
    warm(source)
    files = work / "files.txt"
    files.write_text("".join(f"{p}\n" for p in sorted(source.rglob("*.JPEG"))))
    tar, cat = work / "gnu.tar", work / "cat"
    times = race(
        {
            "granctl": bench.build(source, 1),
            "loaded": bench.build(source, 1, loaded=True),
            **bench.theirs("webdataset_folders", source),
            **bench.theirs("tarfile_folders", source),
            **bench.theirs("litdata_folders", source),
            **bench.theirs("streaming_folders", source),
            "tar": Runner(["tar", "-cf", str(tar), "-T", str(files)], tar),
            "cat": Runner(["sh", "-c", f"xargs cat < {files} > {cat}"], cat),
        },
        bench.rounds,
    )
    what = "build from class folders"
    compare(times, f"{what}: webdataset.ShardWriter / granctl", "webdataset_folders", "granctl", 3)
    compare(times, f"{what}: ShardWriter / granctl, loaded", "webdataset_folders", "loaded", 3)
    compare(times, f"{what}: tarfile / granctl", "tarfile_folders", "granctl")
    compare(times, f"{what}: litdata.optimize / granctl", "litdata_folders", "granctl")
    compare(times, f"{what}: MDSWriter / granctl", "streaming_folders", "granctl")
    compare(times, f"{what}: ShardWriter / GNU tar", "webdataset_folders", "tar")
    compare(times, f"{what}: ShardWriter / cat into one file", "webdataset_folders", "cat")


def tars(bench: Bench) -> None:
    """Building from a tar of tars."""
    source, copy = bench.photos.whole, bench.work / "copy.tar"
    warm(source)
    times = race(
        {
            "granctl": bench.build(source, 1),
            "loaded": bench.build(source, 1, loaded=True),
            "two": bench.build(source, 2),
            **bench.theirs("webdataset_nested", source),
            **bench.theirs("webdataset_untar", source),
            "cp": Runner(["cp", str(source), str(copy)], copy),
            "cp, synced": Runner(["sh", "-c", f"cp {source} {copy} && sync {copy}"], copy),
        },
        bench.rounds,
    )
    what = "build from a tar of tars"
    for ours, said in (("granctl", ""), ("loaded", ", loaded"), ("two", ", 2 processes")):
        nested, untar = f"{what}: nested tarfile / granctl{said}", f"{what}: untar / granctl{said}"
        compare(times, nested, "webdataset_nested", ours, 5)
        compare(times, untar, "webdataset_untar", ours, 8)
        compare(times, f"{what}: granctl{said} / cp", "cp", ours, 2.5, most=True)
    compare(times, f"{what}: granctl / cp and sync", "cp, synced", "granctl", 2.5, most=True)
    compare(times, f"{what}: one process / two", "granctl", "two")
    disk(times, bench)


def disk(times: Times, bench: Bench) -> None:
    """How near the build is to what the disk takes."""
    size = bench.photos.whole.stat().st_size / 1e6
    for name in ("granctl", "two", "cp, synced"):
        if times.get(name):
            rate = size / best(times[name]).wall_s
            line(f"written to the disk: {name}", f"{rate:,.0f} MB/s")


def cold(bench: Bench) -> None:
    """Building from a tar of tars that is not in memory: shuffled and in the source's order."""
    source, out = bench.photos.whole, bench.work / "cold"
    arguments = ("shards", "build", "--source", source, *OPTIONS, "--workers", 1)
    place = ("--out", out / "set", "--workspace", out)
    runners = {
        order: Runner(granctl(*arguments, "--order", order, *place), out, lambda: forget(source))
        for order in ("shuffled", "blocks", "source")
    }
    runners["cat"] = Runner(["sh", "-c", f"cat {source} > /dev/null"], out, lambda: forget(source))
    times = race(runners, bench.rounds)
    size = source.stat().st_size / 1e6
    for name in times:
        rate = size / best(times[name]).wall_s
        line(f"source not in memory: {name}", f"{rate:,.0f} MB/s")


def reading(bench: Bench) -> None:
    """Random reads through the index against sequential reading."""
    shards = bench.built()
    warm(shards)
    runners = {
        **bench.theirs("granctl_read", shards),
        **bench.theirs("webdataset_read", shards),
        **bench.theirs("tarfile_read", shards),
    }
    for name in ("litdata", "streaming"):
        kept = bench.work / f"{name}-kept"
        for runner in bench.theirs(f"{name}_folders", bench.photos.folders, kept).values():
            run(runner.command)
            reader = bench.theirs(f"{name}_read", kept)[f"{name}_read"]
            runners[f"{name}_read"] = Runner(reader.command, bench.work / "none")
    times = race(runners, bench.rounds)
    if not times.get("granctl_read"):
        return
    ours = _rate(times, "granctl_read")
    for name, said, goal in (
        ("webdataset_read", "webdataset, sequential", "15 x"),
        ("tarfile_read", "tarfile, sequential", ""),
        ("litdata_read", "litdata, sequential", ""),
        ("streaming_read", "mosaicml-streaming, random", ""),
    ):
        if times.get(name):
            theirs = _rate(times, name)
            found = f"{ours / theirs:6.2f} x CPU   {ours:,.0f} / {theirs:,.0f} samples/s of a core"
            line(f"random reads through the index / {said}", found, goal)


def _rate(times: Times, name: str) -> float:
    return max(took.said["images"] / took.cpu_s for took in times[name])


def read_back(bench: Bench) -> None:
    """Whether others find in the set what lies in the source: every image, and its class."""
    shards = bench.built()
    run(granctl("shards", "export", "--shards", shards, "--indexes", "timm", "--quiet"))
    found = {}
    for name, source in (
        ("source_bytes", bench.photos.folders),
        ("granctl_bytes", shards),
        ("webdataset_bytes", shards),
        ("timm_bytes", shards),
    ):
        for runner in bench.theirs(name, source).values():
            found[name.split("_")[0]] = run(runner.command).said
    readers = [name for name in found if name != "source"]
    different = [name for name in readers if found[name] != found["source"]]
    said = f"{', '.join(readers)}: {found['source']['images']:,} images and classes"
    line("read back", f"{said}, {f'DIFFERENT: {different}' if different else 'equal bytes'}")


def overhead(bench: Bench) -> None:
    """Bytes of the tars that are not of an image."""
    shards = bench.built()
    tars = [path.stat().st_size for path in shards.glob("*.tar")]
    each = (sum(tars) - bench.photos.image_bytes) / bench.photos.num
    said = "three headers of 512, .cls 512, .json 512, padding"
    line("overhead", f"{each:,.0f} bytes a sample: {said}", "1.8 KB")
    index = (shards / "index.parquet").stat().st_size / bench.photos.num
    line("index.parquet", f"{index:,.0f} bytes a sample")


def relabel(bench: Bench) -> None:
    """New labels for shards that are there, against a pipeline of webdataset."""
    if not there("shards", "relabel"):
        line("relabel", "not there")
        return
    shards, work = bench.built(), bench.work
    cut = work / "cut.parquet"
    run(granctl("tree", "cut", "--depth", 5, "--list", "21841", "--out", cut, "--quiet"))
    out, copy = work / "relabelled", work / "in-place"
    asked = ("shards", "relabel", "--labels", cut, "--quiet", "--workers", 1)
    to = ("--out", out / "set", "--workspace", out)

    def copied() -> None:
        run(["cp", "-r", str(shards), str(copy)])
        run(["sync"])  # else the relabel would be charged for what cp has not written yet

    whole = {
        "view": Runner(granctl(*asked, "--shards", shards, *to), out),
        "materialise": Runner(granctl(*asked, "--shards", shards, "--materialise", *to), out),
        "in place": Runner(granctl(*asked, "--shards", copy, "--in-place"), copy, copied),
    }
    in_place = whole["in place"]
    times = race(
        {
            **whole,
            "materialise, loaded": loaded_runner(whole["materialise"]),
            "in place, loaded": loaded_runner(in_place, once=True),
            **bench.theirs("webdataset_relabel", shards),
        },
        bench.rounds,
    )
    goals = {"materialise": 8, "in place": 15, "materialise, loaded": 8, "in place, loaded": 15}
    for ours in ("view", *goals):
        what = f"relabel: webdataset / granctl, {ours}"
        compare(times, what, "webdataset_relabel", ours, goals.get(ours))


def verify(bench: Bench) -> None:
    """Everything checked, against reading."""
    if not there("shards", "verify"):
        line("verify", "not there")
        return
    shards = bench.built()
    warm(shards)
    none = bench.work / "none"
    ours = Runner(granctl("shards", "verify", "--shards", shards, "--quiet"), none)
    times = race(
        {
            "granctl": ours,
            "loaded": loaded_runner(ours),
            "cat": Runner(["sh", "-c", f"cat {shards}/*.tar > /dev/null"], none),
        },
        bench.rounds,
    )
    compare(times, "verify: cat / granctl", "cat", "granctl", 0.5)
    compare(times, "verify: cat / granctl, loaded", "cat", "loaded", 0.5)


def loaded_runner(whole: Runner, *, once: bool = False) -> Runner:
    """The same command of granctl in a process whose packages are loaded; once, or several times.

    What changes a folder in place is done once: the second time there is nothing to do.
    """
    name, out = ("granctl_once", "-") if once else ("granctl_command", str(whole.out))
    script = str(Path(__file__).parent / "_shards_peers.py")
    command = [sys.executable, script, name, "-", out, *whole.command[3:]]
    return Runner(command, whole.out, whole.prepare)


def there(*command: str) -> bool:
    """Whether granctl has such a command."""
    try:
        run(granctl(*command, "--help"))
    except DidNotRunError:
        return False
    return True


def warm(path: Path) -> None:
    """Reads all of it, so that nothing waits for the disk."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb", buffering=0) as opened:
                while opened.read(1 << 24):
                    pass


def forget(path: Path) -> None:
    """Takes a file out of memory."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


PARTS: Mapping[str, Callable[[Bench], None]] = {
    "folders": folders,
    "tars": tars,
    "cold": cold,
    "reading": reading,
    "read-back": read_back,
    "overhead": overhead,
    "relabel": relabel,
    "verify": verify,
}

if __name__ == "__main__":
    main()
