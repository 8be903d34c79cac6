"""The reader: one order for any processes and workers, skips, broken images, shards by http."""

import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from servers import RangeServer
from torchvision.transforms.v2 import functional

from granctl.errors import ShardCorruptError, SpecError
from granctl.progress import Silent
from granctl.shards import blocks
from granctl.shards.index import ShardSet
from granctl.shards.order import permuted, uniforms
from granctl.shards.read import ImageReader, key_at
from granctl.train import images as images_module
from granctl.train import pretrain as pretrain_module
from granctl.train.augment import NUM_UNIFORMS, crop_box, resized_crop
from granctl.train.batches import Share, num_batches, pieces_from
from granctl.train.decode import decoded
from granctl.train.device import Machine
from granctl.train.images import Images
from granctl.train.labelling import label_images
from granctl.train.models import build
from granctl.train.recipe import Augment, Input, Model
from granctl.train.world import ALONE, World

LOOK = Input(resolution=8, channels=1)
ALL = Augment(kind="resized-crop", rand_ops=1)
BATCH = 16


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """So that 48 images are several groups."""
    monkeypatch.setattr(blocks, "BLOCK_IMAGES", 4)
    monkeypatch.setattr(blocks, "GROUP_BLOCKS", 3)


@pytest.fixture
def images_of(shards):
    """`images_of(workers=2, order="blocks", shards=...)` are all 48 training images."""

    def call(workers=0, order="full", shards=shards, row=None, look=LOOK, split="train"):
        row = np.arange(48) if row is None else row
        machine = Machine(workers=workers)
        return Images(
            shards=shards,
            split=split,
            row=row,
            look=look,
            machine=machine,
            progress=Silent(),
            order=order,
        )

    return call


def _stream(images, share=None, *, step=0, steps=6, augment=ALL):
    """(epoch, position) -> image and pixels, of one process's part of some steps."""
    pieces = pieces_from(len(images), BATCH, share or Share(), step=step, steps=steps)
    return {
        (batch.piece.epoch, place): (image, pixels)
        for batch in images.training(pieces, augment, 3)
        for place, image, pixels in zip(
            batch.piece.positions.tolist(), batch.images.tolist(), batch.pixels, strict=True
        )
    }


def _equal(one, other):
    assert sorted(one) == sorted(other)
    for place, (image, pixels) in one.items():
        assert image == other[place][0]
        assert torch.equal(pixels, other[place][1])


@pytest.mark.parametrize("order", ["full", "blocks"])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_any_number_of_processes_shows_the_same_images_at_the_same_places(images_of, order, size):
    """Each a part of every step; together what one alone shows, bit for bit, two epochs long."""
    whole = _stream(images_of(order=order))
    parts = {}
    for rank in range(size):
        parts |= _stream(images_of(order=order), Share(rank=rank, size=size))
    _equal(parts, whole)
    for epoch in (0, 1):
        assert sorted(i for (e, _), (i, _) in whole.items() if e == epoch) == list(range(48))


@pytest.mark.parametrize("order", ["full", "blocks"])
@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_shows_the_same(images_of, order, workers):
    """In the same order too: a worker that is late is waited for."""
    alone, helped = _stream(images_of(order=order)), _stream(images_of(workers, order=order))
    assert list(alone) == list(helped)
    _equal(alone, helped)


@pytest.mark.parametrize("order", ["full", "blocks"])
@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_a_start_at_any_step_goes_on_as_if_from_the_beginning(images_of, order, step):
    """Inside an epoch and at its beginning."""
    whole, late = _stream(images_of(order=order)), _stream(images_of(order=order), step=step)
    assert late
    _equal(late, {place: whole[place] for place in late})
    assert len(late) == sum(len(p) for p in pieces_from(48, BATCH, Share(), step=step, steps=6))


def test_the_middle_of_a_large_epoch_is_found_without_what_is_before_it():
    """14,200,000 images: the piece, its images and their numbers are those of its positions."""
    num, batch = 14_200_000, 4096
    step = num_batches(num, batch) // 2
    piece = next(pieces_from(num, batch, Share(rank=3, size=8), step=step, steps=step + 1))
    assert abs(piece.begin - num / 2) < batch
    assert len(permuted(piece.positions, num, 0, piece.epoch)) == len(piece)
    assert len(np.unique(permuted(piece.positions, num, 0, piece.epoch))) == len(piece)


def test_orders_differ_and_full_is_the_default(images_of):
    """The full order is that of `permuted`, as it always was."""
    whole = _stream(images_of(), steps=3)
    order = permuted(np.arange(48), 48, 3, 0)
    assert [whole[0, place][0] for place in range(48)] == order.tolist()
    assert [image for image, _ in _stream(images_of(order="blocks"), steps=3).values()] != (
        order.tolist()
    )


# --- evaluation -----------------------------------------------------------------------------------


def _evaluate(rank, size, meeting, said, job_of):
    """Scores of the 1,003 images, by one of several processes."""
    from torch import distributed

    if size == 1:
        said.put((rank, job_of(ALONE)))
        return
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=size
    )
    world = World(rank=rank, size=size, _talk=distributed.new_group(backend="gloo"))
    said.put((rank, job_of(world)))
    distributed.destroy_process_group()


def test_evaluation_counts_every_image_once_on_1_2_and_3_processes(
    shards, leaves, tmp_path, monkeypatch
):
    """1,003 images, which no number of processes divides: the same counts everywhere."""
    truth = label_images(shards, "test", leaves)
    many = truth.only(np.arange(1003) % len(truth))
    monkeypatch.setattr(pretrain_module, "label_images", lambda *_: many)
    network = build(
        Model(name="small-resnet", width=4, stages=(1.0,)),
        channels=1,
        resolution=8,
        num_classes=many.num_classes,
        seed=0,
    )
    torch.nn.init.normal_(network.head.weight, generator=torch.Generator().manual_seed(1))

    def job_of(world):
        job = SimpleNamespace(
            shards=shards,
            maps=SimpleNamespace(labels=leaves),
            head=None,
            loss="cross-entropy",
            labelling=many,
            world=world,
            machine=Machine(workers=0),
            progress=Silent(),
            recipe=SimpleNamespace(input=LOOK, order="full", precision="float32"),
        )
        return pretrain_module._held_out(job, network, torch.device("cpu"))

    context = multiprocessing.get_context("fork")
    found = []
    for size in (1, 2, 3):
        said = context.Queue()
        told = (size, tmp_path / f"meeting-{size}", said, job_of)
        processes = [context.Process(target=_evaluate, args=(r, *told)) for r in range(size)]
        for process in processes:
            process.start()
        found += [said.get(timeout=60)[1] for _ in processes]
        for process in processes:
            process.join(60)
            assert process.exitcode == 0
    assert len(found) == 6
    assert all(one == found[0] for one in found)
    assert found[0]["n"] == 1003
    assert 0 < found[0]["correct"] < 1003


# --- bytes ----------------------------------------------------------------------------------------


def test_a_view_is_the_image_without_a_copy(shards):
    """It outlives the reader that gave it."""
    rows = shards.rows("train")
    with ImageReader(shards) as reader:
        reader.prefetch(rows, np.arange(len(rows)))
        reader.warm(rows, np.array([3, 1, 2]))
        reader.warm(rows, np.empty(0, dtype=np.int64))
        view = reader.view(rows, 7)
        assert isinstance(view, memoryview)
        assert view.readonly
        image = reader.image(rows, 7)
    assert bytes(view) == image
    assert torch.equal(decoded(view, 1), decoded(image, 1))


def test_a_crop_is_that_of_torchvision():
    """Cut, resized and mirrored, from either layout of the pixels, bit for bit."""
    pixels = torch.randint(0, 256, (40, 50, 3), dtype=torch.uint8).permute(2, 0, 1)
    augment = Augment(kind="resized-crop")
    for chance in uniforms(np.arange(50), NUM_UNIFORMS, 0):
        box = crop_box(40, 50, chance, augment)
        expected = functional.resized_crop(pixels.contiguous(), *box, [16, 16], antialias=True)
        expected = expected.flip(-1) if chance[-1] < 0.5 else expected
        assert torch.equal(resized_crop(pixels, 16, chance, augment), expected)
        assert torch.equal(resized_crop(pixels.contiguous(), 16, chance, augment), expected)


@pytest.fixture
def broken(shapes_folder, tmp_path):
    """A copy of the shard set in which the image of row 5 is no image, and its key."""
    folder = Path(shutil.copytree(shapes_folder, tmp_path / "broken"))
    shards = ShardSet.open(folder)
    rows = shards.rows("train")
    path = folder / shards.shard_names[rows.shard[5]]
    with path.open("r+b") as file:
        file.seek(rows.offset[5])
        file.write(b"\0" * int(rows.size[5]))
    return shards, path, str(shards.keys("train")[5])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_named_by_shard_and_key(images_of, broken, workers):
    """The error of a worker process reaches the training as what it is."""
    shards, path, key = broken
    assert key_at(shards, shards.rows("train"), 5) == key
    with pytest.raises(ShardCorruptError, match="cannot be decoded") as error:
        _stream(images_of(workers, shards=shards), steps=3)
    assert str(path) in error.value.message
    assert f" {key} " in error.value.message
    assert "shards verify" in error.value.hint


def test_a_broken_image_is_named_when_a_set_is_read_into_memory(images_of, broken, monkeypatch):
    """The same error; the sound set, which has the same digest, may be there from before."""
    shards, _, key = broken
    monkeypatch.setattr(images_module, "_in_memory", {})
    with pytest.raises(ShardCorruptError, match=f"the image {key} cannot be decoded"):
        images_of(shards=shards).load()


def test_a_missing_shard_is_the_same_error_from_workers(images_of, broken):
    """Not one that torch made of it."""
    shards, path, _ = broken
    path.unlink()
    with pytest.raises(ShardCorruptError, match="missing"):
        _stream(images_of(1, shards=shards), steps=3)


@pytest.mark.parametrize("workers", [0, 1])
def test_shards_behind_http_are_read_ahead_as_a_stream(
    images_of, shapes_folder, tmp_path, monkeypatch, workers
):
    """The same pixels, from fewer requests than images: neighbours come together."""
    monkeypatch.setenv("GRANCTL_CACHE", str(tmp_path / "cache"))
    shutil.copytree(shapes_folder, tmp_path / "www" / "set")
    server = RangeServer(tmp_path / "www")
    try:
        remote = ShardSet.open(server.url("set"))
        asked = len(server.requests)
        found = _stream(images_of(workers, shards=remote), steps=3)
        ranges = [r for path, r in server.requests[asked:] if path.endswith(".tar")]
    finally:
        server.close()
    _equal(found, _stream(images_of(), steps=3))
    assert 0 < len(ranges) < 48
    assert all(ranges)


# --- worker processes -----------------------------------------------------------------------------


def _children(pid):
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def test_signals_to_a_worker_do_not_end_it(images_of):
    """A scheduler sends them to every process of a job; the training alone decides."""
    images = images_of(1)
    expected = list(_stream(images_of(), steps=12))
    before = _children(os.getpid())
    pieces = pieces_from(48, BATCH, Share(), step=0, steps=12)
    batches = images.training(pieces, ALL, 3)
    found = [next(batches).piece]
    (worker,) = [pid for pid in _children(os.getpid()) if pid not in before]
    for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT):
        os.kill(worker, number)
        found.append(next(batches).piece)
        assert not _is_gone(worker)
    found += [batch.piece for batch in batches]
    assert [(p.epoch, place) for p in found for place in p.positions.tolist()] == expected


def _train_and_wait(images, said):
    batches = images.training(pieces_from(48, BATCH, Share(), step=0, steps=300), ALL, 3)
    next(batches)
    said.put(_children(os.getpid()))
    time.sleep(60)


def test_a_worker_dies_with_its_training(images_of):
    """Killed, a training can end nothing; its worker would wait for work for ever."""
    context = multiprocessing.get_context("fork")
    said = context.SimpleQueue()
    training = context.Process(target=_train_and_wait, args=(images_of(1), said))
    training.start()
    workers = said.get()
    assert workers
    training.kill()
    training.join(10)
    until = time.monotonic() + 10
    while time.monotonic() < until and not all(_is_gone(pid) for pid in workers):
        time.sleep(0.02)
    assert all(_is_gone(pid) for pid in workers)


def test_images_module_keeps_what_fits(images_of):
    """Images that need no crop come from memory: no worker is started."""
    before = _children(os.getpid())
    batches = images_of(2).training(
        pieces_from(48, BATCH, Share(), step=0, steps=3), Augment(kind="none"), 3
    )
    assert next(batches).pixels.shape == (BATCH, 1, 8, 8)
    assert _children(os.getpid()) == before
    assert images_module.MEMORY_BYTES == 1 << 30


def test_a_training_takes_blocks_and_randaugment_from_its_recipe(train, tiny):
    """Another order and other pixels are another run; a misspelt order is an error."""
    plain = train()
    changed = train(recipe=tiny(**{"order": "blocks", "augment.rand_ops": 1}))
    assert changed.digest != plain.digest
    assert changed.details["images_seen"] == plain.details["images_seen"]
    assert np.isfinite(changed.details["train_loss"])
    with pytest.raises(SpecError, match="order"):
        tiny(order="block")
