"""A run that is stopped, killed, or goes on elsewhere is the run that was not.

`make test` takes three places of each kind, `make test-all` twenty.
"""

from __future__ import annotations

import itertools
import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from shapes import TINY_RECIPE
from together import Ended, Together

STEPS = 20
"""4 epochs of 48 images in batches of at most 10."""
MIXED = TINY_RECIPE.replace(
    'augment = { kind = "shift", pad = 1, flip = false }',
    'augment = { kind = "shift", pad = 1, mixup = 0.4, cutmix = 1.0, erase = 0.3 }\nema = 0.9',
)
VIT = (
    MIXED.replace(
        'model = { name = "small-resnet", width = 4, stages = [1.0, 2.0] }',
        'model = { name = "small-vit", width = 8, depth = 2, heads = 2, patch = 4 }',
    )
    .replace("batch_size = 10", "batch_size = 12", 1)
    .replace('{ name = "adamw", lr = 0.02 }', '{ name = "sgd", lr = 0.05 }', 1)
)
"""No statistics of batches; and no division by gradients' sizes, which blows up their rounding."""
TIMES = ("images_per_s", "waiting_frac", "memory_mb")
SIGNALS = (signal.SIGKILL, signal.SIGUSR2, signal.SIGTERM)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all runs of this file."""
    return tmp_path_factory.mktemp("exact")


@pytest.fixture(scope="module")
def together(workspace: Path) -> Iterator[Together]:
    """The server of runs."""
    with Together(workspace) as server:
        yield server


class Runs:
    """The same pretraining again and again, each in a folder of its own."""

    def __init__(self, together: Together, workspace: Path, shards: Path, labels: Path) -> None:
        self._together, self._workspace = together, workspace
        self._fixed = ("--shards", shards, "--labels", labels, "--quiet")
        self._names = (workspace / f"run-{i}" for i in itertools.count())
        self._whole: dict[Any, Path] = {}

    def __call__(
        self, recipe: str, out: Path | None = None, more: tuple[object, ...] = (), **how: Any
    ) -> tuple[Path, Ended]:
        """One command; the folder and how it ended."""
        path = self._workspace / f"{abs(hash(recipe))}.toml"
        path.write_text(recipe)
        folder = out or next(self._names)
        asked = (*self._fixed, "--recipe", path, "--out", folder, *more)
        return folder, self._together.pretrain(asked, **how)

    def undisturbed(self, recipe: str, size: int) -> Path:
        """The whole run that the others are compared with."""
        if (recipe, size) not in self._whole:
            folder, ended = self(recipe, size=size)
            assert ended.codes == [0] * size, ended.said
            self._whole[recipe, size] = folder
        return self._whole[recipe, size]


@pytest.fixture(scope="module")
def runs(together: Together, workspace: Path, shapes_folder: Path, leaves_file: Path) -> Runs:
    """Runs on the shapes."""
    return Runs(together, workspace, shapes_folder, leaves_file)


def state_of(run: Path) -> dict[str, Any]:
    """The newest checkpoint's."""
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    found: dict[str, Any] = torch.load(newest / "state.pt", weights_only=True)
    return found


def metrics_of(run: Path) -> list[dict[str, Any]]:
    """Without what depends on the clock."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def check_equal(run: Path, whole: Path) -> None:
    """Weights, optimizer, averages, metrics and record."""
    assert same(state_of(run), state_of(whole))
    assert metrics_of(run) == metrics_of(whole)
    records = [json.loads((p / "manifest.json").read_text())["details"] for p in (run, whole)]
    assert records[0] == records[1]


def places(num: int) -> list[Any]:
    """Random steps; all but three of them are slow."""
    steps = random.Random(num).sample(range(1, STEPS), num)
    return [s if i < 3 else pytest.param(s, marks=pytest.mark.slow) for i, s in enumerate(steps)]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda s: s.name)
@pytest.mark.parametrize("step", places(19))
def test_run_that_ends_at_a_step_goes_on_bit_for_bit(runs: Runs, step: int, number: int) -> None:
    """Killed, it has a checkpoint of two steps before at most; told to stop, that of the step."""
    often = ("--checkpoint-every", 2)
    whole = runs.undisturbed(MIXED, 1)
    run, ended = runs(MIXED, more=often, step=step, signal=number)
    assert ended.codes == [-9 if number == signal.SIGKILL else 128 + number], ended.said
    assert not (run / "manifest.json").exists()
    if number != signal.SIGKILL:
        assert (run / "checkpoints" / f"step-{step:06d}" / "manifest.json").is_file()
        assert f"after step {step} of {STEPS}" in ended.said
    _, again = runs(MIXED, out=run, more=often)
    assert again.codes == [0], again.said
    check_equal(run, whole)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda s: s.name)
@pytest.mark.parametrize("step", places(19))
def test_two_processes_that_end_at_a_step_go_on_bit_for_bit(
    runs: Runs, step: int, number: int
) -> None:
    """Told to stop is one of them; both stop at the same step."""
    often = ("--checkpoint-every", 2)
    whole = runs.undisturbed(MIXED, 2)
    whom = -1 if number == signal.SIGKILL else step % 2
    run, ended = runs(MIXED, more=often, size=2, step=step, signal=number, rank=whom)
    code = -9 if number == signal.SIGKILL else 128 + number
    assert ended.codes == [code, code], ended.said
    _, again = runs(MIXED, out=run, more=often, size=2)
    assert again.codes == [0, 0], again.said
    check_equal(run, whole)


def test_images_and_order_are_the_same_on_any_number_of_processes(runs: Runs) -> None:
    """Taken up on 1, 2 and 4 processes in turn, each image of an epoch once, in one order."""
    whole, alone = runs(VIT)
    run, seen = None, []
    for size, stop in ((1, 3), (2, 7), (4, 11), (2, 13), (1, 0)):
        run, ended = runs(VIT, out=run, size=size, step=stop, signal=signal.SIGUSR2)
        assert set(ended.codes) == ({140} if stop else {0}), ended.said
        seen += ended.seen
    assert joined(sorted(seen)) == joined(alone.seen)
    assert run is not None
    mine, theirs = state_of(run)["network"], state_of(whole)["network"]
    for name in theirs:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-4, atol=1e-5)
    losses = ([line["loss"] for line in metrics_of(path)] for path in (run, whole))
    assert next(losses) == pytest.approx(next(losses), rel=1e-4)


def joined(seen: list[tuple[int, int, list[int]]]) -> list[list[int]]:
    """The images of each epoch in the order of their positions."""
    return [
        [image for _, _, images in pieces for image in images]
        for _, pieces in itertools.groupby(seen, lambda piece: piece[0])
    ]


def test_accumulated_parts_make_the_same_step(runs: Runs) -> None:
    """Two parts of half the images: the gradients agree to rounding."""
    whole, _ = runs(VIT)
    run, ended = runs(VIT, more=("--set", "accumulate=2"))
    assert ended.codes == [0], ended.said
    mine, theirs = state_of(run)["network"], state_of(whole)["network"]
    for name in theirs:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("damage", ["flipped", "cut", "half-written"])
def test_damaged_newest_checkpoint_costs_steps_and_nothing_else(runs: Runs, damage: str) -> None:
    """The one before is taken, which is said."""
    often = ("--checkpoint-every", 2)
    whole = runs.undisturbed(MIXED, 1)
    run, _ = runs(MIXED, more=often, step=13, signal=signal.SIGUSR2)
    newest = run / "checkpoints" / "step-000013"
    state = newest / "state.pt"
    if damage == "flipped":
        content = bytearray(state.read_bytes())
        content[len(content) // 2] ^= 1
        state.write_bytes(content)
    elif damage == "cut":
        state.write_bytes(state.read_bytes()[:1000])
    else:
        newest.rename(newest.with_name("step-000013.tmp"))
    path, again = runs(MIXED, out=run, more=often)
    assert again.codes == [0], again.said
    check_equal(path, whole)


def test_run_that_is_told_to_stop_in_its_last_step_goes_on_to_its_score(runs: Runs) -> None:
    """All is saved; the same command only scores."""
    whole = runs.undisturbed(MIXED, 2)
    run, ended = runs(MIXED, size=2, step=STEPS, signal=signal.SIGTERM, rank=1)
    assert ended.codes == [143, 143], ended.said
    assert not (run / "manifest.json").exists()
    _, again = runs(MIXED, out=run, size=2)
    assert again.codes == [0, 0], again.said
    assert not again.seen
    check_equal(run, whole)


def test_processes_that_do_not_divide_the_batch_are_refused(runs: Runs) -> None:
    """With a batch that would do."""
    run, ended = runs(TINY_RECIPE, size=3)
    assert set(ended.codes) == {2}
    assert "3 processes do not divide a batch of 10" in ended.said
    assert "--set batch_size=9" in ended.said
    assert not (run / "checkpoints").exists()


def test_process_that_dies_takes_the_others_along(runs: Runs) -> None:
    """The one that waits for it says so; the run goes on from the last checkpoint."""
    run, ended = runs(MIXED, size=2, step=8, signal=signal.SIGKILL, rank=1)
    assert ended.codes[1] == -9
    assert ended.codes[0] == 4, ended.said
    assert "lost another process" in ended.said
    _, again = runs(MIXED, out=run, size=2)
    assert again.codes == [0, 0], again.said
    check_equal(run, runs.undisturbed(MIXED, 2))
