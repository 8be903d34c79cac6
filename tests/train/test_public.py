"""Public models of timm as networks that others start from; weights come from files."""

import copy
import dataclasses
import shutil

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from shapes import NUM_TEST

from granctl.errors import (
    BadOptionError,
    MissingInputError,
    PublicWeightsMissingError,
    UnknownPublicModelError,
    WeightsDoNotFitError,
)
from granctl.progress import Silent
from granctl.shards.features import Features
from granctl.shards.index import ShardSet
from granctl.shards.read import ImageReader
from granctl.study.reproduce import reproduce
from granctl.train.decode import centred, decoded
from granctl.train.embed import EmbedSpec, embed
from granctl.train.public import PublicModel
from granctl.train.targets import Target
from granctl.train.transfer import transfer
from granctl.train.transferspec import TransferSpec
from granctl.workspace import Workspace

NAME = "test_vit.r160_in1k"
"""0.4 million weights, 160 pixels, 64 features."""


@pytest.fixture(scope="module")
def made():
    """The model with random weights, as timm makes it."""
    torch.manual_seed(0)
    return timm.create_model(NAME, pretrained=False).eval()


@pytest.fixture(scope="module")
def files(made, tmp_path_factory):
    """Its state dict in each form that people have."""
    folder = tmp_path_factory.mktemp("weights")
    state = made.state_dict()
    save_file(state, folder / "plain.safetensors")
    torch.save(state, folder / "plain.pth")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, folder / "train.tar")
    return folder


def public(path, name="test_vit"):
    """The model of a file."""
    return PublicModel.of_option(f"timm:{name}={path}", "embedded-resnet")


def test_one_model_however_its_weights_are_kept(files):
    """Name with tag, input and digest; a changed weight is another model."""
    models = [public(path) for path in sorted(files.iterdir())]
    assert len(models) == 3
    assert {m.name for m in models} == {NAME}
    assert len({m.digest for m in models}) == 1
    look = models[0].recipe.input
    assert (look.resolution, look.eval_resize, look.channels) == (160, 168, 3)
    assert (look.mean, look.std) == ((0.5,) * 3, (0.5,) * 3)
    assert models[0].recipe.finetune.steps == 200
    state = torch.load(files / "plain.pth")
    state["norm.bias"][0] += 1e-3
    other = files.parent / "other.pth"
    torch.save(state, other)
    assert public(other).digest != models[0].digest
    state["head.weight"] += 1
    torch.save(state, files.parent / "head.pth")
    assert public(files.parent / "head.pth").digest == public(other).digest, "no head is used"


def test_features_are_those_of_timm(made, files, shards, shapes_folder, tmp_path):
    """Its own forward pass without the head, its own normalisation, grey images as colour."""
    spec = EmbedSpec(origin=public(files / "plain.pth"), shards=shapes_folder, splits=("test",))
    found = embed(Workspace(tmp_path), spec, None, Silent())
    matrix = Features.read(found.path).matrix
    assert matrix.shape == (4 * NUM_TEST, 64)
    config = timm.data.resolve_model_data_config(made)
    rows = shards.rows("test")
    with ImageReader(shards) as reader, torch.inference_mode():
        for i in (0, 13):
            pixels = centred(decoded(reader.image(rows, i), 3), spec.origin.recipe.input) / 255
            mean, std = (torch.tensor(config[key])[:, None, None] for key in ("mean", "std"))
            seen = made.forward_features(((pixels - mean) / std)[None])
            expected = made.forward_head(seen, pre_logits=True)[0].numpy()
            np.testing.assert_allclose(matrix[i], expected, rtol=1e-3, atol=1e-4)


def test_a_public_model_is_transferred_and_says_so(files, shards, leaves, tmp_path):
    """Under a linear head and as a whole; the source has no cut of ours."""
    target, model = (
        Target(name="shapes@leaf", shards=shards, labels=leaves),
        public(files / "plain.safetensors"),
    )
    workspace = Workspace(tmp_path)
    for method, steps in (("linear", 100), ("finetune", 2)):
        how = model.recipe_with(method, [f"{method}.batch_size=8"])
        spec = TransferSpec(target=target, method=method, init=model, recipe=how, steps=steps)
        made = transfer(workspace, spec, None, Silent())
        again = transfer(
            workspace, dataclasses.replace(spec, init=public(files / "plain.pth")), None, Silent()
        )
        assert (again.digest, again.made) == (made.digest, False)
        source = made.details["source"]
        assert (source["cut"], source["method"]) == (f"timm:{NAME}", "public")
        assert source["run_digest"] == model.digest == made.details["inputs"]["run"]
        assert source["classes_present"] is source["labels_digest"] is source["recipe"] is None
        assert source["init"] == f"timm:{NAME}={files / 'plain.safetensors'}"
        assert (made.details["resolution"], made.details["run"]) == (160, None)
        if method == "linear":
            assert made.details["top1"] > 0.6
    with pytest.raises(BadOptionError, match="in place of --run"):
        dataclasses.replace(spec, run=tmp_path).check()
    with pytest.raises(BadOptionError, match=r"model\.name is no value"):
        model.recipe_with("linear", ["model.name=vit_b_16"])


def test_the_precision_of_another_recipe_is_reproduced(files, shapes_folder, leaves, tmp_path):
    """`--init X --recipe Y`: the name of Y stands in the result, and its precision in the spec."""
    space = Workspace(tmp_path / "ws")
    place = space.folder("shards") / "shapes"
    shutil.copytree(shapes_folder, place)
    leaves.write(space.place("label-map", "m", leaves.digest, ".parquet"))
    model = public(files / "plain.pth")
    other = dataclasses.replace(
        model, base=dataclasses.replace(model.base, name="mine", precision="bfloat16")
    )
    target = Target(name="shapes@leaf", shards=ShardSet.open(place), labels=leaves)
    spec = TransferSpec(target=target, method="knn", init=other, recipe=other.recipe, k=3)
    made = transfer(space, spec, None, Silent())
    assert (made.details["recipe"], made.details["computed"]) == ("mine", "cpu, bfloat16")
    record = reproduce(space, made.path, "transfer", 0.0, Silent())
    assert record["same"], record["differences"]
    assert record["same_inputs"]
    assert record["computed"] == ["cpu, bfloat16"] * 2


def test_weights_that_do_not_fit_are_refused(files, tmp_path):
    """Of another model, cut off, of another size, no weights at all, or a pickle with code."""
    with pytest.raises(WeightsDoNotFitError, match=r"conv1\.0\.weight is missing.* more"):
        _ = public(files / "plain.pth", "test_resnet").digest
    state = torch.load(files / "plain.pth")
    del state["norm.bias"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(WeightsDoNotFitError, match=r": norm\.bias is missing$"):
        _ = public(tmp_path / "less.pth").digest
    state["norm.bias"] = torch.zeros(3)
    torch.save(state, tmp_path / "size.pth")
    with pytest.raises(WeightsDoNotFitError, match=r"norm\.bias is \(3,\), not \(64,\)"):
        _ = public(tmp_path / "size.pth").digest
    for name, content in (("text.pth", b"hello"), ("text.safetensors", b"hello"), ("no.pth", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsDoNotFitError, match="cannot be read"):
            _ = public(tmp_path / name).digest
    torch.save({"model": {"a": 3}}, tmp_path / "numbers.pth")
    with pytest.raises(WeightsDoNotFitError, match="cannot be read"):
        _ = public(tmp_path / "numbers.pth").digest
    torch.save(_Runs(), tmp_path / "code.pth")
    with pytest.raises(WeightsDoNotFitError, match="cannot be read"):
        _ = public(tmp_path / "code.pth").digest
    assert not _Runs.ran


class _Runs:
    ran = False

    def __reduce__(self):
        return _run, ()


def _run():
    _Runs.ran = True
    return _Runs()


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("resnet50", BadOptionError, "not timm:NAME"),
        ("timm:", BadOptionError, "not timm:NAME"),
        ("timm:test_vit=", BadOptionError, "not timm:NAME"),
        ("timm:test_vit=/no/such/file", MissingInputError, "/no/such/file"),
        ("timm:test_vitt", UnknownPublicModelError, "timm:test_vit"),
        ("timm:test_vit.nope", UnknownPublicModelError, f"timm:{NAME}"),
    ],
)
def test_names_that_mean_no_model(text, error, words):
    """What was given, and the names that were nearly meant."""
    with pytest.raises(error) as raised:
        PublicModel.of_option(text)
    assert words in f"{raised.value.message} {raised.value.hint}"


def test_weights_that_timm_brings_are_those_of_the_file(made, files, monkeypatch):
    """What it downloads, or has in its cache, without the head: the same model, and a source."""
    monkeypatch.setattr(timm, "create_model", _after_the_empty_one(lambda: _headless(made)))
    model = PublicModel.of_option("timm:test_vit")
    assert model.digest == public(files / "plain.pth").digest
    assert model.source["init"] == f"timm:{NAME}"
    state = model.network(Silent()).body.state_dict()
    wanted = _headless(made).state_dict()
    assert all((state[name] == tensor).all() for name, tensor in wanted.items())


def test_weights_out_of_reach_name_the_mend(monkeypatch):
    """Without a network: give a file."""

    def offline(*_, **__):
        raise OSError("We cannot find the requested files\nand so on")

    monkeypatch.setattr(timm, "create_model", _after_the_empty_one(offline))
    with pytest.raises(PublicWeightsMissingError) as raised:
        _ = PublicModel.of_option("timm:test_vit").digest
    assert "cannot find the requested files" in raised.value.message
    assert "--init timm:NAME=FILE" in raised.value.hint


def _after_the_empty_one(offline):
    create = timm.create_model

    def call(name, pretrained=False, **options):
        return offline() if pretrained else create(name, pretrained=pretrained, **options)

    return call


def _headless(model):
    body = copy.deepcopy(model)
    body.reset_classifier(0)
    return body
