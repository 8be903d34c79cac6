"""Features: every image once, in the order of the rows; the same bytes after any kill."""

import os
import signal
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from shapes import NUM_TEST, NUM_TRAIN

from granctl.errors import BadOptionError, NoSuchSplitError, OutputExistsError
from granctl.progress import Silent
from granctl.shards.feature_stream import FeatureStream
from granctl.shards.features import Features
from granctl.shards.read import ImageReader
from granctl.train.decode import decoded
from granctl.train.device import Machine
from granctl.train.embed import EmbedSpec, embed
from granctl.train.images import normalised
from granctl.train.runs import Run
from granctl.train.world import environment_of
from granctl.workspace import Workspace

ROWS = 10
"""Of a part: the 48 training images make 5 of them, the last one smaller."""


@pytest.fixture
def workspace(tmp_path):
    """An empty one."""
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def asked(train, shapes_folder):
    """`asked(splits, **fields)`: features of a run that was just made."""
    origin = Run.open(train().path)

    def call(*splits, **fields):
        return EmbedSpec(origin=origin, shards=shapes_folder, splits=splits or ("train",), **fields)

    return call


def test_features_are_the_bodys_output_row_by_row(asked, shards, workspace):
    """Against the network applied to one decoded image at a time."""
    spec = asked("test")
    made = embed(workspace, spec, None, Silent())
    features = Features.read(made.path)
    assert features.matrix.shape == (4 * NUM_TEST, 8)
    assert (features.checksums == shards.checksums("test")).all()
    network = spec.origin.network(Silent()).eval()
    rows = shards.rows("test")
    with ImageReader(shards) as reader, torch.inference_mode():
        for i in (0, 7, 19):
            pixels = decoded(reader.image(rows, i), 1)[None]
            shown = normalised(pixels, spec.origin.recipe.input, torch.device("cpu"))
            expected = network.features(shown)[0].numpy()
            np.testing.assert_allclose(features.matrix[i], expected, rtol=1e-4, atol=1e-5)
    again = embed(workspace, spec, None, Silent())
    assert (again.made, again.path, again.digest) == (False, made.path, made.digest)
    assert not made.path.with_name(f"{made.path.name}.parts").exists()


def test_out_that_holds_something_else_is_left_alone(asked, workspace, tmp_path):
    """A file of the user's, features of another split, and another file's parts."""
    (tmp_path / "mine.parquet").write_text("mine")
    with pytest.raises(OutputExistsError):
        embed(workspace, asked("test"), tmp_path / "mine.parquet", Silent())
    assert (tmp_path / "mine.parquet").read_text() == "mine"
    embed(workspace, asked("test"), tmp_path / "test.parquet", Silent())
    with pytest.raises(OutputExistsError, match="another run, shard set or split"):
        embed(workspace, asked(), tmp_path / "test.parquet", Silent())
    _killed(lambda: embed(workspace, asked(), tmp_path / "f", Silent(), rows_a_part=ROWS), 9)
    with pytest.raises(OutputExistsError, match="another artefact"):
        embed(workspace, asked("test"), tmp_path / "f", Silent(), rows_a_part=ROWS)


def test_several_splits_stand_in_one_file(asked, shards, workspace):
    """In the order of train, val, test, with a column that says which; parts end with a split."""
    made = embed(workspace, asked("test", "train"), None, Silent(), rows_a_part=ROWS)
    both = embed(workspace, asked("all"), None, Silent(), rows_a_part=ROWS)
    assert (both.digest, both.made) == (made.digest, False)
    assert made.details["splits"] == {"train": 4 * NUM_TRAIN, "test": 4 * NUM_TEST}
    table = pq.read_table(made.path)
    assert table["split"].to_pylist() == ["train"] * 4 * NUM_TRAIN + ["test"] * 4 * NUM_TEST
    found = Features.read(made.path)
    for split, rows in (("train", slice(0, 48)), ("test", slice(48, None))):
        alone = embed(workspace, asked(split), None, Silent(), rows_a_part=ROWS)
        assert (Features.read(alone.path).matrix == found.matrix[rows]).all()
        assert (found.checksums[rows] == shards.checksums(split)).all()
    with pytest.raises(NoSuchSplitError):
        embed(workspace, asked("val"), None, Silent())


def test_float16_halves_the_numbers_and_refuses_those_that_do_not_fit(asked, workspace):
    """Every number is the nearest of its kind; one beyond 65,504 is an error, not infinity."""
    whole = Features.read(embed(workspace, asked(), None, Silent()).path)
    half = embed(workspace, asked(dtype="float16"), None, Silent())
    assert (Features.read(half.path).matrix == whole.matrix.astype(np.float16)).all()
    assert half.digest != whole.digest
    list(FeatureStream.open(half.path).checked_pieces())
    spec = asked("test", dtype="float16")
    network = spec.origin.network(Silent())
    network.body[1].weight.data *= 1e9
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "network", lambda *_: network)
        with pytest.raises(BadOptionError, match="float16 cannot hold"):
            embed(workspace, spec, None, Silent())


def _killed(work, at):
    """Runs `work` in a process that SIGKILL ends at the at-th sync or rename; how it ended.

    A rename is two steps: before and after it. 0: it is not killed; then the number of its steps
    stands in the exit code.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    steps = 0

    def step():
        nonlocal steps
        steps += 1
        if steps == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def stepping(call, *, after):
        def wrapped(*arguments):
            step()
            result = call(*arguments)
            if after:
                step()
            return result

        return wrapped

    os.fsync, os.replace = stepping(os.fsync, after=False), stepping(os.replace, after=True)
    try:
        work()
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(250)
    os._exit(steps)


@pytest.mark.parametrize(
    "points",
    [
        (6, 15, 27),
        pytest.param(range(1, 35), marks=pytest.mark.slow),
    ],
    ids=["three", "all"],
)
def test_a_kill_at_any_point_changes_no_byte(asked, workspace, tmp_path, points):
    """The same call goes on from the last whole part; a run without a kill gives the same file."""
    spec = asked("all")

    def work(path):
        return lambda: embed(workspace, spec, path, Silent(), rows_a_part=ROWS)

    total = _killed(work(tmp_path / "whole"), 0)
    assert 25 <= total < 60, "spec, seven parts and the file, in four steps each"
    expected = (tmp_path / "whole").read_bytes()
    for at in points:
        path = tmp_path / f"killed-{at}"
        if _killed(work(path), at) != -signal.SIGKILL:
            assert at > total
            continue
        parts = path.with_name(f"{path.name}.parts")
        before = {p: p.stat().st_mtime_ns for p in parts.glob("part-*.npy")}
        assert bool(before) == (at > 6) or path.exists()
        assert 0 <= _killed(work(path), 0) <= total
        assert path.read_bytes() == expected
        assert not parts.exists()
        assert not list(tmp_path.glob(".*.tmp"))


def test_a_damaged_part_is_made_again(asked, workspace, tmp_path):
    """Its checksum stands in its name; the others are not made again."""
    spec, path = asked(), tmp_path / "f"
    embed(workspace, spec, tmp_path / "whole", Silent(), rows_a_part=ROWS)
    # Five parts of four steps each follow the four of the spec: killed before the file.
    assert _killed(lambda: embed(workspace, spec, path, Silent(), rows_a_part=ROWS), 25) < 0
    parts = sorted((tmp_path / "f.parts").glob("part-*.npy"))
    assert len(parts) == 5
    content = bytearray(parts[1].read_bytes())
    content[-1] ^= 1
    parts[1].write_bytes(content)
    parts[2].write_bytes(b"")
    shown = []
    progress = Silent()
    progress.advance = shown.append
    embed(workspace, spec, path, progress, rows_a_part=ROWS)
    assert sum(shown) == 2 * ROWS
    assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_several_processes_make_the_same_file(asked, workspace, tmp_path, monkeypatch):
    """Each makes its parts, in any order; the first joins them when the others are done."""
    spec = asked("all")
    embed(workspace, spec, tmp_path / "whole", Silent(), rows_a_part=ROWS)
    path = tmp_path / "f"
    for rank in (2, 1, 0):
        for name, value in environment_of(rank, 3, 29500).items():
            monkeypatch.setenv(name, value)
        made = embed(workspace, spec, path, Silent(), Machine(device="cpu"), rows_a_part=ROWS)
        assert made.whole == (rank == 0)
    assert path.read_bytes() == (tmp_path / "whole").read_bytes()
