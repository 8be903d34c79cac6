"""New shards of an old set: those that a build under the map would write."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import xxhash
from generated_images import LABELS, encoded, write_source
from relabelled_sets import copy_of, image_of, said, samples, tars
from told import Told, all_bytes

from granctl.errors import (
    LabelsNotInMapError,
    NothingKeptError,
    OutputExistsError,
    OutputNotWritableError,
    ShardCorruptError,
)
from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.index import ShardSet
from granctl.shards.read import ImageReader
from granctl.workspace import Workspace

PLAIN = [0, 1, 2, 0, 1, 2]
"""Three classes of two labels each."""
SEVERAL = [[0, 7], 1, [2, 3, 4], 12345, [5, 0], 6]
"""Several classes a label, of other numbers of digits."""
WIDE = [0, range(150), 1, range(3, 300), 2, 3]
"""Two labels whose classes need more blocks in .json."""
DROPS = [[], 2, 1, 1, [], 0]
"""Two labels without a class."""


@pytest.mark.parametrize("before", [None, PLAIN, WIDE], ids=["none", "plain", "wide"])
@pytest.mark.parametrize("after", [PLAIN, SEVERAL, WIDE], ids=["plain", "several", "wide"])
def test_shards_are_those_of_a_build_under_the_map(built, relabelled, before, after):
    """Shards and index, byte for byte, whatever the classes were before."""
    made = relabelled(built(before), after, "materialise")
    wanted = built(after)
    assert tars(made.path) == tars(wanted.root)
    found = ShardSet.open(made.path)
    assert found.digest == wanted.digest
    for name in ("classes", "labels", "splits", "shards", "index", "remarks", "bad_images"):
        assert found.manifest[name] == wanted.manifest[name], name


def test_relabel_to_the_own_map_is_the_built_set(built, relabelled, tmp_path):
    """One digest, one manifest, so that it is found where the build put it."""
    shards = built(PLAIN)
    assert not relabelled(shards, PLAIN, "materialise").made
    other = relabelled(shards, SEVERAL, "materialise")
    assert other.digest != shards.manifest["digest"]
    back = relabelled(other.path, PLAIN, "materialise", out=tmp_path / "back")
    assert back.digest == shards.manifest["digest"]
    assert all_bytes(tmp_path / "back") == all_bytes(shards.root)


def test_dropped_labels_are_left_out_of_shards_and_index(built, relabelled):
    """The other samples, in their order, with the same images; counts, offsets, digests of them."""
    shards = built()
    told = Told()
    made = relabelled(shards, DROPS, "materialise", progress=told)
    assert "left out: 8 images of 2 labels that the cut drops" in told.notes
    assert made.details["dropped_images"] == 8
    kept = {label for label, classes in zip(LABELS, DROPS, strict=True) if classes != []}
    before = {k: s for k, s in samples(shards.root).items() if said(s)["label"] in kept}
    after = samples(made.path)
    assert list(after) == list(before)
    for key, sample in after.items():
        assert image_of(sample) == image_of(before[key])
        record = said(sample)
        assert record["classes"] == [record["cls"]] == [DROPS[LABELS.index(record["label"])]]
        assert record["source"] == said(before[key])["source"]
    found = ShardSet.open(made.path)
    assert found.labels == tuple(sorted(kept))
    assert found.label_counts == {"train": (3,) * 4, "test": (1,) * 4}
    with ImageReader(found) as reader:
        for split in found.splits:
            rows, sums = found.rows(split), found.checksums(split).tolist()
            read = [reader.image(rows, i) for i in range(len(rows))]
            assert [xxhash.xxh3_128_hexdigest(image).encode() for image in read] == sums
            assert [image_of(after[key]) for key in found.keys(split)] == read
    assert found.manifest["splits"]["train"]["image_bytes"] == sum(found.rows("train").size)


def test_shards_that_lose_all_images_leave_no_gap(built, relabelled):
    """Sorted by label, whole shards go; the others are numbered anew, without an empty one."""
    shards = built(order="source", shard_images=3)
    assert len(shards.shard_names) == 8
    made = relabelled(shards, DROPS, "materialise")
    names = [f"train-{i:06d}.tar" for i in range(4)] + ["test-000000.tar", "test-000001.tar"]
    assert sorted(path.name for path in made.path.glob("*.tar")) == sorted(names)
    found = ShardSet.open(made.path)
    assert all(shard["images"] for shard in found.manifest["shards"])
    assert sorted(found.keys("train")) == sorted(samples(made.path, "train"))


def test_split_that_loses_all_images_is_gone(relabelled, tmp_path):
    """No empty split is left in the manifest."""
    write_source(tmp_path / "s")
    for label in LABELS[1:]:
        (tmp_path / f"s/test/{label}/d.png").unlink()
        (tmp_path / f"s/test/{label}").rmdir()
    spec = BuildSpec(source=str(tmp_path / "s"))
    base = build_shards(Workspace(tmp_path / "w"), spec, None, Silent()).path
    found = ShardSet.open(relabelled(base, [[], 0, 0, 0, 0, 0], "materialise").path)
    assert found.splits == ("train",)
    assert found.shard_names == ("train-000000.tar",)


def test_further_label_sets_are_fields_of_the_json(built, relabelled):
    """classes_NAME beside classes; images whose label a further set drops stay, with no class."""
    made = relabelled(built(), PLAIN, "materialise", also={"in1k": SEVERAL, "few": DROPS})
    for sample in samples(made.path).values():
        record, i = said(sample), LABELS.index(said(sample)["label"])
        expected = SEVERAL[i] if isinstance(SEVERAL[i], list) else [SEVERAL[i]]
        assert record["classes_in1k"] == expected
        assert record["classes_few"] == (DROPS[i] if isinstance(DROPS[i], list) else [DROPS[i]])
        assert record["classes"] == [PLAIN[i]]
        assert list(record)[-3:-1] == ["label", "source"]
    assert made.details["also"] == {"few": 3, "in1k": 12346}
    assert ShardSet.open(made.path).num_images("train") == 18
    again = relabelled(made.path, PLAIN, "materialise")
    assert all("classes_in1k" not in said(s) for s in samples(again.path).values())


def test_a_relabel_after_another_is_that_relabel(built, relabelled, tmp_path):
    """Under A and then B the set is as under B at once: bytes, manifest, digest."""
    first = relabelled(built(PLAIN), WIDE, "materialise")
    two = relabelled(first.path, SEVERAL, "materialise", out=tmp_path / "two")
    one = relabelled(built(PLAIN), SEVERAL, "materialise", out=tmp_path / "one")
    assert two.digest == one.digest
    theirs, ours = all_bytes(one.path), all_bytes(two.path)
    del theirs["spec.json"], ours["spec.json"]
    assert ours == theirs


def test_bytes_are_the_same_for_any_number_of_workers(built, relabelled, tmp_path):
    """And every image is counted once."""
    told = Told()
    one = relabelled(built(), DROPS, "materialise", out=tmp_path / "one")
    many = relabelled(
        built(), DROPS, "materialise", out=tmp_path / "many", workers=3, progress=told
    )
    assert tars(one.path) == tars(many.path)
    assert told.done["relabelling"] == 16


def test_same_relabel_twice_makes_nothing(built, relabelled, tmp_path):
    """The second finds it whole; --out that holds something else is refused."""
    shards = built()
    assert relabelled(shards, PLAIN, "materialise").made
    assert not relabelled(shards, PLAIN, "materialise").made
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/diary.txt").write_text("dear")
    with pytest.raises(OutputExistsError):
        relabelled(shards, PLAIN, "materialise", out=tmp_path / "mine")
    with pytest.raises(OutputExistsError, match="another artefact"):
        relabelled(shards, PLAIN, "materialise", out=shards.root)


def test_bad_images_and_duplicates_stay_named(relabelled, tmp_path):
    """bad.csv and duplicates.csv come along: what they say holds for the new set too."""
    root = write_source(tmp_path / "s")
    (root / "train/n00000001/bad.png").write_bytes(b"text")
    (root / "train/n00000002/again.png").write_bytes(encoded(0))
    spec = BuildSpec(source=str(root), on_bad_image="skip", duplicates="report")
    base = build_shards(Workspace(tmp_path / "w"), spec, None, Silent()).path
    made = relabelled(base, PLAIN, "materialise").path
    for name in ("bad.csv", "duplicates.csv"):
        assert (made / name).read_bytes() == (base / name).read_bytes()
    with (made / "bad.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["train/n00000001/bad.png"]
    assert ShardSet.open(made).manifest["bad_images"] == 1


def test_label_that_the_map_lacks_stops_before_anything_is_written(built, tmp_path, granctl):
    """Which labels, how many images, which list."""
    from label_maps import write_map

    shards = built()
    labels = write_map(tmp_path / "few.parquet", [0, 1], LABELS[:2])
    full = write_map(tmp_path / "full.parquet", PLAIN)
    for options in (("--labels", labels), ("--labels", full, "--also", f"x={labels}")):
        refused = granctl("shards", "relabel", "--shards", shards.root, *options)
        assert refused.code == LabelsNotInMapError.exit_code == 2
        assert "4 labels of shard set" in refused.err
        assert "(16 images) not in the label map, which is over the list toy-list" in refused.err


def test_map_that_drops_everything_is_refused(built, relabelled):
    """A set without images is none."""
    with pytest.raises(NothingKeptError, match="drops all 6 labels"):
        relabelled(built(), [[]] * 6, "materialise")


def damaged_header(raw: bytearray) -> None:
    """The name of the first .cls is another."""
    at = raw.index(b".cls")
    raw[at - 1] ^= 1


def damaged_label(raw: bytearray) -> None:
    """The first .json says another label."""
    at = raw.index(b'"label":"n0000000') + len(b'"label":"n0000000')
    raw[at] ^= 1


def damaged_end(raw: bytearray) -> None:
    """The last blocks are gone."""
    del raw[-2048:]


def damaged_json(raw: bytearray) -> None:
    """The first .json has no end."""
    at = raw.index(b'"}')
    raw[at : at + 2] = b"  "


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (damaged_header, "has no .cls and .json of 0000000"),
        (damaged_label, "has no .cls and .json of 0000000"),
        (damaged_json, "has no .cls and .json of 0000000"),
        (damaged_end, "bytes, not"),
    ],
)
@pytest.mark.parametrize("how", ["materialise", "in-place"])
def test_damaged_shard_is_an_error_and_goes_nowhere(
    built, relabelled, tmp_path, damage, problem, how
):
    """Exit 3 with the shard; what was not written stays not written."""
    base = copy_of(built(), tmp_path / "base")
    path = base / "train-000001.tar"
    raw = bytearray(path.read_bytes())
    damage(raw)
    path.write_bytes(raw)
    before = all_bytes(base)
    with pytest.raises(ShardCorruptError, match=problem) as caught:
        relabelled(base, SEVERAL, how, out=tmp_path / "new" if how == "materialise" else None)
    assert "train-000001.tar" in caught.value.message
    assert path.read_bytes() == before[path.name]
    assert not (tmp_path / "new/train-000001.tar").exists()
    assert not (tmp_path / "new/manifest.json").exists()


def test_disk_without_room_is_told_first(built, relabelled, monkeypatch):
    """How much is needed and how much is free; no shard is begun."""
    shards = built()
    free = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    with pytest.raises(OutputNotWritableError, match="MB are needed and 0 MB are free"):
        relabelled(shards, PLAIN, "materialise")


def test_shards_of_many_parts_are_the_same(built, relabelled, monkeypatch):
    """However many samples are worked on at once, the bytes do not show it."""
    monkeypatch.setattr("granctl.shards.relabel.members.CHUNK", 2)
    for classes in (WIDE, DROPS):
        made = relabelled(built(), classes, "materialise")
        monkeypatch.setattr("granctl.shards.relabel.members.CHUNK", 1 << 14)
        whole = relabelled(built(), classes, "materialise", out=made.path.with_name("whole"))
        assert tars(made.path) == tars(whole.path)
        monkeypatch.setattr("granctl.shards.relabel.members.CHUNK", 2)
        for path in whole.path.iterdir():
            path.unlink()
        whole.path.rmdir()


def test_offsets_in_the_index_are_read_by_ordinary_readers(built, relabelled):
    """Offset and size of every row cut the image out of the plain file."""
    found = ShardSet.open(relabelled(built(), WIDE, "materialise").path)
    rows, sums = found.rows("train"), found.checksums("train").tolist()
    for i in range(len(rows)):
        with (found.root / found.shard_names[rows.shard[i]]).open("rb") as file:
            file.seek(rows.offset[i])
            image = file.read(rows.size[i])
        assert xxhash.xxh3_128_hexdigest(image).encode() == sums[i]
    assert np.bincount(rows.label).tolist() == [3] * 6


def test_materialising_keeps_the_base(built, relabelled):
    """The old set is read and nothing else."""
    shards = built(PLAIN)
    before = all_bytes(shards.root)
    relabelled(shards, WIDE, "materialise")
    assert all_bytes(shards.root) == before


def test_empty_shard_of_bad_images_stays_where_it_was(relabelled, tmp_path):
    """A shard whose images were all bad has none afterwards either; the index fits."""
    root = tmp_path / "s"
    for i in range(6):
        path = root / f"train/{LABELS[i]}/a.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"text" if i == 2 else encoded(i))
    spec = BuildSpec(
        source=str(root), shard_images=1, order="source", on_bad_image="skip", holdout_frac=0
    )
    base = build_shards(Workspace(tmp_path / "w"), spec, None, Silent()).path
    made = Path(relabelled(base, PLAIN, "materialise").path)
    assert (made / "train-000002.tar").read_bytes() == bytes(1024)
    assert (made / "index.parquet").read_bytes() == (base / "index.parquet").read_bytes()
    assert list(samples(made)) == list(samples(base))
