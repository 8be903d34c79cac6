"""Facts about named data sets: what comes with granctl, a workspace's own, their faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from granctl.errors import SpecError
from granctl.shards.source.knownsets import known_as, known_sets, registered_name
from granctl.workspace import Workspace


def _counts(workspace: Workspace, name: str) -> list[tuple[str, int, dict[str, int]]]:
    known = known_as(workspace, name)
    assert known is not None
    return [(r.name, r.classes, r.images.said) for r in known.releases]


def test_official_counts(tmp_path: Path) -> None:
    """The numbers of the releases, and the classes of the lists that they name."""
    space = Workspace(tmp_path)
    assert _counts(space, "in1k") == [("2012", 1000, {"train": 1_281_167, "val": 50_000})]
    assert _counts(space, "in1k-v2") == [("2019", 1000, {"val": 10_000})]
    assert _counts(space, "in21k") == [("fall11", 21_841, {}), ("winter21", 19_167, {})]
    assert _counts(space, "in21k-p") == [("fall11", 11_221, {}), ("winter21", 10_450, {})]
    assert _counts(space, "inat21")[0][2] == {"train": 2_686_843, "val": 100_000}
    assert _counts(space, "inat21-mini")[0][2] == {"train": 500_000, "val": 100_000}
    for known in known_sets(space).values():
        for release in known.releases:
            if release.list:
                assert len(known.labels(release.list)) == release.classes, known.name


def test_every_name_means_one_data_set(tmp_path: Path) -> None:
    """No alias stands twice or is a name of another."""
    sets = known_sets(Workspace(tmp_path)).values()
    words = [word for known in sets for word in (known.name, *known.aliases)]
    assert len(words) == len(set(words))


def test_other_names_are_looked_up(tmp_path: Path) -> None:
    """Whatever the case; only where it is registered, so that a folder may have such a name."""
    space = Workspace(tmp_path / "workspace")
    known = known_as(space, "ImageNet")
    assert known is not None
    assert known.name == "in1k"
    assert known_as(space, "pets") is None
    assert registered_name(space, "imagenet") == "imagenet"
    space.add_data("in1k", tmp_path)
    assert registered_name(space, "imagenet") == "in1k"
    assert registered_name(space, "pets") == "pets"


def test_faults_of_own_facts_are_all_said(tmp_path: Path) -> None:
    """A workspace's file is read strictly."""
    own = tmp_path / "data-sets.toml"
    own.write_text("[pets]\nabuot = 'x'\n[[pets.release]]\nname = 'one'\nclasses = 'two'\n")
    with pytest.raises(SpecError) as caught:
        known_sets(Workspace(tmp_path))
    assert "abuot" in str(caught.value)
    assert "classes" in str(caught.value)
    own.write_text("pets = 3\n")
    with pytest.raises(SpecError, match="a table was expected"):
        known_sets(Workspace(tmp_path))
