"""Fixtures of every room: a workspace of its own, and the program run inside this process."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from servers import S3Server, request

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


@pytest.fixture(scope="session")
def s3_session() -> Iterator[S3Server]:
    """One S3 server for all tests."""
    pytest.importorskip("moto", reason="moto's server is not installed")
    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def s3(s3_session: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3Server:
    """The server with one empty bucket, `bucket`; credentials are in the environment."""
    for name, value in {
        "AWS_ENDPOINT_URL_S3": s3_session.url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "GRANCTL_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    s3_session.forget()
    request(s3_session, "POST", "/moto-api/reset")
    request(s3_session, "PUT", "/bucket")
    s3_session.forget()
    return s3_session
