"""The learning rate as a pure function of the step: nothing to save, nothing to come back wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """How the learning rate moves over a run, as a factor of the optimizer's rate."""

    kind: Literal["cosine", "linear", "constant", "thirds"] = "cosine"
    """Shape after the warmup; thirds: a tenth of the rate after each third, and no `final_frac`
    (torchvision's reference for ResNets: every 30 of 90 epochs)."""
    warmup_steps: int | None = None
    """Steps of linear rise from zero; None takes `warmup_frac`."""
    warmup_frac: float = 0.1
    """Share of the run's steps, where `warmup_steps` is None."""
    final_frac: float = 0.0
    """What is left of the rate at the last step, as a factor."""

    def faults(self) -> list[str]:
        """What the types cannot say."""
        found = []
        if self.warmup_steps is not None and self.warmup_steps < 0:
            found.append(f"warmup_steps: {self.warmup_steps} is negative")
        if not 0 <= self.warmup_frac <= 1:
            found.append(f"warmup_frac: {self.warmup_frac} is not in 0..1")
        if not 0 <= self.final_frac <= 1:
            found.append(f"final_frac: {self.final_frac} is not in 0..1")
        return found


def warmup_of(schedule: Schedule, num_steps: int) -> int:
    """Steps of warmup in a run of `num_steps`; never more than the run has."""
    if schedule.warmup_steps is not None:
        return min(schedule.warmup_steps, num_steps)
    return round(schedule.warmup_frac * num_steps)


def factor(schedule: Schedule, step: int, num_steps: int) -> float:
    """What the optimizer's learning rate is multiplied with at a step.

    Step `s` of the warmup of `w` steps has (s + 1) / (w + 1), so that no step is wasted at rate
    zero and the first step after it has 1. From there the shape runs to `final_frac`, which the
    step after the last would have.

    Args:
        schedule: the shape.
        step: the step about to be taken, 0 <= step < num_steps.
        num_steps: steps of the whole run.

    Raises:
        ValueError: the step is not one of the run's.

    Example:
        >>> shape = Schedule(kind="linear", warmup_steps=1)
        >>> [factor(shape, step, 5) for step in range(5)]
        [0.5, 1.0, 0.75, 0.5, 0.25]
    """
    if not 0 <= step < num_steps:
        raise ValueError(f"step {step} is not one of the {num_steps} of the run")
    warmup = warmup_of(schedule, num_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule.kind == "constant":
        return 1.0
    if schedule.kind == "thirds":
        third: int = 3 * (step - warmup) // (num_steps - warmup)
        return float(0.1**third)
    gone = (step - warmup) / (num_steps - warmup)
    left = 1.0 - gone if schedule.kind == "linear" else 0.5 * (1.0 + math.cos(math.pi * gone))
    return schedule.final_frac + (1.0 - schedule.final_frac) * left
