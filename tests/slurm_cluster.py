"""A real Slurm of two nodes on this machine, and builds on it with mishaps that a test wants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from told import all_bytes

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent
MISHAPS = TESTS / "launch" / "mishaps"
NODES = ("node1", "node2")
START_S = 120


UP, DOWN = (str(TESTS / "cluster" / f"slurm-{word}.sh") for word in ("up", "down"))


class NoClusterError(Exception):
    """There can be no cluster here; says why."""


@dataclass(frozen=True)
class Cluster:
    """The cluster: its folder, and the environment in which sbatch is that of this cluster."""

    folder: Path
    up: tuple[str, ...]
    environment: dict[str, str]

    @classmethod
    def start(cls, worker: int) -> Cluster:
        """Starts one; those of several processes of the tests do not meet."""
        folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))  # sockets want short paths
        port = 26810 + 40 * worker
        up = ("bash", UP, "-I", "-r", "5", "-p", str(port), str(folder))
        done = subprocess.run(up, capture_output=True, text=True, timeout=START_S)
        environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"}
        started = cls(folder, up, environment)
        if done.returncode != 0:
            (folder / "pids").touch()
            started.down("--purge")
            raise NoClusterError(done.stderr.strip().splitlines()[-1])
        return started

    @property
    def is_netns(self) -> bool:
        """Whether each node has a network of its own."""
        return (self.folder / "mode").read_text().strip() == "netns"

    def run(self, *words: object) -> str:
        """One of Slurm's programs; its stdout."""
        done = subprocess.run(
            [str(word) for word in words],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def down(self, *words: str) -> None:
        """Takes a node away, or its cable."""
        subprocess.run(["bash", DOWN, *words, str(self.folder)], check=True)

    def repair(self) -> None:
        """Both nodes are idle again, whatever a test did; jobs that are left over are cancelled."""
        left = sorted({line for line in self.run("squeue", "-h", "-o", "%A").split() if line})
        if left:
            self.run("scancel", *left)
            until(lambda: not self.run("squeue", "-h"))
        subprocess.run(self.up, check=True, capture_output=True, timeout=START_S)


@dataclass
class Build:
    """`granctl shards build` of 24 images in 8 shards, and what its jobs are to suffer."""

    source: Path
    workspace: Path
    mishaps: Path
    cluster: Cluster
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *words: object) -> subprocess.Popen[str]:
        """The command, begun: 4 tasks for 8 shards."""
        environment = {
            **self.cluster.environment,
            "GRANCTL_WORKSPACE": str(self.workspace),
            "PYTHONPATH": f"{MISHAPS}:{PACKAGE}",
            "MISHAPS": str(self.mishaps),
        }
        command = [sys.executable, "-m", "granctl", "shards", "build", "--launcher", "slurm"]
        if "--plan" not in words:
            command += ["--source", str(self.source), "--shard-images", "3", "--tasks", "4"]
        begun = subprocess.Popen(
            [*command, *(str(word) for word in words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.running.append(begun)
        return begun

    def run(self, *words: object) -> tuple[int, str, str]:
        """The command, to its end: exit code, stdout, stderr."""
        return self.end(self.start(*words))

    def end(self, begun: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Waits for a command that was begun."""
        out, err = begun.communicate(timeout=180)
        return begun.returncode, out, err

    def suffer(self, who: str, word: str) -> None:
        """What the next start of a job is to suffer."""
        (self.mishaps / who).write_text(word)

    def wait_for(self, *names: str) -> None:
        """Until these jobs stand at their second image."""
        until(lambda: all((self.mishaps / f"{name}.waits").exists() for name in names))

    def go_on(self, *names: str) -> None:
        """Lets jobs that wait go on."""
        for name in names:
            (self.mishaps / name).unlink()

    @property
    def folder(self) -> Path:
        """The shard set."""
        (found,) = (p for p in (self.workspace / "shards").iterdir() if p.suffix != ".slurm")
        return found

    @property
    def jobs(self) -> Path:
        """Scripts, logs, record."""
        return self.folder.with_name(f"{self.folder.name}.slurm")

    @property
    def record(self) -> dict:
        """What was submitted."""
        return json.loads((self.jobs / "jobs.json").read_text())


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Waits for something that happens elsewhere."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def set_bytes(folder: Path) -> dict[str, bytes]:
    """Every file of a shard set but spec.json, which says by which command it was made."""
    return {name: raw for name, raw in all_bytes(folder).items() if name != "spec.json"}
