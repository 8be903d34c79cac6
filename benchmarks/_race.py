"""Processes run against each other: interleaved rounds, one process each, ratios of what they take.

A process that prints a JSON object with `wall_s` and `cpu_s` as its last line is judged by these:
so other programs say what their work took once their packages were loaded. Of those that do not,
granctl among them, the whole process counts, from its start to its end.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class DidNotRunError(Exception):
    """A process ended with another code than 0."""


@dataclass(frozen=True, slots=True)
class Took:
    """What one process took."""

    wall_s: float
    cpu_s: float
    """User and system, of its children too."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """What else stands in the object that it printed."""


@dataclass(frozen=True, slots=True)
class Runner:
    """A command, and the folder or file that it makes, which is removed before and after."""

    command: Sequence[str]
    out: Path
    prepare: Callable[[], object] = lambda: None
    """Is called before the clock runs."""


Times = Mapping[str, list[Took]]


def race(runners: Mapping[str, Runner], rounds: int) -> Times:
    """Every runner once a round, in another order each; a runner that fails is left out, aloud."""
    times: dict[str, list[Took]] = {name: [] for name in runners}
    for round_ in range(rounds):
        names = list(times)
        random.Random(round_).shuffle(names)
        for name in names:
            runner = runners[name]
            remove(runner.out)
            runner.out.parent.mkdir(parents=True, exist_ok=True)
            runner.prepare()
            os.sync()  # what others wrote must not be written in our time
            try:
                times[name].append(run(runner.command))
            except DidNotRunError as error:
                print(f"left out: {name}: {error}", flush=True)
                del times[name]
            remove(runner.out)
    return times


def run(command: Sequence[str]) -> Took:
    """One process.

    Raises:
        DidNotRunError: its exit code is not 0; the end of what it said is in the message.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        try:
            child = subprocess.Popen(command, stdout=out, stderr=err)
        except FileNotFoundError as error:
            raise DidNotRunError(str(error)) from error
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        said = _text(out)
        if child.returncode:
            raise DidNotRunError(" ".join(_text(err).split())[-300:] or said[-300:])
    last = said.splitlines()[-1] if said else ""
    found = json.loads(last) if last.startswith("{") else {}
    if "wall_s" in found:
        return Took(found.pop("wall_s"), found.pop("cpu_s"), found)
    return Took(wall, used.ru_utime + used.ru_stime, found)


def _text(file: Any) -> str:
    file.seek(0)
    return file.read().decode(errors="replace").strip()


def remove(path: Path) -> None:
    """A folder or a file, where it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def best(times: Sequence[Took]) -> Took:
    """The least of each: other work on the machine only ever adds."""
    return Took(min(t.wall_s for t in times), min(t.cpu_s for t in times), times[-1].said)


def compare(
    times: Times,
    what: str,
    theirs: str,
    ours: str,
    goal: float | None = None,
    *,
    most: bool = False,
) -> None:
    """Prints how often ours goes into theirs; nothing where one of them did not run.

    Args:
        times: of a race.
        what: begins the line.
        theirs: name of the runner that is measured against.
        ours: name of the runner that is judged.
        goal: least ratio.
        most: the other way: how often theirs goes into ours, and the goal is the largest ratio.
    """
    if not times.get(theirs) or not times.get(ours):
        return
    above, below = (times[ours], times[theirs]) if most else (times[theirs], times[ours])
    wall = best(above).wall_s / best(below).wall_s
    cpu = best(above).cpu_s / max(best(below).cpu_s, 1e-9)
    median = statistics.median(a.wall_s / b.wall_s for a, b in zip(above, below, strict=True))
    said = "" if goal is None else f"   (goal {'at most ' if most else ''}{goal:g} x)"
    print(
        f"{what:<66} {wall:6.2f} x wall (median {median:.2f}) {cpu:6.2f} x CPU"
        f"   {best(above).wall_s:.2f} / {best(below).wall_s:.2f} s{said}",
        flush=True,
    )


def line(what: str, found: str, goal: str = "") -> None:
    """Prints one figure that is no ratio of a race."""
    print(f"{what:<66} {found}{f'   (goal {goal})' if goal else ''}", flush=True)


def missing(python: str, packages: Sequence[str]) -> list[str]:
    """Those packages that an interpreter cannot find."""
    program = (
        "import importlib.util as u, sys;"
        "print(*[name for name in sys.argv[1:] if u.find_spec(name) is None])"
    )
    found = subprocess.run(
        [python, "-c", program, *packages], capture_output=True, text=True, check=True
    )
    return found.stdout.split()


def versions(python: str, packages: Sequence[str]) -> list[str]:
    """`name version` of the distributions that an interpreter has."""
    program = (
        "import sys; from importlib.metadata import version, PackageNotFoundError\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, version(name))\n"
        "    except PackageNotFoundError: print(name, 'not installed')"
    )
    found = subprocess.run(
        [python, "-c", program, *packages], capture_output=True, text=True, check=True
    )
    return found.stdout.splitlines()


def granctl(*arguments: object) -> list[str]:
    """The program as users run it."""
    return [sys.executable, "-m", "granctl", *map(str, arguments)]
