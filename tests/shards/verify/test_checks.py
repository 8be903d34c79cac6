"""Every check finds what it is for, and nothing where nothing is wrong."""

from __future__ import annotations

import inspect
import random
import shutil
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from broken import (
    BREAKS,
    SHARD,
    Break,
    Sample,
    edit_index,
    edit_json,
    flip,
    put,
    renamed,
    samples_of,
    with_header,
    write_tar,
)
from generated_images import encoded, write_source
from tars import special, tar_bytes

from granctl.errors import BadOptionError, FaultyShardsError, MissingInputError
from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, ClassLookup, build_shards
from granctl.shards.index import ShardSet
from granctl.shards.store import Folder
from granctl.shards.verify.finding import MOST_EACH
from granctl.shards.verify.report import Report
from granctl.shards.verify.table import CHECKS, selected
from granctl.shards.verify.verify import verify
from granctl.workspace import Workspace


def checked(folder: Path, select: str | None = None, workers: int = 1) -> Report:
    """What is found in a folder."""
    return verify(Folder(folder), selected(select), workers, Silent())


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


@pytest.fixture
def folder(shards_folder: Path, tmp_path: Path) -> Path:
    """A shard set of 24 images in 4 shards that may be broken."""
    return shutil.copytree(shards_folder, tmp_path / "set")


def test_whole_set_has_no_finding(folder):
    """Four shards, 24 images and all bytes of the tars were looked at."""
    report = checked(folder)
    assert report.findings == []
    assert (report.shards, report.images) == (4, 24)
    assert report.num_bytes == sum(p.stat().st_size for p in folder.glob("*.tar"))
    report.check()


def test_every_code_has_a_way_of_breaking():
    """No check without a fixture that it finds."""
    assert [one.code for one in BREAKS] == [check.code for check in CHECKS]


@pytest.mark.parametrize("case", BREAKS, ids=lambda case: case.code)
def test_what_is_broken_is_found(case: Break, folder, monkeypatch):
    """The code, and only those that come with it; the shard and the key where it has one."""
    keys = [sample.key for sample in samples_of(folder / SHARD)]
    takes = inspect.signature(case.way).parameters
    case.way(folder, *([monkeypatch] if "monkeypatch" in takes else []))
    report = checked(folder)
    assert case.code in codes(report)
    assert codes(report) - {case.code} <= case.also
    ours = [finding for finding in report.findings if finding.code == case.code]
    if case.code[1] != "1" and case.code != "W301":
        assert {finding.shard for finding in ours} == {SHARD}
    if case.key:
        assert ours[0].key == keys[2]
    if case.code.startswith("E"):
        with pytest.raises(FaultyShardsError, match=case.code) as caught:
            report.check()
        assert caught.value.exit_code == 3
        assert next(check.mend for check in CHECKS if check.code == case.code) in caught.value.hint
    alone = checked(folder, case.code)
    assert codes(alone) == {case.code}


def test_findings_are_the_same_for_any_number_of_workers(folder):
    """Several shards broken in several ways, in one process and in three."""
    flip(folder / "train-000000.tar", 700)
    flip(folder / "train-000002.tar", 3)
    (folder / "test-000000.tar").unlink()
    assert checked(folder, workers=3).record() == checked(folder).record()


# --- flipped bits -------------------------------------------------------------------------------


def sources(path: Path) -> list[range]:
    """Where the names of sources stand in .json members: no checksum covers them."""
    found = []
    for sample in samples_of(path):
        begin = sample.contents[2].index(b'"source":"') + 10
        end = sample.contents[2].index(b'"}')
        found.append(range(sample.places[2] + begin, sample.places[2] + end))
    return found


def check_flips(folder: Path, places: list[int]) -> None:
    path = folder / SHARD
    spared = sources(path)
    for at in places:
        flip(path, at)
        found = codes(checked(folder))
        if not any(at in place for place in spared):
            assert found, f"byte {at}"
        flip(path, at)
    assert not codes(checked(folder))


def test_any_flipped_bit_is_found(folder):
    """120 places of a shard, headers, images, labels, padding and end alike."""
    size = (folder / SHARD).stat().st_size
    check_flips(folder, random.Random(0).sample(range(size), 120))


@pytest.mark.slow
def test_flipped_bits_are_found_everywhere(folder):
    """Four thousand places of a shard."""
    size = (folder / SHARD).stat().st_size
    check_flips(folder, random.Random(1).sample(range(size), 4000))


# --- cases of single checks ---------------------------------------------------------------------


def test_cut_shard_says_how_many_images_are_lost(folder):
    """Those from the third on; the images before it were checked."""
    keys = [sample.key for sample in samples_of(folder / SHARD)]
    put(folder / SHARD, samples_of(folder / SHARD)[1].places[0] + 60, b"????")
    whole = (folder / SHARD).read_bytes()
    (folder / SHARD).write_bytes(whole[: samples_of(folder / SHARD)[2].places[0] + 100])
    found = {finding.code: finding for finding in checked(folder).findings}
    assert set(found) == {"E203", "E301"}
    assert f"4 images are lost, from {keys[2]} on" in found["E203"].what
    assert found["E301"].key == keys[1]


@pytest.mark.parametrize("size", [0, 1, 511, 512, 1024])
def test_shard_of_hardly_any_byte(folder, size):
    """An empty file, half a header, a header alone: cut short, and no other word."""
    (folder / SHARD).write_bytes((folder / SHARD).read_bytes()[:size])
    report = checked(folder)
    assert codes(report) == {"E203"}
    assert "6 images are lost" in report.findings[0].what


def test_walk_goes_on_behind_a_damaged_header(folder):
    """Two headers apart, each named; what lies between them is judged as ever."""
    samples = samples_of(folder / SHARD)
    flip(folder / SHARD, samples[0].places[0] - 500)
    flip(folder / SHARD, samples[4].places[2] - 500)
    flip(folder / SHARD, samples[2].places[0] + 50)
    found = sorted((finding.code, finding.key) for finding in checked(folder).findings)
    keys = [sample.key for sample in samples]
    assert found == sorted([("E206", keys[0]), ("E206", keys[4]), ("E301", keys[2])])


@pytest.mark.parametrize(
    ("kind", "words"), [("1", "hard link"), ("2", "symbolic link"), ("3", "a device")]
)
def test_links_and_devices_in_a_shard(folder, kind, words):
    """A member that is no file is named."""
    samples = samples_of(folder / SHARD)

    def change(head: bytearray) -> None:
        head[156] = ord(kind)

    with_header(folder / SHARD, samples[5].places[2], change)
    ours = [finding for finding in checked(folder).findings if finding.code == "E207"]
    assert [words in finding.what for finding in ours] == [True]


def test_absolute_name_in_a_shard(folder):
    """`/etc/x.cls` is unsafe too."""
    renamed(folder / SHARD, samples_of(folder / SHARD)[0].places[1], "/etc/x.cls")
    assert "E207" in codes(checked(folder))


def test_shard_written_again_by_tar_is_odd_and_no_error(folder):
    """The same members under headers with a time: a warning for each sample."""

    def dated(sample: Sample) -> None:
        def change(head: bytearray) -> None:
            head[136:147] = b"%011o" % 1_700_000_000

        for place in sample.places:
            with_header(folder / SHARD, place, change)

    for sample in samples_of(folder / SHARD):
        dated(sample)
    report = checked(folder)
    assert codes(report) == {"W201"}
    assert report.num_warnings == 6
    report.check()


def test_shards_exchanged_for_one_another(folder):
    """Every image of both is in the wrong place."""
    first, second = folder / "train-000000.tar", folder / SHARD
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    report = checked(folder)
    assert {"E210", "E211"} <= codes(report)
    assert {f.shard for f in report.findings if f.code == "E210"} == {first.name, SHARD}
    assert "E301" not in codes(report)  # they are elsewhere, not damaged


def test_many_findings_of_one_kind_are_counted(folder, tmp_path):
    """After twenty in a shard, how many more; the sum is right."""
    source = tmp_path / "many/train/n1"
    source.mkdir(parents=True)
    image = next(p for p in tmp_path.rglob("*.tar"))
    content = samples_of(image)[0].contents[0]
    for i in range(30):
        (source / f"{i:02d}.png").write_bytes(content)
    spec = BuildSpec(source=str(tmp_path / "many"), holdout_frac=0.0)
    made = build_shards(Workspace(tmp_path / "own"), spec, None, Silent()).path
    for sample in samples_of(made / "train-000000.tar"):
        flip(made / "train-000000.tar", sample.places[0] + 40)
    report = checked(made)
    assert report.num_errors == 30
    assert len(report.findings) == MOST_EACH + 1
    assert report.findings[-1].what == "10 more of these"
    assert report.record()["codes"] == {"E301": 30}


def test_multi_label_classes_are_checked(tmp_path):
    """.json lists all classes of the map; one that lost a class is found."""
    source = write_source(tmp_path / "s")
    lookup = ClassLookup(
        digest="d",
        class_of={f"n0000000{i}": (i, i + 10) for i in range(1, 7)},
        num_classes=20,
        list_name="toy",
    )
    spec = BuildSpec(source=str(source), classes=lookup)
    made = build_shards(Workspace(tmp_path / "own"), spec, None, Silent()).path
    assert not codes(checked(made))
    tar = made / "train-000000.tar"
    sample = samples_of(tar)[3]
    text = sample.contents[2]
    at = sample.places[2]
    changed = text.replace(b",1", b", ", 1)  # [3, 3] in the place of [3,13]
    put(tar, at, changed)
    (found,) = checked(made).findings
    assert (found.code, found.key) == ("E306", sample.key)
    assert "has classes" in found.what


def test_json_with_escapes_and_other_scripts_is_good(tmp_path):
    """Sources whose names need escapes, or are not ASCII, are compared as JSON."""
    source = write_source(tmp_path / "s")
    for i, name in enumerate(('a"b.png', "back\\slash.png", "ü" * 100 + ".png", "x\ty.png")):
        (source / f"train/n0000000{i + 1}/a.png").rename(source / f"train/n0000000{i + 1}/{name}")
    made = build_shards(Workspace(tmp_path / "o"), BuildSpec(source=str(source)), None, Silent())
    assert not codes(checked(made.path))


def test_json_members_of_different_lengths_are_judged(tmp_path):
    """Long names of sources make longer members; one of them with another label is found."""
    source = write_source(tmp_path / "s")
    for i in (1, 3, 5):
        folder = source / f"train/n0000000{i}" / ("d" * 200) / ("e" * 200) / ("f" * 200)
        folder.mkdir(parents=True)
        (source / f"train/n0000000{i}/a.png").rename(folder / "a.png")
    made = build_shards(Workspace(tmp_path / "o"), BuildSpec(source=str(source)), None, Silent())
    assert not codes(checked(made.path))
    tar = made.path / "train-000000.tar"
    sizes = {len(sample.contents[2]) for sample in samples_of(tar)}
    assert len(sizes) > 1
    longest = max(samples_of(tar), key=lambda sample: len(sample.contents[2]))
    at = longest.places[2] + longest.contents[2].index(b"n0000000") + 8
    put(tar, at, b"8")
    assert [(f.code, f.key) for f in checked(made.path).findings] == [("E305", longest.key)]


def test_shard_without_images_is_whole(tmp_path):
    """All images of a shard were bad: it is two blocks of zeros, and that is checked."""
    root = tmp_path / "s/train/a"
    root.mkdir(parents=True)
    (root / "1.png").write_bytes(encoded(1))
    (root / "2.png").write_bytes(b"bad")
    spec = BuildSpec(
        source=str(tmp_path / "s"), shard_images=1, on_bad_image="skip", holdout_frac=0.0
    )
    made = build_shards(Workspace(tmp_path / "o"), spec, None, Silent()).path
    assert {path.stat().st_size == 1024 for path in made.glob("*.tar")} == {True, False}
    assert not codes(checked(made))
    (empty,) = (path for path in made.glob("*.tar") if path.stat().st_size == 1024)
    put(empty, 600, b"x")
    assert codes(checked(made)) == {"E205"}


def test_same_image_in_train_and_test_is_a_leak(tmp_path):
    """A warning with both keys; within one split it is no finding."""
    source = write_source(tmp_path / "s")
    image = (source / "train/n00000001/a.png").read_bytes()
    (source / "test/n00000002/again.png").write_bytes(image)
    (source / "train/n00000003/again.png").write_bytes(image)
    made = build_shards(Workspace(tmp_path / "o"), BuildSpec(source=str(source)), None, Silent())
    report = checked(made.path)
    assert codes(report) == {"W301"}
    assert len(report.findings) == 1
    assert "the image is in train, and in test as 0" in report.findings[0].what


def test_damaged_index_leaves_the_tars_to_be_walked(folder):
    """Without an index headers and samples are still looked at."""
    flip(folder / "index.parquet", 700)
    samples = samples_of(folder / SHARD)
    del samples[2].names[1], samples[2].contents[1]
    write_tar(folder / SHARD, samples)
    found = {(finding.code, finding.shard) for finding in checked(folder).findings}
    assert found == {("E104", ""), ("E203", SHARD), ("E208", SHARD)}


def test_lying_index_cannot_ask_for_gigabytes(folder):
    """An image that claims 2 GB, and a shard that claims as many: found, within little memory."""
    edit_index(folder, lambda rows: rows[11].update(size=2**31 - 1))
    edit_json(folder / "manifest.json", lambda m: m["shards"][1].update(bytes=2**32))
    tracking = Tracking()
    with tracking:
        report = checked(folder)
    assert {"E106", "E203"} <= codes(report)
    assert tracking.most < 50_000_000


class Tracking:
    """The most memory that Python objects took inside the block."""

    def __enter__(self) -> None:
        tracemalloc.start()

    def __exit__(self, *_: Any) -> None:
        self.most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


# --- what is no set of ours ---------------------------------------------------------------------


def test_tars_of_others_are_walked(tmp_path):
    """A warning that says what is not looked at; a sample without an image and a link are found."""
    files = {"a/1.jpg": b"j", "a/1.cls": b"3", "a/2.cls": b"4", "a/3.PNG": b"p", "a/3.json": b"{}"}
    link = special("a/4.jpg", tarfile.SYMTYPE, "/etc/passwd")
    (tmp_path / "x-000.tar").write_bytes(tar_bytes(files, tarfile.PAX_FORMAT, link))
    (tmp_path / "x-001.tar").write_bytes(tar_bytes(files)[: 9 * 512])
    found = [(f.code, f.shard, f.key) for f in checked(tmp_path).findings]
    assert found == [
        ("W103", "", ""),
        ("E207", "x-000.tar", ""),
        ("E208", "x-000.tar", "a/2"),
        ("E203", "x-001.tar", ""),
        ("E205", "x-001.tar", ""),
        ("E208", "x-001.tar", "a/2"),
    ]


def test_nothing_to_verify(tmp_path):
    """No such folder; a folder that holds no shard set."""
    with pytest.raises(MissingInputError):
        checked(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError):
        checked(tmp_path / "empty")


# --- which checks -------------------------------------------------------------------------------


def test_checks_are_chosen_by_code_or_beginning():
    """`E3,w301` is all of E3 and one warning."""
    assert selected("E3,w301") == {"E301", "E302", "E303", "E304", "E305", "E306", "W301"}
    assert selected(None) == {check.code for check in CHECKS}
    for wrong in ("E9", "", "E1,,", "X"):
        with pytest.raises(BadOptionError, match="--select"):
            selected(wrong)


def test_shards_are_not_read_for_checks_of_the_set(folder, monkeypatch):
    """--select E1 opens no tar."""
    monkeypatch.setattr(Folder, "open", only_small(Folder.open))
    report = checked(folder, "E1,W301")
    assert (report.shards, report.findings) == (0, [])


def only_small(real: Callable[..., Any]) -> Callable[..., Any]:
    def opened(self: Folder, name: str) -> Any:
        assert not name.endswith(".tar")
        return real(self, name)

    return opened


def test_set_is_opened_once_it_is_mended(folder):
    """What was broken and put back is whole again; a verification leaves nothing in the folder."""
    before = sorted(folder.rglob("*"))
    flip(folder / SHARD, 5000)
    assert checked(folder).num_errors
    flip(folder / SHARD, 5000)
    assert not checked(folder).findings
    assert sorted(folder.rglob("*")) == before
    assert ShardSet.open(folder).num_images("train") == 18


def test_nested_json_is_damage_and_no_crash(folder):
    """Brackets without end, where an object should be: in a sample, and in the manifest."""
    sample = samples_of(folder / SHARD)[2]
    put(folder / SHARD, sample.places[2], b"[" * len(sample.contents[2]))
    assert codes(checked(folder)) == {"E304"}
    (folder / "manifest.json").write_text("[" * 100_000)
    assert "E102" in codes(checked(folder))


def test_manual_has_the_table_of_checks():
    """Every code and what it looks for, in their order."""
    page = Path(__file__).parents[3] / "docs/commands/shards-verify.md"
    rows = [line.split("|")[1:3] for line in page.read_text().splitlines() if line[:4] == "| `E"]
    rows += [line.split("|")[1:3] for line in page.read_text().splitlines() if line[:4] == "| `W"]
    found = [(code.strip(" `"), about.strip()) for code, about in rows]
    assert found == [(check.code, check.about) for check in CHECKS]


def test_images_that_were_not_read_are_not_counted(folder):
    """What is missing or cut off was not looked at."""
    (folder / "train-000000.tar").unlink()
    third = samples_of(folder / SHARD)[2]
    (folder / SHARD).write_bytes((folder / SHARD).read_bytes()[: third.places[0]])
    report = checked(folder)
    assert report.images == 6 + 6 + 2
    assert report.num_bytes == sum(p.stat().st_size for p in folder.glob("*.tar"))


@pytest.mark.parametrize(
    ("name", "code"),
    [("spec.json", "E103"), ("bad.csv", "E109"), ("manifest.json", "E102"), (SHARD, "E202")],
)
def test_folder_in_the_place_of_a_file_is_a_finding(folder, name, code):
    """What the system cannot read is told, whatever the reason."""
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    assert code in codes(checked(folder))
