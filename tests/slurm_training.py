"""`granctl pretrain --launcher slurm` of a tiny network, and what is done to it while it trains."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import shapes
from slurm_cluster import PACKAGE, TESTS, Cluster, until

SLOW_STEPS = TESTS / "launch" / "slow_steps"
TIMINGS = {"images_per_s", "waiting_frac", "memory_mb"}
EPOCHS, STEPS = 16, 80


@dataclass
class Training:
    """48 images, 80 steps of a millisecond; slow ones while `slow` exists."""

    home: Path
    shards: Path
    cluster: Cluster | None
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.home / "tiny.toml").write_text(shapes.TINY_RECIPE)
        labels = shapes.label_map([[0], [1], [2], [3]], shapes.LABELS)
        labels.write(self.home / "map.parquet")

    @property
    def slow(self) -> Path:
        """While it is there, a step of a job takes a tenth of a second, or the seconds it says."""
        return self.home / "slow"

    @property
    def words(self) -> list[str]:
        """The command, but for its launcher."""
        given = ["--shards", self.shards, "--labels", self.home / "map.parquet"]
        given += ["--recipe", self.home / "tiny.toml", "--epochs", EPOCHS, "--workers", 0]
        return ["pretrain", *map(str, given)]

    def start(self, *words: object) -> subprocess.Popen[str]:
        """The command, begun: two nodes, a process each."""
        launcher = ("--launcher", "slurm", "--nodes", "2", "--partition", "main")
        return self._begin([*self.words, *launcher, *map(str, words)])

    def run(self, *words: object) -> tuple[int, str, str]:
        """The command, to its end: exit code, stdout, stderr."""
        return self.end(self.start(*words))

    def granctl(self, *words: object) -> str:
        """Any command of granctl, here: its stdout."""
        code, out, err = self.end(self._begin([str(word) for word in words]))
        assert code == 0, err
        return out

    def end(self, begun: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Waits for a command that was begun."""
        out, err = begun.communicate(timeout=180)
        return begun.returncode, out, err

    def _begin(self, words: list[str]) -> subprocess.Popen[str]:
        environment = {
            **self.cluster.environment,
            "GRANCTL_WORKSPACE": str(self.home / "work space"),
            "PYTHONPATH": f"{SLOW_STEPS}:{PACKAGE}",
            "SLOW": str(self.slow),
        }
        command = [sys.executable, "-m", "granctl", *words]
        pipe = subprocess.PIPE
        begun = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)
        self.running.append(begun)
        return begun

    def reach(self, step: int) -> None:
        """Waits until the run's metrics have come so far."""
        until(lambda: bool(self.steps()) and self.steps()[-1] >= step)

    def steps(self) -> list[int]:
        """The steps that have a line of metrics."""
        return [json.loads(line)["step"] for line in self._text("*/metrics.jsonl").splitlines()]

    def _text(self, pattern: str) -> str:
        """A file of the one run, or beside it; empty where it is not there yet."""
        found = list((self.home / "work space" / "runs").glob(pattern))
        return found[0].read_text() if found else ""

    @property
    def folder(self) -> Path:
        """The run."""
        (found,) = (p.parent for p in (self.home / "work space" / "runs").glob("*/spec.json"))
        return found

    @property
    def jobs(self) -> Path:
        """Script, log, record."""
        return self.folder.with_name(f"{self.folder.name}.slurm")

    @property
    def job(self) -> str:
        """The id of the job that was submitted last."""
        return json.loads((self.jobs / "job.json").read_text())["job"]

    @property
    def log(self) -> str:
        """What the job wrote."""
        return self._text("*.slurm/pretrain.log")

    def starts(self) -> list[tuple[int, int]]:
        """Step and restart of each start."""
        lines = map(json.loads, self._text("*/starts.jsonl").splitlines())
        return [(line["step"], line["restart"]) for line in lines]

    def result(self) -> tuple[dict, list[dict]]:
        """Weights and metrics of the run, but for times."""
        return result_of(self.folder)


def result_of(run: Path) -> tuple[dict, list[dict]]:
    """Weights of a whole run as bytes, and its metrics but for times."""
    import torch

    assert (run / "manifest.json").is_file()
    state = torch.load(run / f"checkpoints/step-{STEPS:06}/state.pt", weights_only=True)
    weights = {name: tensor.numpy().tobytes() for name, tensor in state["network"].items()}
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return weights, [{k: v for k, v in line.items() if k not in TIMINGS} for line in lines]


def two_local_processes(words: list[str], out: Path) -> None:
    """The same training as two processes of this machine, as torchrun would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-m", "granctl", *words, "--out", str(out), "--quiet"]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, **world, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
