"""What the tests of relabels look at in shard sets, without granctl's own reader."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

from granctl.shards.index import ShardSet

Sample = dict[str, bytes]


def copy_of(shards: ShardSet, folder: Path) -> Path:
    """The set once more, to be changed."""
    shutil.copytree(shards.root, folder)
    return folder


def tars(folder: Path) -> dict[str, bytes]:
    """The bytes of the shards and of the index."""
    paths = [*folder.glob("*.tar"), folder / "index.parquet"]
    return {path.name: path.read_bytes() for path in paths}


def samples(folder: Path, split: str = "") -> dict[str, Sample]:
    """Key -> extension -> content of every sample of a split, read by tarfile, in their order."""
    found: dict[str, Sample] = {}
    for path in sorted(folder.glob(f"{split}*.tar")):
        with tarfile.open(path) as tar:
            for member in tar.getmembers():
                key, _, extension = member.name.partition(".")
                content = tar.extractfile(member)
                assert content is not None
                assert extension not in found.setdefault(key, {})
                found[key][extension] = content.read()
    return found


def said(sample: Sample) -> dict:
    """What the .json of a sample says, and its .cls."""
    return json.loads(sample["json"]) | {"cls": int(sample["cls"])}


def image_of(sample: Sample) -> bytes:
    """The one member that is neither .cls nor .json."""
    (content,) = (raw for name, raw in sample.items() if name not in ("cls", "json"))
    return content
