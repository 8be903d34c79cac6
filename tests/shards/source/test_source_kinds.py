"""Each form in which images are handed out is read where it lies; small made-up ones of each."""

import io
import json
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from generated_images import encoded, write_source
from tars import special, tar_bytes

from granctl.errors import (
    BadOptionError,
    CompressedSourceError,
    MissingInputError,
    NoImagesError,
    SourceChangedError,
    SourceKindError,
    SourceLayoutError,
    UnsafeLinkError,
)
from granctl.shards.source.counting import counted
from granctl.shards.source.detect import detected
from granctl.shards.source.listing import SPLITS
from granctl.shards.source.resolve import open_source
from granctl.workspace import Workspace

WNIDS = ("n01440764", "n01443537", "n01484850")


@pytest.fixture
def opened(tmp_path):
    """`opened(path, ...)` opens a source in an empty workspace."""
    return lambda path, **options: open_source(Workspace(tmp_path / "w"), str(path), **options)


def found(source) -> dict[str, tuple[str, str, bytes]]:
    """Name -> label, split and bytes of every image."""
    listing = source.listing
    return {
        name: (
            listing.labels[listing.label_of[i]],
            SPLITS[listing.split_of[i]],
            source.read(i),
        )
        for i, name in enumerate(listing.names)
    }


def write(path: Path, content: bytes | str) -> Path:
    """Writes a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def synset_tars(split: str = "") -> dict[str, bytes]:
    """A tar a synset: two images each, and a note in one of them."""
    tars = {}
    for i, wnid in enumerate(WNIDS):
        files = {f"{wnid}_{j}.JPEG": encoded(10 * i + j, ".jpg") for j in (7, 3)}
        extra = {"notes.txt": b"no image"} if i == 1 else {}
        tars[f"{split}{wnid}.tar"] = tar_bytes(files | extra)
    return tars


def synset_images(split: str = "train") -> dict[str, tuple[str, str, bytes]]:
    """What `synset_tars` holds, as `found` says it."""
    return {
        f"{wnid}/{wnid}_{j}.JPEG": (wnid, split, encoded(10 * i + j, ".jpg"))
        for i, wnid in enumerate(WNIDS)
        for j in (7, 3)
    }


def test_folder_of_synset_tars_and_tar_of_tars_are_one_listing(opened, tmp_path):
    """The same names, order, bytes and digest, though the inner tars stand in another order."""
    for name, content in synset_tars().items():
        write(tmp_path / "tars" / name, content)
    shuffled = dict(reversed(synset_tars().items()))
    whole = write(tmp_path / "whole" / "winter21_whole.tar", tar_bytes(shuffled))
    sources = [opened(tmp_path / "tars"), opened(whole), opened(whole.parent)]
    for source in sources:
        assert found(source) == synset_images()
        assert list(source.listing.names) == list(synset_images())
        assert source.listing.num_others == 1
        assert source.digest == sources[0].digest
    assert sources[0].listing.lies_at.tolist() == [0, 1, 2, 3, 5, 6]
    assert np.argsort(sources[1].listing.lies_at).tolist() == [4, 5, 2, 3, 0, 1]


def test_tars_of_splits_keep_their_splits(opened, tmp_path):
    """train/SYNSET.tar and val/SYNSET.tar; and train.tar, val.tar of class folders."""
    for split in ("train", "val"):
        for name, content in synset_tars().items():
            write(tmp_path / "a" / split / name, content)
        inner = {name: image for name, (_, _, image) in synset_images().items()}
        write(tmp_path / "b" / f"{split}.tar", tar_bytes(inner))
    expected = {
        f"{split}/{name}": (label, split, image)
        for split in ("train", "val")
        for name, (label, _, image) in synset_images().items()
    }
    assert found(opened(tmp_path / "a")) == expected == found(opened(tmp_path / "b"))


@pytest.mark.parametrize("prefix", ["", "n01440764/", "./n01440764/deep/"])
def test_synset_tar_may_hold_its_own_folder(opened, tmp_path, prefix):
    """`tar cf n01440764.tar n01440764` and `cd n01440764; tar cf ../n01440764.tar .` are alike."""
    for wnid in WNIDS[:2]:
        write(tmp_path / f"s/{wnid}.tar", tar_bytes({f"{prefix}x.jpg": encoded(1, ".jpg")}))
    listing = opened(tmp_path / "s").listing
    assert listing.labels == WNIDS[:2]
    assert listing.label_of.tolist() == [0, 1]


def test_single_tar_of_class_folders(opened, tmp_path):
    """The tar's own name is no class when its members lie in folders."""
    files = {name: image for name, (_, _, image) in synset_images().items()}
    assert found(opened(write(tmp_path / "images.tar", tar_bytes(files)))) == synset_images()


def test_hostile_tar_is_read_without_following_anything(opened, tmp_path):
    """Links, devices and names that lead out are named; the rest of the tar is read."""
    secret = write(tmp_path / "secret.jpg", b"secret")
    files = {"good.jpg": b"good", "../../secret.jpg": b"evil", str(secret): b"evil"}
    links = [special("l.jpg", tarfile.SYMTYPE, str(secret)), special("dev.jpg", tarfile.CHRTYPE)]
    write(tmp_path / "s/n1.tar", tar_bytes(files, tarfile.GNU_FORMAT, *links))
    write(tmp_path / "s/n2.tar", tar_bytes({"a.jpg": b"a" * 900, "b.jpg": b"b" * 900})[:2500])
    source = opened(tmp_path / "s")
    assert {name: image for name, (_, _, image) in found(source).items()} == {
        "n1/good.jpg": b"good",
        "n2/a.jpg": b"a" * 900,
    }
    problems = dict(source.listing.rejected)
    assert set(problems) == {
        "n1.tar/../../secret.jpg",
        f"n1.tar/{secret}",
        "n1.tar/l.jpg",
        "n1.tar/dev.jpg",
        "n2.tar/b.jpg",
        "n2.tar",
    }


def test_member_that_stands_twice_counts_once(opened, tmp_path):
    """As unpacking would leave it: the last one."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for content in (b"old", b"newer"):
            info = tarfile.TarInfo("a.jpg")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    write(tmp_path / "s/n1.tar", buffer.getvalue())
    write(tmp_path / "s/n2.tar", tar_bytes({"a.jpg": b"x"}))
    assert found(opened(tmp_path / "s"))["n1/a.jpg"][2] == b"newer"
    assert len(opened(tmp_path / "s").listing) == 2


def test_headers_are_walked_once(opened, tmp_path, monkeypatch):
    """The second time they come from the cache; only a tar that changed is walked again."""
    from granctl.shards.source import headerscan

    for name, content in synset_tars().items():
        write(tmp_path / "s" / name, content)
    walked = []
    real = headerscan._walked
    monkeypatch.setattr(
        headerscan, "_walked", lambda root, file: walked.append(file.name) or real(root, file)
    )
    first = opened(tmp_path / "s")
    assert len(walked) == 3
    assert opened(tmp_path / "s").digest == first.digest
    assert len(walked) == 3
    write(tmp_path / "s/n01440764.tar", tar_bytes({"new.jpg": b"1"}))
    again = opened(tmp_path / "s")
    assert walked[3:] == ["n01440764.tar"]
    assert again.digest != first.digest
    assert (
        found(again)["n01443537/n01443537_3.JPEG"] == synset_images()["n01443537/n01443537_3.JPEG"]
    )
    caches = sorted((tmp_path / "w/cache/headers").iterdir())
    for damage in (b"", b"granctl1" + bytes(40), caches[0].read_bytes()[:-3] + b"abc"):
        caches[0].write_bytes(damage)
        walked.clear()
        assert found(opened(tmp_path / "s")) == found(again)
        assert len(walked) == 3


def test_source_of_tars_works_in_another_process(opened, tmp_path):
    """It pickles with its listing, and opens its own files."""
    for name, content in synset_tars().items():
        write(tmp_path / "s" / name, content)
    source = opened(tmp_path / "s")
    source.read(0)
    assert found(pickle.loads(pickle.dumps(source))) == synset_images()


def test_tar_that_shrank_is_noticed(opened, tmp_path):
    """A read past the end is an error of the data, and so is a file that is gone."""
    for name, content in synset_tars().items():
        write(tmp_path / "s" / name, content)
    source, last = opened(tmp_path / "s"), len(synset_images()) - 1
    os.truncate(tmp_path / "s" / f"{WNIDS[2]}.tar", 600)
    with pytest.raises(SourceChangedError, match="ends at byte"):
        source.read(last)
    (tmp_path / "s" / f"{WNIDS[0]}.tar").unlink()
    with pytest.raises(SourceChangedError, match="gone"):
        source.read(0)


def test_deepest_folder_of_the_label_list_is_the_class(opened, tmp_path):
    """animal/dog/x.jpg has the label dog where a list names it; without a list, animal."""
    for i, path in enumerate(("animal/dog/1.png", "animal/cat/kitten/2.png", "plant/3.png")):
        write(tmp_path / "s" / path, encoded(i))
    known = {"dog", "cat", "animal"}
    labels = {
        name: label for name, (label, _, _) in found(opened(tmp_path / "s", known=known)).items()
    }
    assert labels == {
        "animal/dog/1.png": "dog",
        "animal/cat/kitten/2.png": "cat",
        "plant/3.png": "plant",
    }
    assert opened(tmp_path / "s").listing.labels == ("animal", "plant")
    paths = opened(tmp_path / "s", known={"animal/dog", "animal/cat/kitten", "plant"})
    assert paths.listing.labels == ("animal/cat/kitten", "animal/dog", "plant")


# --- ImageNet-1k ----------------------------------------------------------------------------------

VAL = {f"ILSVRC2012_val_0000000{i}.JPEG": encoded(100 + i, ".jpg") for i in (1, 2, 3, 4)}
TRUE = dict(zip(VAL, (WNIDS[2], WNIDS[0], WNIDS[1], WNIDS[0]), strict=True))


def devkit(order: tuple[str, ...]) -> dict[str, bytes]:
    """meta.mat and the ground truth: synsets are numbered from 1 in this order."""
    savemat = pytest.importorskip("scipy.io").savemat
    synsets = np.array(
        [(np.array([[i + 1.0]]), wnid, "words", 0.0) for i, wnid in enumerate(order)],
        dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")],
    ).reshape(-1, 1)
    buffer = io.BytesIO()
    savemat(buffer, {"synsets": synsets}, do_compression=True)
    truth = "".join(f"{order.index(TRUE[name]) + 1}\n" for name in sorted(VAL))
    return {"meta.mat": buffer.getvalue(), "ILSVRC2012_validation_ground_truth.txt": truth.encode()}


def packed_devkit(order: tuple[str, ...]) -> bytes:
    """The same as it is handed out."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in devkit(order).items():
            info = tarfile.TarInfo(f"ILSVRC2012_devkit_t12/data/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


TRUTHS = {
    "LOC_val_solution.csv": lambda: (
        "ImageId,PredictionString\n"
        + "".join(f"{n[:-5]},{w} 1 2 3 4 {w} 5 6 7 8\n" for n, w in TRUE.items())
    ),
    "val.txt": lambda: "".join(f"{n} {WNIDS.index(w)}\n" for n, w in TRUE.items()),
    "imagenet_2012_validation_synset_labels.txt": lambda: "".join(
        f"{TRUE[n]}\n" for n in sorted(VAL)
    ),
    "val_annotations.txt": lambda: "".join(f"{n}\t{w}\t0\t0\t9\t9\n" for n, w in TRUE.items()),
    "ILSVRC2012_devkit_t12.tar.gz": lambda: packed_devkit((WNIDS[1], WNIDS[2], WNIDS[0])),
}


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("form", ["tars", "folders", "kaggle", "images"])
def test_imagenet1k_with_flat_validation_images(opened, tmp_path, truth, form):
    """Official tars, or folders, with any of the files that say the labels of val."""
    root = tmp_path / "in1k"
    inner = root / "ILSVRC/Data/CLS-LOC" if form == "kaggle" else root
    if form == "tars":
        write(root / "ILSVRC2012_img_train.tar", tar_bytes(synset_tars()))
        write(root / "ILSVRC2012_img_val.tar", tar_bytes(VAL))
    else:
        for name, (_, _, image) in synset_images().items():
            write(inner / "train" / name, image)
        for name, image in VAL.items():
            write(inner / ("val/images" if form == "images" else "val") / name, image)
    write(root / truth, TRUTHS[truth]())
    images = found(opened(root))
    held = {n.rpartition("/")[2]: (w, b) for n, (w, s, b) in images.items() if s == "val"}
    assert held == {name: (TRUE[name], image) for name, image in VAL.items()}
    assert len(images) == 10
    assert detected(root) == "imagenet1k"


def test_ground_truth_beside_meta_mat_is_read(opened, tmp_path):
    """The development kit unpacked beside the tars."""
    write(tmp_path / "s/ILSVRC2012_img_train.tar", tar_bytes(synset_tars()))
    write(tmp_path / "s/ILSVRC2012_img_val.tar", tar_bytes(VAL))
    for name, content in devkit(WNIDS).items():
        write(tmp_path / "s/ILSVRC2012_devkit_t12/data" / name, content)
    images = found(opened(tmp_path / "s"))
    assert {n[4:]: w for n, (w, s, _) in images.items() if s == "val"} == TRUE
    (tmp_path / "s/ILSVRC2012_devkit_t12/data/meta.mat").write_bytes(b"x" * 200)
    with pytest.raises(SourceLayoutError, match="do not fit"):
        opened(tmp_path / "s")


def test_flat_validation_images_without_labels_are_refused(opened, tmp_path):
    """Not left out in silence, and the mend names the files that would do."""
    write(tmp_path / "s/ILSVRC2012_img_train.tar", tar_bytes(synset_tars()))
    write(tmp_path / "s/ILSVRC2012_img_val.tar", tar_bytes(VAL))
    with pytest.raises(SourceLayoutError, match="no file has labels") as caught:
        opened(tmp_path / "s")
    assert "LOC_val_solution.csv" in caught.value.hint
    write(tmp_path / "s/val.txt", "ILSVRC2012_val_00000001.JPEG 0\n")
    with pytest.raises(SourceLayoutError, match="no label of 3 images"):
        opened(tmp_path / "s")
    write(tmp_path / "s/val.txt", "ILSVRC2012_val_00000001.JPEG 3\n")
    with pytest.raises(SourceLayoutError, match="there are 3 training labels"):
        opened(tmp_path / "s")


# --- iNaturalist ----------------------------------------------------------------------------------


def inaturalist(root: Path, split: str, names: dict[str, str]) -> None:
    """A JSON file of a split: image -> folder of its category."""
    folders = sorted(set(names.values()))
    record = {
        "info": {},
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": folders.index(folder)}
            for i, folder in enumerate(names.values())
        ],
        "categories": [
            {"id": i, "name": f"species {i}", "image_dir_name": folder}
            for i, folder in enumerate(folders)
        ],
    }
    write(root / f"{split}.json", json.dumps(record))


def test_inaturalist_follows_its_json(opened, tmp_path):
    """Labels are the folders' names; images of no JSON file are left out and counted."""
    root, names = tmp_path / "inat", {}
    for split in ("train", "val"):
        names[split] = {
            f"{split}/0000{i}_Animalia_{i}/{i}.jpg": f"0000{i}_Animalia_{i}" for i in (1, 2)
        }
        for i, name in enumerate(names[split]):
            write(root / name, encoded(i, ".jpg"))
        inaturalist(root, split, names[split])
    write(root / "public_test/9.jpg", encoded(9, ".jpg"))
    source = opened(root)
    assert {n: (w, s) for n, (w, s, _) in found(source).items()} == {
        name: (label, split) for split in names for name, label in names[split].items()
    }
    assert source.listing.num_outside == 1
    (root / next(iter(names["train"]))).unlink()
    with pytest.raises(SourceLayoutError, match="1 of 2 images are not here"):
        opened(root)


def test_inaturalist_of_validation_only(opened, tmp_path):
    """A train.json whose images were never fetched is left out."""
    inaturalist(tmp_path / "s", "train", {"train/a/1.jpg": "a"})
    inaturalist(tmp_path / "s", "val", {"val/a/1.jpg": "a"})
    write(tmp_path / "s/val/a/1.jpg", encoded(1, ".jpg"))
    assert [s for _, s, _ in found(opened(tmp_path / "s")).values()] == ["val"]


# --- WebDataset, shard sets, Parquet, tables ------------------------------------------------------


def test_webdataset_of_others(opened, tmp_path):
    """.cls goes before .json; the split is that of the shard's name; broken samples are named."""
    files = {}
    for i in range(3):
        files |= {f"{i:03d}.jpg": encoded(i, ".jpg"), f"{i:03d}.cls": f"{i % 2}\n".encode()}
    files |= {"lone.cls": b"1", "bare.jpg": b"x", "odd.jpg": b"y", "odd.json": b"[]"}
    write(tmp_path / "s/in-train-000000.tar", tar_bytes(files))
    held = {"a/7.png": encoded(7), "a/7.json": json.dumps({"wnid": "1", "url": "u"}).encode()}
    write(tmp_path / "s/in-validation-000000.tar", tar_bytes(held, tarfile.PAX_FORMAT))
    source = opened(tmp_path / "s")
    assert found(source) == {
        **{
            f"in-train-000000/{i:03d}.jpg": (str(i % 2), "train", encoded(i, ".jpg"))
            for i in range(3)
        },
        "in-validation-000000/a/7.png": ("1", "val", encoded(7)),
    }
    assert dict(source.listing.rejected) == {
        "in-train-000000.tar/lone": "a sample without an image",
        "in-train-000000.tar/bare": "a sample without a label",
        "in-train-000000.tar/odd": "its .json is no object",
    }
    write(tmp_path / "s/labels.txt", "n1 tench\nn2 goldfish\n")
    assert opened(tmp_path / "s").listing.labels == ("n1", "n2")
    write(tmp_path / "s/labels.txt", "n1\n")
    with pytest.raises(SourceLayoutError, match="count up to 1"):
        opened(tmp_path / "s")


def test_webdataset_by_a_pattern(opened, tmp_path):
    """Braces name the shards; one that is missing is told."""
    for i in range(3):
        write(tmp_path / f"x-{i:04d}.tar", tar_bytes({"k.jpg": b"a", "k.cls": b"0"}))
    write(tmp_path / "other.tar", b"")
    assert len(opened(f"{tmp_path}/x-{{0000..0002}}.tar").listing) == 3
    with pytest.raises(MissingInputError) as caught:
        opened(f"{tmp_path}/x-{{0000..0003}}.tar")
    assert "x-0003.tar" in caught.value.hint


def test_shard_set_is_a_source(opened, shards):
    """Every image of it, with its label, split and bytes."""
    source = opened(shards.root)
    listing = source.listing
    assert listing.labels == shards.labels
    assert np.bincount(listing.split_of, minlength=3).tolist() == [18, 0, 6]
    assert sorted(listing.lies_at.tolist()) == list(range(24))
    originals = {image for _, _, image in found(source).values()}
    assert originals == {
        encoded(4 * i + j, s)
        for i in range(6)
        for j, s in enumerate((".png", ".jpg", ".webp", ".png"))
    }


def hub_table(numbers: list[int], names: list[str] | None, per_group: int, path: Path) -> None:
    """A Parquet file as the hub has it."""
    images = [{"bytes": encoded(i), "path": f"{i}.png"} for i in range(len(numbers))]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(images, kind), "label": pa.array(numbers, pa.int64())})
    if names:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        record = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": record})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=per_group)


def test_parquet_of_the_hub(opened, tmp_path):
    """Names from the metadata, splits from the files' names, -1 left out, any order of reads."""
    root = tmp_path / "s"
    hub_table([1, 0, 1, 1, 0], ["cat", "dog"], 2, root / "data/train-00000-of-00001.parquet")
    hub_table([0, -1], ["cat", "dog"], 9, root / "data/validation-00000-of-00001.parquet")
    source = opened(root)
    stem = "data/train-00000-of-00001"
    assert found(source) == {
        **{
            f"{stem}#{i}": (("cat", "dog")[n], "train", encoded(i))
            for i, n in enumerate((1, 0, 1, 1, 0))
        },
        "data/validation-00000-of-00001#0": ("cat", "val", encoded(0)),
    }
    assert [source.read(i) for i in (4, 0, 3, 1)] == [encoded(i) for i in (4, 0, 3, 1)]
    assert pickle.loads(pickle.dumps(source)).read(2) == encoded(2)
    assert opened(root).digest == source.digest
    assert source.listing.num_outside == 1


def test_parquet_without_names_has_numbers_as_labels(opened, tmp_path):
    """A plain binary column and text labels do as well."""
    hub_table([3, 12], None, 2, tmp_path / "s/x.parquet")
    assert opened(tmp_path / "s").listing.labels == ("12", "3")
    table = pa.table({"jpg": [b"1", b"2"], "cls": ["a", "b"]})
    pq.write_table(table, tmp_path / "plain.parquet")
    assert found(opened(tmp_path / "plain.parquet"))["plain#1"] == ("b", "train", b"2")
    pq.write_table(pa.table({"jpg": ["text"], "cls": ["a"]}), tmp_path / "text.parquet")
    with pytest.raises(SourceLayoutError, match="holds string, not bytes"):
        opened(tmp_path / "text.parquet")


def test_table_of_paths(opened, tmp_path):
    """Columns in any order and with or without a head line; comma or tab."""
    for i in range(3):
        write(tmp_path / f"s/images/{i}.png", encoded(i))
    full = "label,path,split\ncat,images/0.png,train\ndog,./images/1.png,validation\n"
    expected = {
        "images/0.png": ("cat", "train", encoded(0)),
        "images/1.png": ("dog", "val", encoded(1)),
    }
    assert found(opened(write(tmp_path / "s/a.csv", full))) == expected
    bare = "images/0.png\tcat\ttrain\nimages/1.png\tdog\tval\n"
    assert found(opened(write(tmp_path / "s/a.tsv", bare))) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("path,label\n../x.png,a\n", "line 2: no path inside the folder"),
        ("path,label\n/etc/passwd,a\n", "line 2: no path inside the folder"),
        ("path,label\n0.png,\n", "line 2: no label"),
        ("path,label,split\n0.png,a,holdout\n", "line 2: split 'holdout'"),
        ("path,label\n0.png,a\n0.png,b\n", "line 3: twice"),
        ("path,label\n7.png,a\n", "1 of 1 files are not there"),
        ("path,species,x,y\n0.png,a,1,2\n", "its columns are path, species"),
        ("", "it is empty"),
    ],
)
def test_faults_of_a_table_are_named(opened, tmp_path, text, problem):
    """With the line; nothing is guessed."""
    write(tmp_path / "s/0.png", encoded(0))
    with pytest.raises(SourceLayoutError, match=problem):
        opened(write(tmp_path / "s/a.csv", text))


def test_table_does_not_follow_links_out(opened, tmp_path):
    """As folders do not."""
    outside = write(tmp_path / "secret.png", encoded(0))
    (tmp_path / "s").mkdir()
    (tmp_path / "s/l.png").symlink_to(outside)
    with pytest.raises(UnsafeLinkError, match="leads out"):
        opened(write(tmp_path / "s/a.csv", "l.png,cat\n"))


# --- detection ------------------------------------------------------------------------------------


def test_compressed_archives_have_a_mend(opened, tmp_path):
    """A file, and a folder with nothing else in it."""
    path = write(tmp_path / "s/winter21_whole.tar.gz", b"\x1f\x8b")
    for asked in (path, path.parent):
        with pytest.raises(CompressedSourceError, match="compressed") as caught:
            opened(asked)
        assert "gzip -dc" in caught.value.hint


def test_class_folders_go_before_a_tar_that_lies_beside_them(opened, tmp_path):
    """A download that was unpacked and left there is no source."""
    root = write_source(tmp_path / "s")
    write(root / "train.tar", tar_bytes({"a.jpg": b"x"}))
    assert len(opened(root).listing) == 24


def test_kind_may_be_forced_and_is_checked(opened, tmp_path):
    """What was found and what is expected are both said."""
    root = tmp_path / "s"
    for i in range(2):
        files = {"1.jpg": encoded(i, ".jpg"), "1.json": b"{}"}
        write(root / f"n{i}.tar", tar_bytes(files))
    with pytest.raises(SourceLayoutError, match="no sample"):
        opened(root)
    assert opened(root, kind="tars").listing.labels == ("n0", "n1")
    with pytest.raises(SourceKindError, match=r"2 files \(.tar\); expected: .parquet"):
        opened(root, kind="parquet")
    with pytest.raises(BadOptionError, match="'zip' is none"):
        opened(root, kind="zip")
    with pytest.raises(NoImagesError):
        opened(root, kind="folders")


def test_named_data_set_of_any_kind_is_counted(tmp_path):
    """`data add` and `data check` take files and folders of tars."""
    workspace = Workspace(tmp_path / "w")
    whole = write(tmp_path / "winter21_whole.tar", tar_bytes(synset_tars()))
    table = write(tmp_path / "t.csv", "a.png,cat\n")
    write(tmp_path / "a.png", encoded(1))
    for name, path, images in (("in21k", whole, 6), ("cats", table, 1)):
        workspace.add_data(name, path)
        assert counted(workspace, name, None).record(name)["images"] == images
        assert open_source(workspace, name).name == name
