"""Features: every image once, in the order of the rows."""

import numpy as np
import pytest
import torch
from shapes import NUM_TEST

from granctl.errors import OutputExistsError
from granctl.progress import Silent
from granctl.shards.features import Features
from granctl.shards.read import ImageReader
from granctl.train.decode import decoded
from granctl.train.embed import embed
from granctl.train.images import normalised
from granctl.train.runs import Run
from granctl.workspace import Workspace


def test_features_are_the_bodys_output_row_by_row(train, shards, shapes_folder, tmp_path):
    """Against the network applied to one decoded image at a time."""
    run = Run.open(train().path)
    workspace = Workspace(tmp_path / "workspace")
    made = embed(workspace, run.root, shapes_folder, "test", None, Silent())
    features = Features.read(made.path)
    assert features.matrix.shape == (4 * NUM_TEST, 8)
    assert (features.checksums == shards.checksums("test")).all()
    network = run.network(Silent()).eval()
    rows = shards.rows("test")
    with ImageReader(shards) as reader, torch.inference_mode():
        for i in (0, 7, 19):
            pixels = decoded(reader.image(rows, i), 1)[None]
            shown = normalised(pixels, run.recipe.input, torch.device("cpu"))
            expected = network.features(shown)[0].numpy()
            np.testing.assert_allclose(features.matrix[i], expected, rtol=1e-4, atol=1e-5)
    again = embed(workspace, run.root, shapes_folder, "test", None, Silent())
    assert (again.made, again.path, again.digest) == (False, made.path, made.digest)


def test_out_that_holds_something_else_is_left_alone(train, shapes_folder, tmp_path):
    """A file of the user's, and features of another split."""
    run, workspace = train().path, Workspace(tmp_path / "workspace")
    (tmp_path / "mine.parquet").write_text("mine")
    with pytest.raises(OutputExistsError):
        embed(workspace, run, shapes_folder, "test", tmp_path / "mine.parquet", Silent())
    assert (tmp_path / "mine.parquet").read_text() == "mine"
    embed(workspace, run, shapes_folder, "test", tmp_path / "test.parquet", Silent())
    with pytest.raises(OutputExistsError, match="another run, shard set or split"):
        embed(workspace, run, shapes_folder, "train", tmp_path / "test.parquet", Silent())
