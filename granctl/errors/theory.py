"""Faults of the theory's room."""

from __future__ import annotations

from granctl.errors.root import RunError


class TheoryDivergedError(RunError):
    """The loss of the theory's network is not finite any more."""

    def __init__(self, epoch: int, step: float) -> None:
        super().__init__(
            f"the loss was not finite in epoch {epoch}, with steps of {step:g}",
            "give a smaller step: --set step=0.005 (finetune_step for the finetuned read-out)",
        )
