"""The program: gathers the command groups, and is the one place that catches errors."""

from __future__ import annotations

import gc
import signal
import sys
import traceback

import typer

from granctl.errors import GranctlError

MISUSED = 2
INTERRUPTED = 130
OUR_BUG = 70
_SIGNALLED = 128


def main() -> None:
    """Runs the command line and exits with the code that docs/commands.md lists."""
    signal.signal(signal.SIGTERM, _ended)
    code = run(sys.argv[1:])
    gc.freeze()  # the last collection would walk all that was imported: a tenth of `tree cut`
    sys.exit(code)


def _ended(number: int, _frame: object) -> None:
    """A scheduler or a shutdown ends the process: it unwinds, and leaves nothing half-written."""
    raise SystemExit(128 + number)


def run(arguments: list[str]) -> int:
    """Runs one command; returns its exit code instead of leaving the process."""
    from granctl.cli.app import app
    from granctl.cli.narrow import narrowed
    from granctl.cli.values import read_plainly

    command = read_plainly(typer.main.get_command(narrowed(app, arguments)))
    try:
        result = command.main(args=arguments, prog_name="granctl", standalone_mode=False)
    except GranctlError as error:
        return _say(error.message, error.hint, error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _say_interrupted(INTERRUPTED)
    except SystemExit as ended:
        code = int(ended.code or 0)
        # The framework leaves so when nobody reads stdout any more, as after `| head`.
        return _say_interrupted(code) if code > _SIGNALLED else 0
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        if hasattr(error, "format_message"):  # the framework's usage errors, whatever their module
            message = error.format_message()
            # A group without a command has no message: its help was shown.
            return _say(message, _usage_hint(error), MISUSED) if message else MISUSED
        traceback.print_exc()
        return _say(
            f"a bug of granctl: {error!r}", "please report it with the lines above", OUR_BUG
        )
    # The framework answers Ctrl-C with this code instead of an exception.
    if result == INTERRUPTED:
        return _say_interrupted(INTERRUPTED)
    return result if isinstance(result, int) else 0


def _say_interrupted(code: int) -> int:
    how = "interrupted" if code == INTERRUPTED else "ended by a signal"
    hint = "run the same command again: it goes on from what is whole"
    return _say(f"{how}; nothing half-written was taken for whole", hint, code)


def _usage_hint(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return f"see `{context.command_path if context else 'granctl'} --help`"


def _say(message: str, hint: str, code: int) -> int:
    sys.stdout.flush()
    print(f"error: {message}\nhint: {hint}", file=sys.stderr)  # noqa: T201
    return code
