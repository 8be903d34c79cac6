"""Checkpoints of a training while it goes on: copied at once, written beside the next steps."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granctl.errors import OutputNotWritableError, TakenOverError
from granctl.progress import Progress
from granctl.train import checkpoint
from granctl.train.starts import newer_maker


@dataclass(frozen=True, kw_only=True, slots=True)
class Keeping:
    """Where and how often a training keeps itself; no part of any identity."""

    folder: Path
    """Of checkpoints."""
    run_digest: str
    starts: Path | None = None
    """Where each start is noted; None: nowhere."""
    epoch_s: float = 0.0
    """At the end of an epoch one is written if the last is so many seconds old."""
    every_s: float = 600.0
    """Inside an epoch likewise."""
    every_steps: int | None = None
    """And after every so many steps."""
    keep: int = 2
    """The newest so many stay, at least 2."""
    keep_every: int | None = None
    """Those of every so many steps stay for ever."""


class Keeper:
    """Decides when a checkpoint is due, and writes it in a thread of its own.

    One that cannot be written is told, and the training goes on: what counts in the end is the
    last one.
    """

    def __init__(self, keeping: Keeping, progress: Progress) -> None:
        self._keeping, self._progress = keeping, progress
        self._saved_at = time.monotonic()
        self._thread: threading.Thread | None = None
        self._failure: OutputNotWritableError | None = None
        self._fault: BaseException | None = None

    def is_due(self, step: int, *, ends_epoch: bool, is_last: bool) -> bool:
        """Whether one is to be written after this step."""
        keeping, age = self._keeping, time.monotonic() - self._saved_at
        due = age >= (keeping.epoch_s if ends_epoch else keeping.every_s)
        often = bool(keeping.every_steps) and step % (keeping.every_steps or 1) == 0
        marked = bool(keeping.keep_every) and step % (keeping.keep_every or 1) == 0
        return due or often or marked or is_last

    def is_ours(self) -> bool:
        """Whether no other process has taken the run up.

        Where a cluster takes a machine for lost that still works, the run is started elsewhere.
        """
        starts = self._keeping.starts
        return starts is None or newer_maker(starts) is None

    def save(self, state: Mapping[str, Any], *, step: int, epoch: int) -> None:
        """Copies the state, which takes no longer than that, and has it written.

        Args:
            state: tensors on any device, numbers, strings, and lists and dicts of them.
            step: steps that were taken.
            epoch: epochs that were finished.

        Raises:
            TakenOverError: another process has taken the run up.
        """
        starts = self._keeping.starts
        if starts is not None and (other := newer_maker(starts)) is not None:
            raise TakenOverError(starts.parent, str(other))
        self._saved_at = time.monotonic()
        self.wait()
        copy = _copied(state)
        self._thread = threading.Thread(target=self._write, args=(copy, step, epoch))
        self._thread.start()

    def wait(self) -> None:
        """Returns when nothing is being written; tells of one that could not be."""
        self._join()
        if self._failure is not None:
            self._progress.note(
                f"no checkpoint could be written: {self._failure.message}; the run goes on, and a"
                " stop would cost it what came after the last good one"
            )

    def check_last(self) -> None:
        """Waits too.

        Raises:
            OutputNotWritableError: the last one could not be written.
        """
        self._join()
        if self._failure is not None:
            raise self._failure

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._fault is not None:
            raise self._fault  # no disk said it: what happened in the thread happens here

    def _write(self, state: Mapping[str, Any], step: int, epoch: int) -> None:
        keeping, self._failure = self._keeping, None
        try:
            checkpoint.save(
                keeping.folder,
                state,
                step=step,
                epoch=epoch,
                run_digest=keeping.run_digest,
                keep=keeping.keep,
                keep_every=keeping.keep_every,
            )
        except OutputNotWritableError as error:
            self._failure = error
        except OSError as error:  # such as a network disk that does not answer for a while
            self._failure = OutputNotWritableError(keeping.folder, error.strerror or str(error))
        except BaseException as error:
            self._fault = error


def _copied(value: Any) -> Any:
    """The same on the CPU, sharing no memory with what is trained on."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _copied(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copied(one) for one in value]
    return value
