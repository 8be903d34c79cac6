"""docs/tutorial.md is true: its commands run as they stand, on made-up photographs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from generated_images import encoded

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial.md"
KINDS = {"fruit": ("apple", "pear"), "vegetable": ("leek", "carrot")}


def write_photos(root: Path) -> None:
    """8 products in 4 kinds in 2 groups: 12 images each to train and 4 to test on."""
    number = 0
    for group, kinds in KINDS.items():
        for product in (f"{kind}/{colour}-{kind}" for kind in kinds for colour in ("red", "green")):
            for i in range(16):
                path = root / ("train" if i < 12 else "test") / group / product / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encoded(number := number + 1, size=24))


def test_the_tutorial_runs_as_it_stands(tmp_path: Path) -> None:
    """Its files are written and its commands run in order, in one shell."""
    write_photos(tmp_path / "photos")
    text = TUTORIAL.read_text()
    for name, content in re.findall(r"^```toml (\S+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        (tmp_path / name).write_text(content)
    script = "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {k: v for k, v in os.environ.items() if k != "GRANCTL_WORKSPACE"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**environment, "PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "the same numbers came out" in done.stderr
    assert len(script.splitlines()) >= 7
    (study,) = (tmp_path / "granctl-workspace" / "studies").glob("food-*")
    assert (study / "manifest.json").is_file()
