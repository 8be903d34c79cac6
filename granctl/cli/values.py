"""Values of options read here where they are plain: typer's validators load slower than typer."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import Any

from typer.models import OptionInfo

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_CHECKED_BY = ("parser", "min", "max", "clamp", "exists", "file_okay", "dir_okay", "writable")
_MADE_BY = ("resolve_path", "allow_dash", "path_type", "case_sensitive")


def read_plainly(command: Any) -> Any:
    """Has a command and those under it read words, whole numbers and paths without pydantic.

    typer (0.29) passes each value, even of an option that nobody gave, to pydantic, which takes a
    fourth of the time of a whole `tree cut`. All else goes there still: lists, ranges, and whatever
    is not what its option wants, so that the words of an error stay the framework's. A typer
    without those validators is left as it is.

    Args:
        command: what `typer.main.get_command` gives; changed in place.

    Returns:
        The same command.
    """
    for inner in getattr(command, "commands", {}).values():
        read_plainly(inner)
    listed = command.get_params  # the help option stands only here
    command.get_params = lambda context: [_plainly(p) for p in listed(context)]
    return command


def _plainly(parameter: Any) -> Any:
    if hasattr(parameter, "type_descriptor"):
        parameter.process_value = partial(_value, parameter)
    return parameter


def _value(parameter: Any, context: Any, given: Any) -> Any:
    is_many = parameter.multiple or parameter.nargs != 1
    value = given  # a default is of its type already, and None is no value
    if isinstance(given, str):
        value = _read(parameter.type_descriptor, given)
    if is_many or (value is None and (given is not None or parameter.required)):
        return type(parameter).process_value(parameter, context, given)
    return value if parameter.callback is None else parameter.callback(context, parameter, value)


def _read(descriptor: Any, word: str) -> str | int | Path | None:
    """The word as its option's type; None: this needs the framework."""
    info, usual = descriptor.parameter_info, OptionInfo()
    if any(getattr(info, name) != getattr(usual, name) for name in (*_CHECKED_BY, *_MADE_BY)):
        return None
    if descriptor.annotation is str:
        return word
    if descriptor.annotation is int and _WHOLE_NUMBER.fullmatch(word):
        return int(word)
    if descriptor.annotation is Path and (os.access(word, os.R_OK) or not os.path.lexists(word)):
        return Path(word)
    return None
