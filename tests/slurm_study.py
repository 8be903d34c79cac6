"""`granctl sweep run --launcher slurm` of cells that take no time, and what is done to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from slurm_cluster import PACKAGE, TESTS, Cluster, until

SLOW_STEPS = TESTS / "launch" / "slow_steps"
QUICK_CELLS = TESTS / "launch" / "quick_cells"
CUTS = """
[[cut]]
level = 0
[[cut]]
depth = 5
"""
STUDY = f"""
recipe = "embedded-resnet"
seeds = 1
targets = ["source@leaf", "source@depth-5"]
per_class = 2
scratch = "none"
{CUTS}
"""
NUM_CELLS = 1 + 2 + 2 + 4
"""Shards, two cuts, a run of each, transferred to two targets each."""
OF_A_RUN = tuple(f"leaf.s0.finetune.source@{cut}.2-a-class" for cut in ("leaf", "depth-5"))
"""The transfers of run.leaf.s0."""


@dataclass
class SlurmSweep:
    """The command, in a workspace of its own."""

    home: Path
    cluster: Cluster
    quick: bool = True
    """Cells write a line; else they are what they are, and steps are slow while `slow` exists."""
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mishaps.mkdir()
        self.file.write_text(STUDY)
        self.slow.touch()

    @property
    def file(self) -> Path:
        """The study."""
        return self.home / "a study.toml"

    @property
    def mishaps(self) -> Path:
        """What cells are to suffer."""
        return self.home / "mishaps"

    @property
    def slow(self) -> Path:
        """While it is there, steps of real cells take a tenth of a second."""
        return self.home / "slow"

    @property
    def workspace(self) -> Path:
        """Where all goes."""
        return self.home / "work space, 100%"

    slurm = ("--launcher", "slurm", "--partition", "main")

    def start(self, *words: object) -> subprocess.Popen[str]:
        """`sweep run` on Slurm, begun."""
        return self.begin("run", self.file, *self.slurm, *words)

    def run(self, *words: object) -> tuple[int, str, str]:
        """`sweep run` on Slurm, to its end: exit code, stdout, stderr."""
        return self.end(self.start(*words))

    def words(self, *words: object) -> list[str]:
        """A command of `granctl sweep`."""
        return [sys.executable, "-m", "granctl", "sweep", *map(str, words)]

    @property
    def environment(self) -> dict[str, str]:
        """In which the command is run."""
        first = QUICK_CELLS if self.quick else SLOW_STEPS
        marks = {"CELL_MISHAPS": str(self.mishaps)} if self.quick else {"SLOW": str(self.slow)}
        place = {"GRANCTL_WORKSPACE": str(self.workspace), "PYTHONPATH": f"{first}:{PACKAGE}"}
        return {**self.cluster.environment, **place, **marks}

    def begin(self, *words: object) -> subprocess.Popen[str]:
        """A command of `granctl sweep`, begun in a session of its own."""
        pipe = subprocess.PIPE
        begun = subprocess.Popen(
            self.words(*words),
            stdout=pipe,
            stderr=pipe,
            text=True,
            env=self.environment,
            cwd=self.home,
            start_new_session=True,
        )
        self.running.append(begun)
        return begun

    def end(self, begun: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Waits for a command that was begun."""
        out, err = begun.communicate(timeout=240)
        return begun.returncode, out, err

    def status(self) -> dict:
        """What `sweep status --json` says."""
        code, out, err = self.end(self.begin("status", self.file, "--json"))
        assert code == 0, err
        return json.loads(out)

    def suffer(self, cell: str, word: str) -> None:
        """What a cell is to suffer."""
        (self.mishaps / cell).write_text(word)

    def wait_for(self, cell: str) -> None:
        """Until a cell waits in the middle of its work."""
        until((self.mishaps / f"{cell}.waits").exists)

    def go_on(self, cell: str) -> None:
        """Lets a cell go on, or no more suffer."""
        (self.mishaps / cell).unlink()

    @property
    def folder(self) -> Path:
        """The study's."""
        (found,) = (self.workspace / "studies").iterdir()
        return found

    def round(self, number: int) -> dict[str, str]:
        """Cell -> its task, as `array index`, of a submission."""
        path = self.folder / "slurm" / f"round-{number}" / "tasks.json"
        return {
            cell: f"{array['name']} {index}"
            for array in json.loads(path.read_text())["arrays"]
            for index, cell in zip(array["indices"], array["cells"], strict=True)
        }

    def jobs(self) -> dict[str, str]:
        """Array -> job id, of the last submission."""
        return json.loads((self.folder / "slurm" / "jobs.json").read_text())["jobs"]

    def task(self, number: int, cell: str) -> str:
        """The task of a cell as Slurm calls it."""
        array, _, index = self.round(number)[cell].partition(" ")
        return f"{self.jobs()[array]}_{index}"

    def log(self, number: int, cell: str) -> str:
        """What the task of a cell wrote."""
        name = self.round(number)[cell].replace(" ", "-")
        path = self.folder / "slurm" / f"round-{number}" / f"{name}.log"
        return path.read_text() if path.is_file() else ""

    def made(self) -> set[str]:
        """The quick cells that are made."""
        folder = self.workspace / "quick"
        return set(os.listdir(folder)) if folder.is_dir() else set()
