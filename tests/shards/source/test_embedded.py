"""The embedded images, and the script that made them."""

import hashlib
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from granctl.shards.source.resolve import open_source
from granctl.workspace import Workspace, embedded

FILES = ("fashion-mnist-train.parquet", "fashion-mnist-test.parquet")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def test_embedded_set_is_balanced_and_small(tmp_path):
    """12,000 images to train and 2,000 to test on, equally many of ten labels, under 8 MB."""
    listing = open_source(Workspace(tmp_path), "embedded").listing
    for split, per_label in ((0, 1200), (2, 200)):
        labels = listing.label_of[listing.split_of == split]
        assert np.bincount(labels).tolist() == [per_label] * 10
    assert sum((embedded("images") / name).stat().st_size for name in FILES) < 8_000_000


def test_files_are_those_of_the_readme():
    """The sha256 in the table is that of the file."""
    text = embedded("README.md").read_text()
    for name in FILES:
        sha256 = hashlib.sha256((embedded("images") / name).read_bytes()).hexdigest()
        assert re.search(rf"images/{name} \| [\d,]+ \| {sha256} ", text)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_script_of_the_readme_makes_the_same_images(tmp_path):
    """Pixels, labels and places; the PNG bytes may differ with the version of Pillow."""
    section = embedded("README.md").read_text().split("## images")[1]
    script = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    for name in FILES:
        ours, theirs = pq.read_table(embedded("images") / name), pq.read_table(tmp_path / name)
        assert ours.drop(["image"]).equals(theirs.drop(["image"]))
        pixels = [
            np.stack([np.asarray(Image.open(io.BytesIO(b))) for b in t["image"].to_pylist()])
            for t in (ours, theirs)
        ]
        assert pixels[0].dtype == np.uint8
        assert (pixels[0] == pixels[1]).all()
