"""Compiled, recomputed, sharded, in bfloat16: the plain network computes the same."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from shapes import TINY_RECIPE
from together import Ended, Together
from torch import nn

from granctl.errors import BadOptionError, CannotShardError, NoCompilerError, NoLayersError
from granctl.train import device, models, wrapping
from granctl.train.architecture import Model
from granctl.train.device import Machine
from granctl.train.recipe import Optimizer
from granctl.train.stepping import Stepper
from granctl.train.world import ALONE, World
from granctl.train.wrapping import Wrapped

CPU = torch.device("cpu")
RESNET = Model(name="small-resnet", width=4, stages=(1.0, 2.0))
VIT = Model(name="small-vit", width=8, depth=2, heads=2, patch=8, dropout=0.2)
STILL = dataclasses.replace(VIT, dropout=0.0)
EVERY = [RESNET, VIT, Model(name="resnet18"), Model(name="vit_ti_16", dropout=0.1)]


def _has_compiler() -> bool:
    try:
        wrapping.check_compiler(CPU)
    except NoCompilerError:
        return False
    return True


needs_compiler = pytest.mark.skipif(not _has_compiler(), reason="there is no C++ compiler here")


def _stepped(model: Model, machine: Machine, precision: str = "float32", steps: int = 2) -> Any:
    """Losses, gradients of the last step, and the state after some steps on two sizes of batch."""
    network = models.build(model, channels=1, resolution=32, num_classes=3, seed=0)
    wrapped = Wrapped(network, machine, ALONE, CPU)
    stepper = Stepper(wrapped.network, Optimizer(name="sgd", lr=0.1), head_rate=1.0, clip=1.0)
    losses = []
    wrapped.network.train()
    with torch.random.fork_rng():
        for step in range(steps):
            torch.manual_seed(step)
            images = torch.randn(4 + step % 2, 1, 32, 32)
            stepper.begin()
            with device.autocast(CPU, precision):
                logits = wrapped.called(images)
            loss = nn.functional.cross_entropy(logits.float(), torch.arange(len(images)) % 3)
            loss.backward()
            stepper.step(0.1)
            losses.append(float(loss.detach()))
    grads = {name: p.grad for name, p in wrapped.network.named_parameters()}
    wrapped.give_back()
    return losses, grads, network


@pytest.mark.parametrize("model", EVERY, ids=lambda model: model.name)
def test_recomputed_blocks_give_the_same_step_bit_for_bit(model: Model) -> None:
    """Dropout draws the same again, and batch statistics are counted once."""
    losses, grads, plain = _stepped(model, Machine())
    found, ours, network = _stepped(model, Machine(recompute=True))
    assert found == losses
    assert all(torch.equal(ours[name], grads[name]) for name in grads)
    theirs, mine = plain.state_dict(), network.state_dict()
    assert list(mine) == list(theirs)
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert all("forward" not in vars(module) for module in network.modules()), "it is unwrapped"


def test_recomputed_blocks_keep_less() -> None:
    """Of what the way back needs, at least two thirds are gone in a deep network."""

    def kept(machine: Machine) -> int:
        network = models.build(EVERY[-1], channels=1, resolution=32, num_classes=3, seed=0)
        wrapped, sizes = Wrapped(network, machine, ALONE, CPU), {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            wrapped.called(torch.randn(64, 1, 32, 32))
        return sum(sizes.values()) - sum(4 * p.numel() for p in network.parameters())

    assert kept(Machine(recompute=True)) < kept(Machine()) / 3


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "recompute"),
    [(RESNET, False), (STILL, False), (STILL, True)],
    ids=["small-resnet", "small-vit", "small-vit-recompute"],
)
def test_a_compiled_network_gives_the_same_step(model: Model, recompute: bool) -> None:
    """To 1e-4, in batches of two sizes; names are plain. Without dropout, which draws otherwise."""
    losses, grads, plain = _stepped(model, Machine(), steps=4)
    found, ours, network = _stepped(model, Machine(compile=True, recompute=recompute), steps=4)
    assert found == pytest.approx(losses, rel=1e-4)
    for name, grad in grads.items():
        torch.testing.assert_close(ours[name], grad, rtol=1e-3, atol=1e-4)
    assert list(network.state_dict()) == list(plain.state_dict())
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_without_a_compiler_compiling_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the mend."""
    from torch._inductor import cpp_builder
    from torch._inductor.exc import InvalidCxxCompiler

    def none_found() -> str:
        raise InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", none_found)
    with pytest.raises(NoCompilerError, match="no C\\+\\+ compiler") as caught:
        _stepped(RESNET, Machine(compile=True))
    assert "leave --compile out" in caught.value.hint


@pytest.mark.parametrize("model", EVERY[:2], ids=lambda model: model.name)
def test_bfloat16_gives_nearly_the_same_step(model: Model) -> None:
    """Losses to 2 %: it has 8 bits of fraction. Weights stay float32, and so do gradients."""
    losses, _, _ = _stepped(model, Machine())
    found, grads, network = _stepped(model, Machine(), precision="bfloat16")
    assert found == pytest.approx(losses, rel=0.02)
    assert found != losses
    assert {grad.dtype for grad in grads.values()} == {torch.float32}
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_precision_is_bfloat16_only_where_cuda_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU where it is asked for alone; a GPU without it is refused."""
    cuda = torch.device("cuda", 0)
    has_it = [True]
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_it[0])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla V100")
    assert device.precision(CPU) == "float32"
    assert device.precision(CPU, "bfloat16") == "bfloat16"
    assert device.precision(cuda) == "bfloat16"
    assert device.precision(cuda, "float32") == "float32"
    has_it[0] = False
    assert device.precision(cuda) == "float32"
    with pytest.raises(BadOptionError, match="Tesla V100 does not compute in bfloat16"):
        device.precision(cuda, "bfloat16")


def test_what_cannot_be_sharded_or_recomputed_is_refused() -> None:
    """One process alone; batch statistics; a network without blocks."""
    two = World(rank=0, size=2)
    network = models.build(RESNET, channels=1, resolution=32, num_classes=3, seed=0)
    with pytest.raises(CannotShardError, match="nobody to share with"):
        Wrapped(network, Machine(fsdp=True), ALONE, CPU)
    with pytest.raises(CannotShardError, match="batch normalisation"):
        Wrapped(network, Machine(fsdp=True), two, CPU)
    with pytest.raises(BadOptionError, match="cannot follow batch normalisation"):
        wrapping.check_compilable(network, Machine(compile=True, recompute=True))
    with pytest.raises(NoLayersError, match="--recompute"):
        Wrapped(nn.Linear(2, 2), Machine(recompute=True), ALONE, CPU)


# --- in two processes --------------------------------------------------------------------------

ADAM = TINY_RECIPE.replace(
    'model = { name = "small-resnet", width = 4, stages = [1.0, 2.0] }',
    'model = { name = "small-vit", width = 8, depth = 2, heads = 2, patch = 4 }\nema = 0.9',
).replace("lr = 0.02 }", "lr = 0.002, layer_decay = 0.8 }", 1)
SGD = ADAM.replace('"adamw", lr = 0.002', '"sgd", lr = 0.05', 1) + "\n"
"""Without Adam's division by the size of gradients, which makes of rounding what it likes."""


class _Runs:
    """The same pretraining on the shapes, in two processes."""

    def __init__(self, together: Together, folder: Path, shards: Path, labels: Path) -> None:
        self._together, self._folder = together, folder
        self._asked = ("--shards", shards, "--labels", labels, "--quiet")

    def __call__(
        self, name: str, *more: object, recipe: str = SGD, size: int = 2, **how: Any
    ) -> tuple[Path, Ended]:
        path, out = self._folder / "recipe.toml", self._folder / name
        path.write_text(recipe)
        asked = (*self._asked, "--recipe", path, "--out", out, *more)
        return out, self._together.pretrain(asked, size=size, **how)


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, shapes_folder: Path, leaves_file: Path
) -> Iterator[_Runs]:
    """The server of runs, and a run without any option, `plain`."""
    folder = tmp_path_factory.mktemp("wrapped")
    with Together(folder) as together:
        found = _Runs(together, folder, shapes_folder, leaves_file)
        _, ended = found("plain")
        assert ended.codes == [0, 0], ended.said
        yield found


def _state(run: Path) -> dict[str, Any]:
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    found: dict[str, Any] = torch.load(newest / "state.pt", weights_only=True)
    return found


def _flat(value: Any, place: str = "") -> dict[str, Any]:
    """Every tensor and number of a state by its place."""
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, (list, tuple)):
        pairs = enumerate(value)
    else:
        return {place: value}
    return {k: v for key, one in pairs for k, v in _flat(one, f"{place}/{key}").items()}


def _check_equal(run: Path, other: Path) -> None:
    """Every tensor and number, bit for bit."""
    mine, theirs = _flat(_state(run)), _flat(_state(other))
    assert list(mine) == list(theirs)
    for place, value in theirs.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(mine[place], value), place
        else:
            assert mine[place] == value, place


def _check_close(run: Path, other: Path) -> None:
    """The same places hold the same, to rounding: of names, shapes, weights, optimizer, average."""
    mine, theirs = _flat(_state(run)), _flat(_state(other))
    assert list(mine) == list(theirs)
    for place, value in theirs.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(mine[place], value, rtol=2e-3, atol=2e-4, msg=place)


def test_sharded_run_is_that_of_whole_weights_to_rounding(runs: _Runs) -> None:
    """Its checkpoints have the same names and shapes; the score is made with all weights."""
    sharded, ended = runs("sharded", "--fsdp")
    assert ended.codes == [0, 0], ended.said
    _check_close(sharded, sharded.with_name("plain"))


def test_sharded_run_that_is_stopped_goes_on_bit_for_bit(runs: _Runs) -> None:
    """Weights, optimizer and average are taken whole and given back in parts."""
    whole, ended = runs("undisturbed", "--fsdp", recipe=ADAM)
    assert ended.codes == [0, 0], ended.said
    run, ended = runs("stopped", "--fsdp", recipe=ADAM, step=7, signal=signal.SIGUSR2)
    assert ended.codes == [140, 140], ended.said
    _, ended = runs("stopped", "--fsdp", recipe=ADAM)
    assert ended.codes == [0, 0], ended.said
    _check_equal(run, whole)


@pytest.mark.parametrize("more", [("--recompute",), ("--set", "precision=bfloat16")], ids=str)
def test_recomputed_and_bfloat16_runs_go_on_bit_for_bit(runs: _Runs, more: tuple[str, ...]) -> None:
    """The one ends as the plain run does, the other as itself undisturbed."""
    name = more[-1].strip("-")
    whole, ended = runs(f"{name}-whole", *more[more[0] == "--recompute" :], size=1)
    assert ended.codes == [0], ended.said
    run, ended = runs(name, *more, size=1, step=7, signal=signal.SIGUSR2)
    assert ended.codes == [140], ended.said
    _, ended = runs(name, *more, size=1)
    assert ended.codes == [0], ended.said
    _check_equal(run, whole)


def test_run_that_began_sharded_ends_in_one_process_without(runs: _Runs) -> None:
    """It is an option of the machine: the run is the same."""
    run, ended = runs("turned", "--fsdp", step=7, signal=signal.SIGUSR2)
    assert ended.codes == [140, 140], ended.said
    _, ended = runs("turned", size=1)
    assert ended.codes == [0], ended.said
    _check_close(run, run.with_name("plain"))


def test_sharded_parts_of_a_step_are_added_up(runs: _Runs) -> None:
    """With recomputed blocks: gradients are exchanged once a step."""
    more = ("--set", "batch_size=12")
    whole, ended = runs("parts-plain", *more)
    assert ended.codes == [0, 0], ended.said
    more = (*more, "--set", "accumulate=3", "--recompute")
    for name, options in (("parts", ()), ("parts-sharded", ("--fsdp",))):
        run, ended = runs(name, *more, *options)
        assert ended.codes == [0, 0], ended.said
        _check_close(run, whole)


@needs_compiler
@pytest.mark.slow
def test_compiled_run_in_two_processes_goes_on(runs: _Runs) -> None:
    """Stopped while compiled, ended without; and compiled to the end, sharded too."""
    run, ended = runs("compiled", "--compile", step=7, signal=signal.SIGUSR2)
    assert ended.codes == [140, 140], ended.said
    _, ended = runs("compiled")
    assert ended.codes == [0, 0], ended.said
    _check_close(run, run.with_name("plain"))
    for name, more in (("compiled-ddp", ()), ("compiled-fsdp", ("--fsdp",))):
        run, ended = runs(name, "--compile", *more)
        assert ended.codes == [0, 0], ended.said
        _check_close(run, run.with_name("plain"))
