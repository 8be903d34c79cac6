"""`granctl demo`: the whole road, and going on after Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TINY = """
about = "the demo's road with hardly any training"
epochs = 1
batch_size = 512
[model]
name = "small-resnet"
width = 2
stages = [1.0, 1.0]
[input]
resolution = 28
[optimizer]
name = "sgd"
lr = 0.1
[finetune]
steps = 2
batch_size = 16
optimizer = { name = "sgd", lr = 0.1 }
[scratch]
steps = 2
batch_size = 16
optimizer = { name = "sgd", lr = 0.1 }
[linear]
steps = 2
batch_size = 16
optimizer = { name = "sgd", lr = 0.1 }
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    (tmp_path / "tiny.toml").write_text(TINY)
    program = [sys.executable, "-m", "granctl", "demo", "--seeds", "1", "--per-class", "2"]
    return [*program, "--recipe", str(tmp_path / "tiny.toml"), "--json"]


def _wait_for(folder: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        if list(folder.glob(pattern)):
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError(f"no {pattern} in a minute")


def test_demo_interrupted_goes_on_and_ends_with_the_page(
    command: list[str], workspace_folder: Path
) -> None:
    """Ctrl-C during the runs exits with 130; the same command keeps what was whole and ends."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A suite in a shell's background is told to ignore Ctrl-C, and its children with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    _wait_for(workspace_folder, "runs/*/manifest.json", process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "same command again" in err
    kept = {p: p.stat().st_mtime_ns for p in workspace_folder.glob("runs/*/manifest.json")}
    assert kept
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert (
        kept.items()
        <= {p: p.stat().st_mtime_ns for p in workspace_folder.glob("runs/*/manifest.json")}.items()
    )
    report = json.loads(again.stdout)
    assert (Path(report["path"]) / "report.html").is_file()
    results = [json.loads(p.read_text()) for p in workspace_folder.glob("results/*/result.json")]
    sources = {r["source"]["cut"] if r["source"] else "scratch" for r in results}
    assert len(results) == 16
    assert {
        "depth-5",
        "depth-6",
        "depth-7",
        "leaf",
        "kmeans-40",
        "kmeans-160",
        "scratch",
    } <= sources
    assert {r["target"] for r in results} == {"embedded@depth-7", "embedded@leaf"}
    assert not list(workspace_folder.rglob("*.tmp"))
