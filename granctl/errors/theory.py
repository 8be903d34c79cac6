"""Faults of the theory's room."""

from __future__ import annotations

from pathlib import Path

from granctl.errors.root import RunError, UserError


class TheoryDivergedError(RunError):
    """The loss of the theory's network is not finite any more."""

    def __init__(self, epoch: int, step: float) -> None:
        super().__init__(
            f"the loss was not finite in epoch {epoch}, with steps of {step:g}",
            "give a smaller step: --set step=0.005 (finetune_step for the finetuned read-out)",
        )


class NotATheoryError(UserError):
    """A path that holds neither a run nor a sweep of the theory, or an unfinished one."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path} is no run or sweep of the theory: {problem}",
            "name folders that `granctl theory run` or `granctl theory sweep` made",
        )
