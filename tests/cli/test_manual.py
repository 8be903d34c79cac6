"""Every command is in the manual, and everything that can be given has a line of help."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from granctl.cli.app import app

MANUAL = "\n".join(
    p.read_text() for p in (Path(__file__).parents[2] / "docs" / "commands").glob("*.md")
)


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
    else:
        for key, value in inner.items():
            yield from _commands(value, f"{name} {key}")


COMMANDS = dict(_commands(typer.main.get_command(app), "granctl"))


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_in_the_manual_with_its_options(name: str) -> None:
    """A command has a sentence of help; its options have one each, and stand in the manual."""
    command = COMMANDS[name]
    assert name in MANUAL
    assert (command.help or "").strip()
    shared = {"--json", "--quiet", "--workspace", "--out", "--help"}
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name} has no help"
        for option in set(parameter.opts) - shared:
            if option.startswith("--"):
                assert option in MANUAL, f"{name} {option} is not in the manual"
