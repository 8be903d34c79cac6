"""Values that are read without the framework's validators are those the framework would read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from granctl.cli.app import app
from granctl.cli.values import read_plainly

WORDS = [None, "", "0", "7", "-3", "+3", " 4", "1_0", "3.0", "1e3", "٣", "9" * 30, "dog", "/"]
WORDS += ["no/such", "s3://bucket/set", "http://host/set"]


def leaves(command: Any, head: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that has no commands under it, with its words."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield head.strip(), command
        return
    for name, one in inner.items():
        yield from leaves(one, f"{head} {name}")


WHOLE = dict(leaves(typer.main.get_command(app)))


def outcome(parameter: Any, context: Any, word: str | None) -> str:
    """The value and its type, or the error's sentence."""
    try:
        value = parameter.process_value(context, word)
    except Exception as error:
        text = str(getattr(error, "message", None) or error)
        return f"{type(error).__name__}: {text}"
    return f"{type(value).__name__} {value!r}"


@pytest.mark.parametrize("words", WHOLE)
def test_each_option_reads_each_word_as_the_framework_does(words: str) -> None:
    """The same values, and for words that are none the same errors."""
    ours = read_plainly(dict(leaves(typer.main.get_command(app)))[words])
    context = typer.Context(WHOLE[words])
    pairs = list(zip(WHOLE[words].params, ours.get_params(context), strict=False))
    assert [a.name for a, _ in pairs] == [b.name for _, b in pairs]
    for theirs, plain in pairs:
        for word in WORDS:
            expected = outcome(theirs, context, word)
            assert outcome(plain, context, word) == expected, f"{theirs.name} {word!r}"


def test_a_path_that_may_not_be_read_is_refused_by_the_framework(
    granctl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so as it does for every program."""
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    result = granctl("tree", "cut", "--level", "1", "--taxonomy", "/etc/hostname")
    assert result.code == 2
    assert re.search(r"'/etc/hostname' is not readable", result.err)
