"""Pretrainings in one process or several, which may be told to stop, or be killed, at any step.

One process imports torch once and is forked for each of them, so that a run costs half a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER = """
import json, os, socket, sys, time
import granctl.cli.app, granctl.cli.console
import pyarrow.parquet
import torch, torchvision
import torch.distributed
import granctl.train.pretrain
from granctl.cli.main import run
from granctl.train import loop, objective

answers = os.fdopen(os.dup(1), "w")

def watched(rank, asked):
    take, look = loop._Fitting._one, objective.Objective.__call__
    at, number, whom = asked["step"], asked["signal"], asked["rank"]
    def one(self, *others):
        take(self, *others)
        if self.step == at and whom in (rank, -1):
            os.kill(os.getpid(), number)
    loop._Fitting._one = one
    seen = open(f"{asked['log']}.seen-{rank}", "w")
    def called(self, network, batch):
        row = [batch.piece.epoch, batch.piece.begin, batch.images.tolist()]
        print(json.dumps(row), file=seen, flush=True)
        return look(self, network, batch)
    objective.Objective.__call__ = called

def child(rank, size, port, asked):
    log = os.open(f"{asked['log']}.{rank}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ["GRANCTL_WORKSPACE"] = asked["workspace"]
    if size > 1:
        place = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": rank, "MASTER_PORT": port}
        os.environ.update({k: str(v) for k, v in place.items()}, MASTER_ADDR="127.0.0.1")
    sys.argv = ["granctl", *asked["arguments"]]
    watched(rank, asked)
    code = run(asked["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

for line in sys.stdin:
    asked = json.loads(line)
    size = asked["size"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pids = []
    for rank in range(size):
        pid = os.fork()
        if not pid:
            child(rank, size, port, asked)
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    print(json.dumps(codes), file=answers, flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """How the processes of a pretraining ended."""

    codes: list[int]
    """Negative: the signal that ended it."""
    said: str
    """Both streams of all."""
    seen: list[tuple[int, int, list[int]]]
    """Epoch, first position and images of each piece that any process was shown, in that order."""


class Together:
    """Runs `granctl pretrain`; a context manager."""

    def __init__(self, workspace: Path) -> None:
        self._workspace, self._number = workspace, 0

    def __enter__(self) -> Together:
        command = [sys.executable, "-c", SERVER]
        pipe = subprocess.PIPE
        self._server = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.communicate()

    def pretrain(
        self,
        arguments: Sequence[object],
        *,
        size: int = 1,
        step: int = 0,
        signal: int = 0,
        rank: int = -1,
    ) -> Ended:
        """One command in `size` processes.

        At the end of `step` one of them, or each (-1), is sent a signal.
        """
        self._number += 1
        log = self._workspace / f"together-{self._number}"
        asked = {
            "arguments": ["pretrain", *map(str, arguments)],
            "workspace": str(self._workspace),
            "log": str(log),
            "size": size,
            "step": step,
            "signal": int(signal),
            "rank": rank,
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(asked), file=self._server.stdin, flush=True)
        codes = json.loads(self._server.stdout.readline())
        said = "".join(Path(f"{log}.{r}").read_text() for r in range(size))
        seen: list[Any] = []
        for r in range(size):
            lines = Path(f"{log}.seen-{r}").read_text().splitlines()
            seen += [tuple(json.loads(line)) for line in lines]
        return Ended(codes, said, sorted(seen))
