"""Fixtures of every room: a workspace of its own, and the program run inside this process."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Where a script runs the tests in its background it has Ctrl-C ignored, and all that they start
# would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Outcome:
    """What one command did: exit code and both streams."""

    code: int
    out: str
    err: str

    @property
    def path(self) -> Path:
        """The one line on stdout as a path."""
        assert self.code == 0, self.err
        (line,) = self.out.splitlines()
        return Path(line)

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        assert self.code == 0, self.err
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def workspace_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has an empty workspace; none writes into the checkout."""
    folder = tmp_path / "workspace"
    monkeypatch.setenv("GRANCTL_WORKSPACE", str(folder))
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    return folder


@pytest.fixture
def granctl(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """`granctl("tree", "cut", "--depth", 5)` runs that command in this process."""
    from granctl.cli.main import run

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        streams = capsys.readouterr()
        return Outcome(code, streams.out, streams.err)

    return call
