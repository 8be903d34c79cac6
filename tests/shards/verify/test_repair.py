"""A repair gives back the bytes of the undamaged set, or changes nothing and says why."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from broken import BREAKS, SHARD, Break, edit_index, flip, put, samples_of
from generated_images import encoded, write_source
from told import Told, all_bytes

from granctl.errors import BadOptionError, OutputNotWritableError, SourceDiffersError
from granctl.progress import Silent
from granctl.shards.build.recode import Recode
from granctl.shards.build.write import BuildSpec, ClassLookup, build_shards
from granctl.shards.index import ShardSet
from granctl.shards.store import Folder
from granctl.shards.verify.rebuild import RepairSpec, source_said
from granctl.shards.verify.repair import repair
from granctl.shards.verify.report import Report
from granctl.shards.verify.table import selected
from granctl.shards.verify.verify import verify
from granctl.workspace import Workspace


def mend(
    folder: Path, source: Path | None, progress: Silent | None = None, workers: int = 1
) -> Report:
    """Repairs a folder, with a source or with none at hand."""
    spec = RepairSpec(source=None if source is None else str(source))
    there = Workspace(folder.parent / "workspace")
    return repair(there, Folder(folder), spec, workers, progress or Silent())


def of_set(folder: Path) -> dict[str, bytes]:
    """All files but those that were set aside."""
    return {
        name: content
        for name, content in all_bytes(folder).items()
        if not name.startswith("damaged/")
    }


def how(report: Report) -> dict[str, str]:
    return {one.name: one.how for one in report.mended}


@pytest.fixture
def folder(shards_folder: Path, tmp_path: Path) -> Path:
    """A shard set of 24 images in 4 shards that may be broken."""
    return shutil.copytree(shards_folder, tmp_path / "set")


OF_SHARDS = [case for case in BREAKS if case.code[:2] in ("E2", "E3", "W2")]
NO_SOURCE_NEEDED = {"E205", "E206", "E207", "E302", "E303", "E304", "E305", "E306", "W201"}
"""Images are sound and whole in these cases, so the index suffices."""


@pytest.mark.parametrize(
    "case", [c for c in OF_SHARDS if c.code != "E202"], ids=lambda case: case.code
)
def test_damaged_shard_gets_its_bytes_back(case: Break, folder, source_folder):
    """Every file is what it was; the damaged shard is kept under another name."""
    before = all_bytes(folder)
    case.way(folder)
    broken = all_bytes(folder).get(SHARD)
    told = Told()
    report = mend(folder, source_folder, told)
    assert of_set(folder) == before
    assert report.num_errors == 0
    assert {finding.code for finding in report.findings} <= {"W102"}
    assert how(report) == {SHARD: "patched" if case.code in NO_SOURCE_NEEDED else "rebuilt"}
    assert report.mended[0].set_aside == (None if broken is None else f"damaged/{SHARD}.1")
    if broken is not None:
        assert (folder / f"damaged/{SHARD}.1").read_bytes() == broken
    assert any(note.startswith(f"{SHARD}: ") for note in told.notes)
    assert not (folder / ".repair").exists()


@pytest.mark.parametrize(
    "case", [c for c in OF_SHARDS if c.code in NO_SOURCE_NEEDED], ids=lambda case: case.code
)
def test_label_members_are_mended_without_a_source(case: Break, folder, tmp_path):
    """Headers, classes, labels, padding and the end follow from index and manifest."""
    before = all_bytes(folder)
    case.way(folder)
    report = mend(folder, None)
    assert of_set(folder) == before
    assert how(report) == {SHARD: "patched"}


def test_whole_set_is_left_alone(folder, source_folder):
    """Nothing is mended, nothing is written, no source is opened."""
    before = all_bytes(folder)
    report = mend(folder, Path("/nowhere"))
    assert (report.mended, report.findings) == ((), [])
    assert all_bytes(folder) == before


def test_several_shards_in_several_processes(folder, source_folder):
    """One is missing, one is cut, one has a bit flipped in an image."""
    before = all_bytes(folder)
    (folder / "train-000000.tar").unlink()
    os.truncate(folder / "train-000001.tar", 3000)
    flip(folder / "train-000002.tar", samples_of(folder / "train-000002.tar")[0].places[0] + 50)
    report = mend(folder, source_folder, workers=3)
    assert of_set(folder) == before
    assert set(how(report).values()) == {"rebuilt"}
    assert len(report.mended) == 3


def test_second_damage_is_set_aside_beside_the_first(folder, source_folder):
    """Names in damaged/ are counted up; nothing there is written over."""
    before = all_bytes(folder)
    for number in (1, 2):
        put(folder / SHARD, samples_of(folder / SHARD)[0].places[0] + 40, b"%d" % number * 9)
        mend(folder, source_folder)
        assert (folder / f"damaged/{SHARD}.{number}").is_file()
    assert of_set(folder) == before


def test_strays_are_set_aside(folder):
    """A tar that the manifest does not name, temporary files, parts of a build."""
    before = all_bytes(folder)
    shutil.copy(folder / SHARD, folder / "train-000777.tar")
    (folder / ".x.tar.77@elsewhere.tmp").write_bytes(b"half")
    (folder / ".parts").mkdir()
    report = mend(folder, None)
    assert of_set(folder) == before
    assert set(how(report).values()) == {"set aside"}
    assert (folder / "damaged/train-000777.tar.1").read_bytes() == before[SHARD]
    assert (folder / "damaged/.x.tar.77@elsewhere.tmp.1").is_file()


# --- the index ----------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["missing", "flipped", "cut"])
def test_index_is_made_again_from_the_shards(folder, damage):
    """Byte for byte, with no source."""
    before = all_bytes(folder)
    path = folder / "index.parquet"
    if damage == "flipped":
        flip(path, 700)
    elif damage == "cut":
        os.truncate(path, 900)
    else:
        path.unlink()
    report = mend(folder, None, workers=2)
    assert of_set(folder) == before
    assert how(report) == {"index.parquet": "reindexed"}


def test_index_keeps_remarks_and_what_is_odd(tmp_path):
    """A progressive JPEG and a misnamed PNG have their flags again, as the name in .json says."""
    source = write_source(tmp_path / "s")
    (source / "train/n00000001/a.png").rename(source / "train/n00000001/a.JPEG")
    spec = BuildSpec(source=str(source), shard_images=6)
    made = build_shards(Workspace(tmp_path / "w"), spec, None, Silent()).path
    assert ShardSet.open(made).manifest["remarks"] == {"misnamed": 1}
    before = all_bytes(made)
    flip(made / "index.parquet", 600)
    mend(made, None)
    assert of_set(made) == before


def test_index_of_another_writer_of_parquet_is_named_in_the_manifest(folder, monkeypatch):
    """The same rows in other bytes: the manifest says so, and the set is whole."""
    rows = ShardSet.open(folder).rows("train")
    real = pq.ParquetWriter
    flip(folder / "index.parquet", 700)
    with monkeypatch.context() as patched:
        patched.setattr(pq, "ParquetWriter", lambda *a, **_: real(*a, compression="snappy"))
        report = mend(folder, None)
    assert (report.num_errors, how(report)) == (0, {"index.parquet": "reindexed"})
    assert ShardSet.open(folder).rows("train").offset.tolist() == rows.offset.tolist()


def test_index_and_a_shard_damaged_together(folder, source_folder):
    """The index cannot be made from damaged shards: nothing changes, both are named."""
    flip(folder / "index.parquet", 700)
    flip(folder / SHARD, samples_of(folder / SHARD)[2].places[0] + 60)
    before = all_bytes(folder)
    told = Told()
    report = mend(folder, source_folder, told)
    assert "E104" in {finding.code for finding in report.findings}
    assert report.num_errors
    assert all_bytes(folder) == before
    assert any("cannot be made again" in note for note in told.notes)


def test_index_that_contradicts_the_manifest_is_no_plan(folder, source_folder):
    """Where manifest and index disagree no shard is touched."""
    edit_index(folder, lambda rows: rows[8].update(checksum="0" * 32))
    before = all_bytes(folder)
    report = mend(folder, source_folder)
    assert {"E107", "E301"} == {finding.code for finding in report.findings}
    assert all_bytes(folder) == before


# --- the source ---------------------------------------------------------------------------------


def damage(folder: Path) -> None:
    (folder / SHARD).unlink()


def test_source_that_was_changed_is_refused(folder, source_folder, tmp_path):
    """Another size, another label, or an image less: exit 3 before anything is packed."""
    damage(folder)
    before = all_bytes(folder)
    for number, change in enumerate((longer, moved, fewer)):
        source = shutil.copytree(source_folder, tmp_path / f"source-{number}")
        change(source)
        with pytest.raises(SourceDiffersError, match=f"is not what {SHARD} was built from"):
            mend(folder, source)
        assert all_bytes(folder) == before


def longer(source: Path) -> None:
    for path in source.glob("train/*/a.png"):
        path.write_bytes(path.read_bytes() + b"x")


def moved(source: Path) -> None:
    (source / "train/n00000001").rename(source / "train/n00000009")


def fewer(source: Path) -> None:
    shutil.rmtree(source / "train/n00000002")
    shutil.rmtree(source / "train/n00000001")


def test_source_with_other_bytes_of_the_same_size_is_refused(folder, source_folder, tmp_path):
    """The checksum of the index decides; what was packed is thrown away, and the image is named."""
    damage(folder)
    before = all_bytes(folder)
    source = shutil.copytree(source_folder, tmp_path / "source")
    for path in source.glob("train/*/*.jpg"):
        flip(path, path.stat().st_size // 2)
    with pytest.raises(SourceDiffersError, match=r"b\.jpg has other bytes"):
        mend(folder, source)
    assert of_set(folder) == {name: before[name] for name in of_set(folder)}
    assert not (folder / SHARD).exists()
    report = mend(folder, source_folder)
    assert how(report) == {SHARD: "rebuilt"}


def test_source_whose_image_broke_is_refused(folder, source_folder, tmp_path):
    """An image that cannot be packed any more is named with its problem."""
    damage(folder)
    source = shutil.copytree(source_folder, tmp_path / "source")
    for path in source.glob("train/*/a.png"):
        path.write_bytes(b"?" * path.stat().st_size)
    with pytest.raises(SourceDiffersError, match="not a JPEG, PNG or WebP"):
        mend(folder, source)


def test_source_with_other_times_will_do(folder, source_folder, tmp_path):
    """A copy has another digest, and gives the same shards: the images say so."""
    before = all_bytes(folder)
    damage(folder)
    source = tmp_path / "source"
    shutil.copytree(source_folder, source, copy_function=shutil.copyfile)
    mend(folder, source)
    assert of_set(folder) == before


def test_what_needs_no_source_is_mended_before_the_source_is_missed(folder):
    """One shard can be patched; for the other the mend is said."""
    before = all_bytes(folder)
    put(folder / "train-000000.tar", 3, b"x")
    damage(folder)
    with pytest.raises(BadOptionError, match="nothing says where their source lies"):
        mend(folder, None)
    assert all_bytes(folder)["train-000000.tar"] == before["train-000000.tar"]


def test_source_is_found_by_the_name_of_a_data_set(source_folder, tmp_path):
    """A set of a registered source finds it again without being told."""
    there = Workspace(tmp_path / "workspace")
    there.add_data("shapes", source_folder)
    made = build_shards(there, BuildSpec(source="shapes", shard_images=6), None, Silent()).path
    before = all_bytes(made)
    os.truncate(made / SHARD, 700)
    report = repair(there, Folder(made), RepairSpec(), 1, Silent())
    assert of_set(made) == before
    assert how(report) == {SHARD: "rebuilt"}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("granctl shards build --source '/a b' --seed 3", ("/a b", None)),
        ("granctl shards plan --source=in1k --source-kind imagenet1k", ("in1k", "imagenet1k")),
        ("granctl shards build", ("embedded", None)),
        ("granctl sweep run study.toml", None),
        ("pytest -q --source x", None),
        ("granctl shards build --source 'unclosed", None),
        ("", None),
    ],
)
def test_command_of_a_build_says_its_source(command, said):
    """What `spec.json` keeps is enough to find the source where it was."""
    assert source_said(command) == said


# --- builds of every kind -----------------------------------------------------------------------


def lookup(dropped: int = 1) -> ClassLookup:
    class_of: dict[str, tuple[int, ...]] = {
        f"n0000000{i}": (i, i + 10) if i > dropped else () for i in range(1, 7)
    }
    return ClassLookup(digest="d", class_of=class_of, num_classes=20, list_name="toy")


@pytest.mark.parametrize(
    "fields",
    [
        {"order": "stratified", "seed": 3},
        {"order": "blocks", "per_class": 2},
        {"images": 11, "share": "equal"},
        {"duplicates": "drop"},
        {"recode": Recode(resize=8, quality=70)},
        {"classes": lookup()},
        {"on_bad_image": "skip"},
        {"audit": "decode", "shard_bytes": 12_000},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_shards_of_any_build_are_built_again(fields, tmp_path):
    """Orders, budgets, duplicates, encoded anew, under a map that drops, with bad images."""
    source = write_source(tmp_path / "s", splits=False)
    shutil.copy(source / "n00000002/a.png", source / "n00000003/z.png")
    if "on_bad_image" in fields:
        (source / "n00000004/bad.png").write_bytes(encoded(9)[:99])
    spec = BuildSpec(source=str(source), **{"shard_images": 5, **fields})
    made = build_shards(Workspace(tmp_path / "w"), spec, None, Silent()).path
    before = all_bytes(made)
    for path in made.glob("*.tar"):
        os.truncate(path, 600)
    report = mend(made, source)
    assert of_set(made) == before
    assert len(report.mended) == sum(name.endswith(".tar") for name in before)


# --- stopped on the way -------------------------------------------------------------------------


def test_full_disk_leaves_the_set_as_it_was(folder, source_folder, monkeypatch):
    """Exit 2 with the reason; the damaged shard is still in its place; then it goes on."""
    before = all_bytes(folder)
    flip(folder / SHARD, samples_of(folder / SHARD)[2].places[0] + 60)
    damaged = (folder / SHARD).read_bytes()
    free = type("Usage", (), {"free": 1000})()
    with monkeypatch.context() as patched:
        patched.setattr("shutil.disk_usage", lambda _: free)
        with pytest.raises(OutputNotWritableError, match="0 MB are free"):
            mend(folder, source_folder)
    assert (folder / SHARD).read_bytes() == damaged
    mend(folder, source_folder)
    assert of_set(folder) == before


@pytest.mark.parametrize("stop_at", range(1, 9))
def test_repair_that_was_stopped_goes_on(folder, source_folder, monkeypatch, stop_at):
    """Stopped at any rename or sync: the same command ends with the bytes of the whole set."""
    before = all_bytes(folder)
    flip(folder / SHARD, samples_of(folder / SHARD)[2].places[0] + 60)
    put(folder / "train-000000.tar", 3, b"x")
    steps = 0

    class StoppedError(BaseException):
        pass

    def stopping(real: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            nonlocal steps
            steps += 1
            if steps == stop_at:
                raise StoppedError
            real(*arguments)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", stopping(os.replace))
        with suppress(StoppedError):
            mend(folder, source_folder)
    assert steps >= min(stop_at, 4)
    mend(folder, source_folder)
    assert of_set(folder) == before
    assert not verify(Folder(folder), selected("E"), 1, Silent()).findings


def test_patched_shard_needs_no_source_after_a_stop(folder, monkeypatch):
    """Stopped when the damaged shard was set aside: the mended one is there, and is taken."""
    before = all_bytes(folder)
    put(folder / SHARD, 3, b"x")
    real, calls = os.replace, []

    def stopping(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(os, "replace", stopping)
        mend(folder, None)
    assert not (folder / SHARD).exists()
    report = mend(folder, None)
    assert how(report) == {SHARD: "patched"}
    assert of_set(folder) == before


def test_every_break_takes_what_it_says():
    """The ways of breaking need nothing but the folder, or a monkeypatch."""
    for case in BREAKS:
        assert set(inspect.signature(case.way).parameters) <= {"folder", "monkeypatch"}
