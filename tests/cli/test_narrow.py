"""Building one command gives the same command as building all of them."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from granctl.cli.app import app
from granctl.cli.narrow import narrowed


def paths(command: Any, head: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command's words, by walking the whole program."""
    inner = getattr(command, "commands", None)
    if inner is None:
        return [head]
    return [path for name, one in inner.items() for path in paths(one, (*head, name))]


WHOLE = typer.main.get_command(app)


@pytest.mark.parametrize("words", paths(WHOLE), ids=" ".join)
def test_the_one_command_is_as_in_the_whole_program(words: tuple[str, ...]) -> None:
    """Its options, its help, and nothing beside it."""
    narrow, whole = typer.main.get_command(narrowed(app, [*words, "--json"])), WHOLE
    for word in words:
        assert list(narrow.commands) == [word]  # type: ignore[attr-defined]
        narrow, whole = narrow.commands[word], whole.commands[word]  # type: ignore[attr-defined]
    assert [p.name for p in narrow.params] == [p.name for p in whole.params]
    assert narrow.help == whole.help


@pytest.mark.parametrize("words", [[], ["--help"], ["trea"], ["--version"]])
def test_words_that_name_no_command_get_the_whole_program(words: list[str]) -> None:
    """So that help lists every command, and a misspelt one finds its neighbours."""
    assert narrowed(app, words) is app


def test_a_misspelt_command_of_a_group_finds_its_neighbours(granctl: Any) -> None:
    """`granctl tree cutt` asks for `cut`; `granctl tree` lists them all."""
    assert "Did you mean 'cut'" in granctl("tree", "cutt").err
    assert "align" in granctl("tree", "--help").out
