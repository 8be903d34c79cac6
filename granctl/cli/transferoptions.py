"""The options of single methods of `granctl transfer`, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodOptions:
    """What was given; texts are read when the method is known."""

    lengths: str | None
    tries: list[str]
    shots: str | None
    numbers: dict[str, Any]
    """Further fields of `TransferSpec`; None: not given."""

    def fields(self, method: str) -> dict[str, Any]:
        """Fields of `TransferSpec` that were given.

        Raises:
            BadOptionError: a text that is not what its option takes.
        """
        from granctl.train.transferspec import numbers_of, tries_of

        found = {name: value for name, value in self.numbers.items() if value is not None}
        if self.lengths is not None:
            found["lengths"] = numbers_of("--lengths", self.lengths)
        if self.shots is not None:
            found["shots"] = numbers_of("--shots", self.shots)
        return {**found, "tries": tries_of(self.tries, method)}


def method_options(
    lengths: Annotated[
        str | None,
        typer.Option(help="finetune, scratch: a training for each of these steps: 50,100,200."),
    ] = None,
    try_: Annotated[
        list[str] | None,
        typer.Option(
            "--try",
            help="finetune, scratch: values to choose from on held-out training images:"
            " optimizer.lr=0.01,0.03; may be repeated.",
        ),
    ] = None,
    held_out: Annotated[
        float | None,
        typer.Option(
            help="linear, --try: share of the training images to choose on.", show_default="0.2"
        ),
    ] = None,
    shots: Annotated[
        str | None, typer.Option(help="fewshot: images a class.", show_default="1,5,10,25")
    ] = None,
    draws: Annotated[
        int | None, typer.Option(help="fewshot: choices of images.", show_default="3")
    ] = None,
    ridge: Annotated[
        float | None, typer.Option(help="fewshot: penalty of the weights.", show_default="1024")
    ] = None,
    k: Annotated[
        int | None, typer.Option("--k", help="knn: neighbours that vote.", show_default="20")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="knn: a vote weighs exp(cosine / T).", show_default="0.07"),
    ] = None,
    run_labels: Annotated[
        Path | None,
        typer.Option(help="grouped: the run's label map, when it is not in the workspace."),
    ] = None,
) -> MethodOptions:
    """Gathers them."""
    numbers: dict[str, Any] = {"held_out": held_out, "draws": draws, "ridge": ridge, "k": k}
    numbers |= {"temperature": temperature, "run_labels": run_labels}
    return MethodOptions(lengths=lengths, tries=try_ or [], shots=shots, numbers=numbers)
