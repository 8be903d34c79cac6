"""The granctl of this process, for a process on another machine: interpreter and environment."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import granctl
from granctl.workspace import JOB_VARIABLE

_KEPT = ("GRANCTL_CACHE", "GRANCTL_WORKSPACE")
"""What commands read. Everything else (credentials, modules) comes along as the cluster does it."""


def granctl_words() -> tuple[str, ...]:
    """The command that runs this granctl, and none that lies where it happens to be run."""
    return (sys.executable, "-P", "-m", "granctl")


def environment(name: str, ours: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a job needs so that it finds the same granctl and the same data.

    Args:
        name: of the job.
        ours: this process's environment; None: as it is.
    """
    ours = os.environ if ours is None else ours
    kept = {key: os.path.abspath(ours[key]) for key in _KEPT if ours.get(key)}
    return {**same_granctl(ours), **kept, JOB_VARIABLE: name}


def same_granctl(ours: Mapping[str, str] | None = None) -> dict[str, str]:
    """Where Python finds the granctl of this process, whatever folder a command is run in."""
    ours = os.environ if ours is None else ours
    package = str(Path(granctl.__file__).parents[1])
    installed = {sysconfig.get_path(key) for key in ("purelib", "platlib")}
    paths = [] if package in installed else [package]
    paths += [os.path.abspath(path) for path in ours.get("PYTHONPATH", "").split(":") if path]
    return {"PYTHONPATH": ":".join(dict.fromkeys(paths))} if paths else {}
