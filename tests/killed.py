"""Commands that die by SIGKILL at a chosen step, and the same command again.

A step is a call that changes what is on the disk or makes it last: a write at a place of a file
(before it, and when it is written but for its end), a copy in the kernel, a sync, a rename (before
and after it), a removal; and calls that a test adds.
One process imports granctl once and is forked for each command, so that a kill costs a tenth of a
second.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER = """
import importlib, json, os, signal, sys
import granctl.cli.app
import granctl.cli.console
import granctl.study.relabelling
import pyarrow.parquet
from granctl.cli.main import run

answers = os.fdopen(os.dup(1), "w")

def stepping(kill_at, more):
    steps = [0]
    def step():
        steps[0] += 1
        if steps[0] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
    def wrap(module, name, after=False):
        call = getattr(module, name)
        def wrapped(*arguments, **named):
            step()
            result = call(*arguments, **named)
            if after:
                step()
            return result
        setattr(module, name, wrapped)
    write = os.pwrite
    def torn(file, content, at):
        step()
        if steps[0] + 1 == kill_at:
            size = max(len(bytes(content).rstrip(b" \\0")) - 10, 0)
            try:
                write(file, content[:size], at)
            except OSError:  # a direct write takes whole blocks
                write(file, content[: size // 4096 * 4096], at)
        step()
        return write(file, content, at)
    os.pwrite = torn
    for name in ("fsync", "fdatasync", "copy_file_range", "unlink"):
        wrap(os, name)
    wrap(os, "replace", after=True)
    for place in more:
        module, name = place.split(":")
        wrap(importlib.import_module(module), name)
    return steps

for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(asked["folder"])
        os.environ["GRANCTL_WORKSPACE"] = asked["folder"]
        sys.argv = ["granctl", *asked["arguments"]]
        steps = stepping(asked["kill_at"], asked["more"])
        code = run(asked["arguments"])
        sys.stdout.flush()
        sys.stderr.flush()
        with open(asked["log"] + ".steps", "w") as file:
            file.write(str(steps[0]))
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps(code), file=answers, flush=True)
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    """Negative: the signal that ended it."""
    said: str
    """Both streams."""
    steps: int
    """How many it took; 0 where it was killed."""


class Killer:
    """Runs commands of granctl that may die; a context manager."""

    def __init__(self, *more: str) -> None:
        """`more` are functions that are steps too, as `module:name`."""
        self._more = more

    def __enter__(self) -> Killer:
        command = [sys.executable, "-c", SERVER]
        pipe = subprocess.PIPE
        self._server = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.communicate()

    def run(self, arguments: Sequence[object], folder: Path, kill_at: int = 0) -> Done:
        """One command, in a folder that is its workspace too; 0: it is not killed."""
        folder.mkdir(exist_ok=True)
        log = folder.with_suffix(".log")
        steps = Path(f"{log}.steps")
        steps.unlink(missing_ok=True)
        asked = {
            "arguments": [str(one) for one in arguments],
            "folder": str(folder),
            "kill_at": kill_at,
            "log": str(log),
            "more": self._more,
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(asked), file=self._server.stdin, flush=True)
        code = json.loads(self._server.stdout.readline())
        return Done(code, log.read_text(), int(steps.read_text()) if steps.exists() else 0)


def nothing(_: Path) -> None:
    """Does nothing."""


def check_kills(
    killer: Killer,
    arguments: Sequence[object],
    tmp_path: Path,
    seed: int,
    num: int,
    begin: Callable[[Path], None] = nothing,
    look: Callable[[Path], None] = nothing,
) -> dict[str, bytes]:
    """Kills a command at `num` random steps; the same command again must end with the same bytes.

    Args:
        killer: runs it.
        arguments: of the command; they are the same each time, so paths of its folder are relative.
        tmp_path: gets a folder for each time.
        seed: which steps.
        num: how many.
        begin: puts into a folder what the command finds there.
        look: checks what a kill left.

    Returns:
        Every file of the undisturbed folder.
    """
    whole = tmp_path / "whole"
    whole.mkdir()
    begin(whole)
    done = killer.run(arguments, whole)
    assert done.code == 0, done.said
    expected = _files(whole)
    for kill_at in random.Random(seed).sample(range(1, done.steps + 1), num):
        killed = tmp_path / f"killed-{kill_at}"
        killed.mkdir()
        begin(killed)
        died = killer.run(arguments, killed, kill_at)
        assert died.code == -signal.SIGKILL, died.said
        look(killed)
        again = killer.run(arguments, killed)
        assert again.code == 0, again.said
        assert _files(killed) == expected, f"killed at step {kill_at} of {done.steps}"
    return expected


def _files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the workspace's pointer to the newest artefacts."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = os.path.relpath(path, folder)
        if path.is_file() and not name.startswith("newest/"):
            found[name] = path.read_bytes()
    return found
