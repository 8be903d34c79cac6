"""The one place that catches errors: what it says, and what it leaves to others."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("words", [(), ("tree",), ("tree", "import"), ("recipes",)])
def test_a_group_without_a_command_shows_its_help_alone(
    words: tuple[str, ...], granctl: Any
) -> None:
    """It exits with 2, and no empty error stands below the help."""
    result = granctl(*words)
    assert result.code == 2
    assert "Commands" in result.out
    assert result.err == ""


def test_a_misspelt_option_is_named_with_the_way_to_the_help(granctl: Any) -> None:
    """An error of two lines, as every other."""
    result = granctl("tree", "cut", "--levle", "4")
    assert result.code == 2
    assert result.err.startswith("error: No such option")
    assert result.err.endswith("hint: see `granctl tree cut --help`\n")
