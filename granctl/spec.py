"""Tables (TOML, options) to frozen dataclasses: strict keys and types, all faults at once."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from granctl.errors import MissingInputError, SpecError, near

T = TypeVar("T")


def load_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a table.

    Raises:
        MissingInputError: there is no such file.
        SpecError: it is not TOML; says the line.
    """
    if not path.is_file():
        raise MissingInputError("spec", path, "check the path")
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(str(path), [str(error)]) from error


def parse(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """Builds a frozen dataclass (fields of plain types, tuples, dataclasses) from a table.

    `where` names the source in the error. A class may define `faults(self) -> list[str]` to
    check what a type cannot say.

    Raises:
        SpecError: unknown keys (with near matches), missing keys, wrong types or values.

    Example:
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Optimizer:
        ...     lr: float
        >>> parse(Optimizer, {"lr": 1}, "example").lr
        1.0
    """
    faults: list[str] = []
    value = _dataclass_from(cls, table, "", faults)
    if faults:
        raise SpecError(where, faults)
    return typing.cast(T, value)


def override(table: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a nested table with dotted keys set: `{"optimizer.lr": 0.1}`."""
    result: dict[str, Any] = dict(table)
    for dotted, value in settings.items():
        head, _, rest = dotted.partition(".")
        if rest:
            inner = result.get(head, {})
            result[head] = override(inner if isinstance(inner, Mapping) else {}, {rest: value})
        else:
            result[head] = value
    return result


def _dataclass_from(cls: type, table: Any, place: str, faults: list[str]) -> Any:
    if not isinstance(table, Mapping):
        faults.append(f"{place or 'the file'}: a table was expected, not {table!r}")
        return None
    known = {f.name: f for f in dataclasses.fields(cls)}
    dot = f"{place}." if place else ""
    before = len(faults)
    for key in table:
        if key not in known:
            like = near(key, known)
            end = (
                f"; did you mean {' or '.join(like)}?" if like else f" (known: {', '.join(known)})"
            )
            faults.append(f"{dot}{key}: unknown key{end}")
    hints = typing.get_type_hints(cls)
    values = {}
    for name, field in known.items():
        if name in table:
            values[name] = _value_from(hints[name], table[name], f"{dot}{name}", faults)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            faults.append(f"{dot}{name}: missing")
    if len(faults) > before:
        return None
    value = cls(**values)
    faults += [f"{dot}{fault}" for fault in getattr(value, "faults", list)()]
    return value


def _value_from(hint: Any, value: Any, place: str, faults: list[str]) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _dataclass_from(typing.cast(type, hint), value, place, faults)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        inner = [a for a in args if a is not type(None)]
        if len(inner) == 1:
            return _value_from(inner[0], value, place, faults)
        if any(type(value) is a for a in inner):
            return value
    elif origin is typing.Literal:
        if value in args:
            return value
        faults.append(f"{place}: {value!r} is none of {', '.join(map(str, args))}")
        return None
    elif origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_value_from(args[0], v, f"{place}[{i}]", faults) for i, v in enumerate(value))
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif isinstance(hint, type) and type(value) is hint:
        return value
    name = hint.__name__ if isinstance(hint, type) else str(hint)
    faults.append(f"{place}: {name} was expected, not {value!r}")
    return None


def flat(table: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    """A nested table with dotted keys: `{"optimizer": {"lr": 1}}` as `{"optimizer.lr": 1}`."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{head}{key}.")
        else:
            found[f"{head}{key}"] = value
    return found
