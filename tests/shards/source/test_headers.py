"""The header pass finds what Python's tarfile finds, and survives what tarfile does not."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tars import scanned, special, tar_bytes

from granctl.shards.source.headers import scan_tar

FORMS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
LETTERS = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40)
PATHS = st.lists(LETTERS.filter(lambda part: part not in {".", ".."}), min_size=1, max_size=6)


def contents(found, raw):
    """Name -> bytes of every member that was found."""
    places = zip(found.names, found.offsets.tolist(), found.sizes.tolist(), strict=True)
    return {name: raw[at : at + size] for name, at, size in places}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(PATHS.map("/".join), st.binary(max_size=1200), max_size=8), st.data())
def test_pass_finds_what_tarfile_finds(tmp_path_factory, files, data):
    """Names of any length and script, in GNU's form and in PAX; sizes around whole blocks."""
    form = data.draw(st.sampled_from(FORMS[1:]))
    raw = tar_bytes(files, form)
    found = scanned(tmp_path_factory.mktemp("tar") / "a.tar", raw)
    assert contents(found, raw) == files
    assert (found.mtimes == 1_300_000_000).all()
    assert found.rejected == ()


def test_ustar_prefix_is_part_of_the_name(tmp_path):
    """Names up to 255 bytes are split in two fields."""
    name = "d" * 90 + "/" + "f" * 90
    raw = tar_bytes({name: b"x", "short": b"y"})
    assert contents(scanned(tmp_path / "a.tar", raw), raw) == {name: b"x", "short": b"y"}


def test_many_members_are_found_across_batches(tmp_path):
    """More than are worked out at once, with one odd name in the middle."""
    files = {f"{i:05d}.jpg": b"%d" % i for i in range(9000)}
    files["ü" * 70] = b"odd"
    raw = tar_bytes(files, tarfile.GNU_FORMAT)
    assert contents(scanned(tmp_path / "a.tar", raw), raw) == files


def test_names_are_made_plain_or_refused(tmp_path):
    """`./a` and `a//b` are plain files; `../x`, `/x` and `a/../../x` are named and not read."""
    files = {"./a": b"1", "b//c": b"2", "../x": b"3", "/etc/x": b"4", "a/../../x": b"5", "d": b"6"}
    raw = tar_bytes(files)
    found = scanned(tmp_path / "a.tar", raw)
    assert contents(found, raw) == {"a": b"1", "b/c": b"2", "d": b"6"}
    assert [name for name, _ in found.rejected] == ["../x", "/etc/x", "a/../../x"]


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "pipe"),
        (b"Z", "unknown kind"),
    ],
)
def test_what_is_no_file_is_named_and_not_followed(tmp_path, kind, problem):
    """A link to /etc/passwd is one line in the list of problems, whatever its name."""
    raw = tar_bytes({"a.jpg": b"x"}, tarfile.PAX_FORMAT, special("n" * 150, kind, "/etc/passwd"))
    found = scanned(tmp_path / "a.tar", raw)
    assert list(found.names) == ["a.jpg"]
    ((name, said),) = found.rejected
    assert name == "n" * 150
    assert problem in said


def test_folders_are_no_members(tmp_path):
    """They are neither files nor problems."""
    raw = tar_bytes({"d/a": b"x"}, tarfile.GNU_FORMAT, special("d", tarfile.DIRTYPE))
    found = scanned(tmp_path / "a.tar", raw)
    assert (list(found.names), found.rejected) == (["d/a"], ())


def test_name_that_is_not_utf8_is_escaped(tmp_path):
    """Latin-1 names of old archives stay distinct and printable."""
    raw = bytearray(tar_bytes({"caf_": b"x"}))
    raw[3] = 0xE9
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 8 * 32 + sum(raw[156:512]))
    assert list(scanned(tmp_path / "a.tar", bytes(raw)).names) == ["caf\\xe9"]


@pytest.mark.parametrize("cut", [700, 1024 + 600, 1024 + 511, 512 * 3])
def test_cut_off_tar_is_named(tmp_path, cut):
    """Inside content, inside a header, between members: each is told, what is whole is kept."""
    raw = tar_bytes({"a": b"x" * 300, "b": b"y" * 300})[:cut]
    found = scanned(tmp_path / "a.tar", raw)
    whole = {"a": b"x" * 300} if cut >= 1024 else {}
    assert contents(found, raw) == whole
    assert "cut off" in found.rejected[0][1]


def test_file_that_lacks_only_its_padding_is_kept(tmp_path):
    """Its bytes are all there; that the tar has no end is told."""
    raw = tar_bytes({"a": b"x" * 300})[:812]
    found = scanned(tmp_path / "a.tar", raw)
    assert contents(found, raw) == {"a": b"x" * 300}
    assert "zero blocks" in found.rejected[0][1]


def test_damaged_header_ends_the_pass(tmp_path):
    """The members before it stay, and its place is told."""
    raw = bytearray(tar_bytes({"a": b"1", "b": b"2", "c": b"3"}))
    raw[1024 + 3] ^= 1
    found = scanned(tmp_path / "a.tar", bytes(raw))
    assert list(found.names) == ["a"]
    assert found.rejected == (("", "damaged header at byte 1024: what follows is not read"),)


def test_joined_tars_are_read_on(tmp_path):
    """`cat a.tar b.tar` has zero blocks in the middle."""
    raw = tar_bytes({"a": b"1"}) + tar_bytes({"b": b"2"})
    assert contents(scanned(tmp_path / "a.tar", raw), raw) == {"a": b"1", "b": b"2"}


def test_size_in_base_256_is_read(tmp_path):
    """GNU's form of sizes from 8 GB on, here of a small file."""
    raw = bytearray(tar_bytes({"a": b"x" * 700, "b": b"y"}))
    raw[124:136] = b"\x80" + (700).to_bytes(11, "big")
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 8 * 32 + sum(raw[156:512]))
    assert contents(scanned(tmp_path / "a.tar", bytes(raw)), raw) == {"a": b"x" * 700, "b": b"y"}


@pytest.mark.parametrize("ends", [b"\x05", b"_", b"\xff"])
def test_size_that_does_not_end_is_none(tmp_path, ends):
    """Behind eleven digits stands neither zero nor blank: nothing that is cut off is kept."""
    raw = bytearray(tar_bytes({"a": b"x" * 700, "b": b"y"}))
    raw[135:136] = ends
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 8 * 32 + sum(raw[156:512]))
    for size in (len(raw), 512):
        found = scanned(tmp_path / "a.tar", bytes(raw[:size]))
        assert list(found.names) == []
        assert found.rejected == (("", "damaged header at byte 0: what follows is not read"),)


def test_size_of_twelve_digits_is_read(tmp_path):
    """As tarfile reads it."""
    raw = bytearray(tar_bytes({"a": b"x" * 700, "b": b"y"}))
    raw[124:136] = b"%012o" % 700
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 8 * 32 + sum(raw[156:512]))
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        theirs = {member.name: tar.extractfile(member).read() for member in tar}
    assert contents(scanned(tmp_path / "a.tar", bytes(raw)), raw) == theirs


def test_file_that_is_shorter_than_it_was_ends_the_pass(tmp_path):
    """What was listed of it goes on behind its end, inside a header."""
    raw = tar_bytes({"a": b"x" * 600, "b": b"y"})
    (tmp_path / "a.tar").write_bytes(raw[: 512 + 1024 + 200])
    with (tmp_path / "a.tar").open("rb") as file:
        found = scan_tar(file.fileno(), 0, len(raw))
    assert list(found.names) == ["a"]
    assert "zero blocks" in found.rejected[-1][1]


def test_pass_agrees_with_tarfile_on_what_granctl_writes(tmp_path, shards):
    """Our own shards, member by member."""
    path = shards.root / shards.shard_names[0]
    raw = path.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        theirs = {m.name: (m.offset_data, m.size) for m in tar.getmembers()}
    found = scanned(tmp_path / "a.tar", raw)
    places = zip(found.offsets.tolist(), found.sizes.tolist(), strict=True)
    assert dict(zip(found.names, places, strict=True)) == theirs
