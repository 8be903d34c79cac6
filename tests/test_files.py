"""A reader never sees half a file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from granctl.errors import ManifestMismatchError, OutputNotWritableError
from granctl.files import read_json, replacing, write_at, write_bytes, write_json


def test_replacing_leaves_the_old_file_when_the_writer_fails(tmp_path: Path) -> None:
    """A writer that dies half-way changes nothing and leaves nothing."""
    path = tmp_path / "file"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_bytes_are_written_whole_where_the_system_takes_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal cuts a write short; the rest follows, at its place."""
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda to, content, at: real(to, content[:7], at))
    path = tmp_path / "file"
    path.write_bytes(b"x" * 50)
    handle = os.open(path, os.O_WRONLY)
    write_at(handle, b"0123456789" * 3, 10)
    os.close(handle)
    assert path.read_bytes() == b"x" * 10 + b"0123456789" * 3 + b"x" * 10


@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENOSPC, "no space"), (errno.EROFS, "read-only")]
)
def test_refused_write_says_why_and_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    """The operating system's refusal becomes a sentence with a mend."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputNotWritableError, match=words) as caught:
        write_bytes(tmp_path / "file", b"x")
    assert "make space" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_folder_under_a_file_is_refused(tmp_path: Path) -> None:
    """A path through a file is the user's fault, not a bug."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputNotWritableError, match="file"):
        write_bytes(tmp_path / "file" / "inner", b"x")


def test_json_survives_the_round_trip_and_damage_is_found(tmp_path: Path) -> None:
    """What was written is read; a truncated file is a data error."""
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": "é"})
    assert read_json(path) == {"a": "é", "b": 1}
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ManifestMismatchError, match="not JSON"):
        read_json(path)
    path.write_text("[1]")
    with pytest.raises(ManifestMismatchError, match="not a JSON object"):
        read_json(path)
