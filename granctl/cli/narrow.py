"""Only the command that was asked for: building all costs as much as importing the framework."""

from __future__ import annotations

from collections.abc import Sequence

import typer


def narrowed(app: typer.Typer, words: Sequence[str]) -> typer.Typer:
    """The same program with nothing but the command that the words begin with.

    Where they name none (help, completion, a misspelt word), the whole program, so that it can
    list and suggest.

    Args:
        app: the tree of commands.
        words: the command line, without the program.

    Example:
        >>> from granctl.cli.app import app
        >>> len(narrowed(app, ["tree", "cut", "--depth", "5"]).registered_groups)
        1
    """
    found = _only(app, list(words))
    return app if found is None else found


def _only(app: typer.Typer, words: list[str]) -> typer.Typer | None:
    """The app with the one command or group that the first word names; None where it names none."""
    if not words:
        return None
    lone = typer.Typer(
        name=app.info.name,
        help=app.info.help,
        no_args_is_help=app.info.no_args_is_help,
        add_completion=False,  # nobody asks for it beside a command
        pretty_exceptions_enable=app.pretty_exceptions_enable,
        context_settings=app.info.context_settings,
    )
    lone.callback()(_nothing)  # one command alone would lose its name
    for command in app.registered_commands:
        if _name_of(command) == words[0]:
            lone.registered_commands.append(command)
            return lone
    for group in app.registered_groups:
        inner = group.typer_instance
        if inner is None:
            continue
        if not group.name:  # its commands are the app's own
            if (found := _only(inner, words)) is not None:
                lone.registered_commands += found.registered_commands
                lone.registered_groups += found.registered_groups
                return lone
        elif group.name == words[0]:
            lone.add_typer(_only(inner, words[1:]) or inner, name=group.name)
            return lone
    return None


def _name_of(command: typer.models.CommandInfo) -> str:
    if command.name:
        return command.name
    assert command.callback is not None
    return command.callback.__name__.replace("_", "-")


def _nothing() -> None:
    """Stands where the whole program has no work of its own either."""
