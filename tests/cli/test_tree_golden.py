"""The known numbers through the command line, in processes of three hash seeds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from golden import (
    APART_OF_1K,
    DEPTH_6,
    DEPTH_AT,
    DEPTH_KEEP,
    DEPTH_NESTED,
    DEPTH_SHALLOW,
    DEPTHS,
    LEVELS,
    SEVERAL_CLASSES,
)

PROGRAM = """
import json, sys
from granctl.cli.main import run
for words in json.load(sys.stdin):
    assert run(["tree", *words, "--json", "--quiet"]) == 0, words
"""
"""Runs commands one after another; each prints its object on a line."""


def asked(out: Path) -> list[tuple[list[str], dict[str, Any]]]:
    """Each command, and what it is known to say."""
    cuts: list[tuple[list[str], dict[str, Any]]] = []
    for policy, counts in LEVELS.items():
        for level, classes in enumerate(counts):
            several = {"multi_label": SEVERAL_CLASSES[level]} if policy == "all" else {}
            known = {"classes": classes, "labels": 21843, **several}
            cuts.append((["--level", str(level), "--policy", policy], known))
    for depth, keep, at, above, nested in zip(
        DEPTHS, DEPTH_KEEP, DEPTH_AT, DEPTH_SHALLOW, DEPTH_NESTED, strict=True
    ):
        words = ["--depth", str(depth), "--shallow"]
        cuts.append(([*words, "keep"], {"classes": keep, "dropped": 0, "nested": nested}))
        cuts.append(([*words, "drop"], {"classes": at, "dropped": above}))
        cuts.append(([*words, "remainder"], {"classes": at + 1, "dropped": 0}))
    for policy, classes in DEPTH_6.items():
        cuts.append((["--depth", "6", "--policy", policy], {"classes": classes}))
    cuts.append((["--classes", "519"], {"classes": 519, "multi_label": 0, "dropped": 0}))
    commands = [(["cut", *words], known) for words, known in cuts]
    for level, num in APART_OF_1K.items():
        path = str(out / f"{level}.parquet")
        commands.append((["cut", "--level", str(level), "--out", path], {}))
        target = {"list": "1k", "labels": 1000, "known": 999, "dropped": 0, "apart": num}
        commands.append((["stats", path, "--target", "1k"], {"target": target}))
    return commands


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_known_numbers_hold_under_every_hash_seed(seed: str, tmp_path: Path) -> None:
    """Levels, depths, policies, a number of classes, and what the 1k keeps apart."""
    commands = asked(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([words for words, _ in commands]),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for (words, known), line in zip(commands, lines, strict=True):
        found = json.loads(line)
        assert {key: found[key] for key in known} == known, words
