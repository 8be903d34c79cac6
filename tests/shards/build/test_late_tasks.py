"""A task that runs twice on machines that do not know of each other: the second is harmless."""

from pathlib import Path

import pytest
from generated_images import write_source
from told import all_bytes

import granctl.files as files
import granctl.shards.build.pack as pack
from granctl.progress import Silent
from granctl.shards.build.audit import Audit
from granctl.shards.build.write import (
    BuildSpec,
    Task,
    build_planned,
    build_shards,
    finish_shards,
    plan_build,
)
from granctl.workspace import Workspace

ALL = Task(0, 1)


@pytest.fixture
def spec(tmp_path) -> BuildSpec:
    """24 images in 2 shards."""
    return BuildSpec(source=str(write_source(tmp_path / "shapes")))


@pytest.fixture
def planned(tmp_path, spec) -> Path:
    """The planned set."""
    return plan_build(Workspace(tmp_path / "w"), spec, None, Silent()).path


@pytest.fixture
def expected(tmp_path, spec) -> dict[str, bytes]:
    """The files that one build makes."""
    return all_bytes(build_shards(Workspace(tmp_path / "one"), spec, None, Silent()).path)


def once(module, name, before, monkeypatch) -> None:
    """At the first call of a function something else happens before."""
    real = getattr(module, name)

    def call(*given):
        monkeypatch.setattr(module, name, real)
        instead = before(*given)
        return real(*given) if instead is None else instead

    monkeypatch.setattr(module, name, call)


@pytest.mark.parametrize(
    ("module", "name"), [(pack, "audit"), (files, "fsync_path")], ids=["reading", "writing"]
)
def test_set_that_is_finished_while_a_copy_still_packs(
    planned, expected, monkeypatch, module, name
):
    """Whether it has begun to write or not, the copy ends well, and no file is left or changed."""

    def quicker(*_):
        build_planned(planned, ALL, Silent())
        finish_shards(planned, None, Silent())

    once(module, name, quicker, monkeypatch)
    late = build_planned(planned, ALL, Silent())
    assert (late.whole, late.made) == (True, False)
    assert all_bytes(planned) == expected


def test_copy_that_cannot_read_replaces_no_shard_of_one_that_could(planned, expected, monkeypatch):
    """Its disk fails, or its network: images that are there stay there."""

    def quicker(reading, *_):
        reading.read()
        build_planned(planned, ALL, Silent())
        return b"", Audit("", 0, 0, "cannot be read: Input/output error", pack.UNREADABLE)

    once(pack, "_checked", quicker, monkeypatch)
    build_planned(planned, ALL, Silent())
    finish_shards(planned, None, Silent())
    assert all_bytes(planned) == expected


def test_copy_that_cannot_read_leaves_a_whole_set_alone(planned, expected, monkeypatch):
    """Also after the end, when nobody looks at parts any more."""

    def quicker(reading, *_):
        reading.read()
        build_planned(planned, ALL, Silent())
        finish_shards(planned, None, Silent())
        return b"", Audit("", 0, 0, "cannot be read: Input/output error", pack.UNREADABLE)

    once(pack, "_checked", quicker, monkeypatch)
    assert build_planned(planned, ALL, Silent()).whole
    assert all_bytes(planned) == expected
