"""The leak guard: images of the pretraining among a target's, by bytes and by looks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapes
from PIL import Image
from told import Told

from granctl.errors import AllLeakedError, BadOptionError, LostInputError
from granctl.progress import Silent
from granctl.shards.build.duplicates import differing_bits, near_matches
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.index import ShardSet
from granctl.study.results import load_results
from granctl.study.summary import summarise
from granctl.train.hashed import image_hashes, looks_like
from granctl.train.labelling import label_images
from granctl.train.leaks import among, guarded, seen_in_pretraining
from granctl.train.runs import Run
from granctl.train.targets import Target, open_target
from granctl.train.transfer import transfer
from granctl.train.transferspec import TransferSpec
from granctl.workspace import Workspace


@pytest.fixture
def planted(tmp_path: Path) -> ShardSet:
    """Two images of the pretraining among the 5 held-out ones of each of four labels."""
    root = shapes.write_shapes(tmp_path / "planted")
    own = shapes.write_shapes(tmp_path / "own")
    for label in shapes.LABELS:
        for old in (root / "train" / label).iterdir():
            pixels = np.asarray(Image.open(old)).astype(np.int16)
            Image.fromarray((255 - pixels).astype(np.uint8)).save(old)
        for j, name in enumerate(sorted(path.name for path in (root / "test" / label).iterdir())):
            if j < 2:
                source = own / "train" / label / f"{j:02}.png"
                (root / "test" / label / name).write_bytes(source.read_bytes())
            else:
                rng = np.random.default_rng([7, j, int(label[1:])])
                pixels = rng.integers(0, 200, (8, 8), dtype=np.uint8)
                Image.fromarray(pixels).save(root / "test" / label / name)
    built = build_shards(Workspace(tmp_path / "there"), BuildSpec(source=str(root)), None, Silent())
    return ShardSet.open(built.path)


def test_checksums_are_found_among_millions_as_among_few() -> None:
    """Against numpy's own, with duplicates in both, and with nothing."""
    rng = np.random.default_rng(0)
    sums = np.array([f"{i:032x}".encode() for i in rng.integers(0, 3000, 4000)], dtype="S32")
    ours, theirs = sums[:1000], sums[1000:]
    assert among(ours, theirs).tolist() == np.isin(ours, theirs).tolist()
    assert 0 < among(ours, theirs).sum() < 1000
    assert not among(ours, sums[:0]).any()
    assert among(sums[:0], ours).shape == (0,)


def test_near_matches_are_those_of_a_slow_search() -> None:
    """All pairs within four bits of 64, across the two sets only."""
    rng = np.random.default_rng(1)
    theirs = rng.integers(0, 1 << 63, 300, dtype=np.uint64)
    flips = [
        np.uint64(sum(1 << int(b) for b in rng.choice(64, k, replace=False))) for k in range(9)
    ]
    ours = np.array([theirs[i] ^ flip for i, flip in enumerate(flips)], dtype=np.uint64)
    for most in (1, 4):
        found = {tuple(p) for pairs in near_matches(ours, theirs, most) for p in pairs.tolist()}
        slow = {
            (i, j)
            for i in range(len(ours))
            for j in np.flatnonzero(
                differing_bits(np.full(300, ours[i], dtype=np.uint64), theirs) <= most
            ).tolist()
        }
        assert found == slow
        assert {(i, i) for i in range(1, most + 1)} <= found
    assert not list(near_matches(ours[:0], theirs, 4))


def test_planted_images_are_found_and_not_scored(
    train: Any, planted: ShardSet, tmp_path: Path, leaves: Any
) -> None:
    """Eight of twenty: the count, the warning, what is scored; `keep` scores all of them."""
    run = train().path
    seen = seen_in_pretraining(Run.open(run), planted, "test")
    assert (seen.shape, seen.sum()) == ((20,), 8)
    assert not seen_in_pretraining(Run.open(run), planted, "train").any()
    target = Target(name="planted@leaf", shards=planted, labels=leaves)
    space, told = Workspace(tmp_path / "workspace"), Told()
    given = {"target": target, "run": run, "method": "linear"}
    result = transfer(space, TransferSpec(**given), None, told).details
    assert result["n"] == 12
    assert result["leaked"] == {"images": 8, "by": "checksum", "kept": False}
    assert any("warning: 8 of 20 images" in note for note in told.notes), told.notes
    kept = transfer(space, TransferSpec(**given, leaks="keep"), None, Silent()).details
    assert kept["n"] == 20
    assert kept["leaked"] == {"images": 8, "by": "checksum", "kept": True}
    scratch = TransferSpec(**{**given, "method": "scratch"})
    assert transfer(space, scratch, None, Silent()).details["leaked"] is None
    guarded, all_of_them = sorted(summarise(load_results(space)), key=lambda panel: panel.images)
    assert (guarded.images, guarded.left_out, dict(guarded.options).get("leaks")) == (12, 8, None)
    assert (all_of_them.images, all_of_them.left_out) == (20, 0)
    assert all_of_them.options["leaks"] == "keep"
    assert [len(panel.points) for panel in (guarded, all_of_them)] == [2, 2]
    assert {r["n"] for point in guarded.points for r in point.results} == {12}


def test_a_target_of_nothing_new_is_refused(train: Any, shards: ShardSet, leaves: Any) -> None:
    """All training images were seen; the mend says how to score them all the same."""
    run = Run.open(train().path)
    part = label_images(shards, "train", leaves)
    space = Workspace(run.root.parent.parent)
    with pytest.raises(AllLeakedError) as caught:
        guarded(run, shards, "train", part, "checksum", space, Silent())
    assert "--leaks keep" in caught.value.hint
    kept = guarded(run, shards, "train", part, "keep", space, Silent())
    assert len(kept.labelling) == len(part)


def test_shards_that_are_gone_are_said(
    train: Any, shards: ShardSet, planted: ShardSet, leaves: Any, tmp_path: Path
) -> None:
    """The transfer goes on, with a note and no count; the helper raises."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in shards.root.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    run = Run.open(train(shards=copy).path)
    for path in copy.iterdir():
        path.unlink()
    space, told = Workspace(tmp_path / "other"), Told()
    with pytest.raises(LostInputError, match="shard set of the pretraining"):
        seen_in_pretraining(run, planted, "test", workspace=space)
    part = label_images(planted, "test", leaves)
    found = guarded(run, planted, "test", part, "checksum", space, told)
    assert len(found.labelling) == 20
    assert found.leaked == {"images": None, "by": "checksum", "kept": True}
    assert any("not there any more" in note for note in told.notes)


def test_a_target_that_is_encoded_anew_is_found_where_asked(
    train: Any, tmp_path: Path, leaves: Any
) -> None:
    """The same pixels in other bytes: not by checksum, but by looks, and then not scored."""
    own = shapes.write_shapes(tmp_path / "own")
    root = shapes.write_shapes(tmp_path / "anew")
    for label in shapes.LABELS:
        for j in range(3):
            image = Image.open(own / "train" / label / f"{j:02}.png").convert("RGB")
            image.save(root / "test" / label / f"{j:02}.webp", lossless=True)
    built = build_shards(Workspace(tmp_path / "there"), BuildSpec(source=str(root)), None, Silent())
    shards, run = ShardSet.open(built.path), Run.open(train().path)
    assert not seen_in_pretraining(run, shards, "test").any()
    space = Workspace(tmp_path / "workspace")
    seen = seen_in_pretraining(run, shards, "test", by="perceptual", workspace=space)
    assert (len(seen), seen.sum()) == (4 * 8, 12)
    part = label_images(shards, "test", leaves)
    found = guarded(run, shards, "test", part, "perceptual", space, Silent())
    assert found.leaked == {"images": 12, "by": "perceptual", "kept": False}
    assert sorted(found.labelling.row.tolist()) == np.flatnonzero(~seen).tolist()
    bad: Any = "looks"
    with pytest.raises(BadOptionError, match="'looks' is none"):
        guarded(run, shards, "test", part, bad, space, Silent())


# --- by looks -------------------------------------------------------------------------------------


def _photo(seed: int) -> Image.Image:
    """Soft blobs of colour, as a photograph has, and some noise."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8))
    large = np.asarray(small.resize((160, 120), Image.Resampling.BICUBIC)).astype(np.int16)
    noisy = np.clip(large + rng.integers(-6, 7, large.shape), 0, 255).astype(np.uint8)
    return Image.fromarray(noisy)


def _encoded(image: Image.Image, form: str = "JPEG", quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, quality=quality)
    return buffer.getvalue()


def _set(root: Path, contents: list[bytes]) -> ShardSet:
    for i, content in enumerate(contents):
        suffix = "webp" if content[:4] == b"RIFF" else "jpg"
        path = root / "source" / "train" / ("one", "two")[i % 2] / f"{i:03}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    spec = BuildSpec(source=str(root / "source"), holdout_frac=0.0)
    return ShardSet.open(build_shards(Workspace(root), spec, None, Silent()).path)


def test_reencoded_and_resized_images_are_found_by_looks(tmp_path: Path) -> None:
    """Lower quality, another format, half and double size; no crop, no other image."""
    photos = [_photo(i) for i in range(60)]
    theirs = _set(tmp_path / "theirs", [_encoded(photo) for photo in photos])
    changed = [
        _encoded(photos[0], quality=50),
        _encoded(photos[1], "WEBP", quality=80),
        _encoded(photos[2].resize((80, 60))),
        _encoded(photos[3].resize((320, 240))),
        _encoded(photos[4]),
        _encoded(photos[5].crop((30, 20, 130, 100))),
        *(_encoded(_photo(1000 + i)) for i in range(60)),
    ]
    ours = _set(tmp_path / "ours", changed)
    space = Workspace(tmp_path / "workspace")
    found = looks_like(space, (ours, "train"), (theirs, "train"), Silent())
    names = np.array(_names(ours))
    assert sorted(names[found].tolist()) == ["000", "001", "002", "003", "004"]
    told = Told()
    image_hashes(space, ours, "train", told)
    assert not told.done  # kept in the workspace


def _names(shards: ShardSet) -> list[str]:
    from granctl.shards.origins import origins

    return [name.rpartition("/")[2][:3] for name in origins(shards, "train")]


def test_no_embedded_test_image_is_taken_for_a_training_image(tmp_path: Path) -> None:
    """Hashes alone take 1,200 of 2,000 clothes for others; the pictures tell all apart."""
    shards = open_target(Workspace(tmp_path), "embedded", Silent()).shards
    assert not among(shards.checksums("test"), shards.checksums("train")).any()
    found = looks_like(Workspace(tmp_path), (shards, "test"), (shards, "train"), Silent())
    assert found.shape == (2000,)
    assert not found.any()
    itself = looks_like(Workspace(tmp_path), (shards, "test"), (shards, "test"), Silent())
    assert itself.all()
