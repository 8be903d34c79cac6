"""What users install is the wheel: it carries everything embedded and needs no checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    result = subprocess.run([*command, str(CHECKOUT)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; dependencies are borrowed from this one by a path file.

    A plain path in a .pth does not run the .pth files there, so this environment's editable
    granctl stays out of sight.
    """
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    purelib = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps"]
    result = subprocess.run([*pip, "--no-index", str(wheel)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    Path(purelib, "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def test_wheel_holds_the_embedded_data_and_the_licences(wheel: Path) -> None:
    """Data, recipes, page assets, types and licences travel; tests and caches do not."""
    names = zipfile.ZipFile(wheel).namelist()
    for part in ("granctl/data_manifests/wordnet", "granctl/data_manifests/images", "py.typed"):
        assert any(part in name for name in names), part
    for part in ("LICENSE", "NOTICE", "wordnet-3.0.txt", "fashion-mnist.txt"):
        assert any("licenses" in name and name.endswith(part) for name in names), part
    assert not [n for n in names if "__pycache__" in n or n.startswith(("tests", "benchmarks"))]
    assert wheel.stat().st_size < 16e6


def test_wheel_works_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    """Cut, build and list the recipes in an empty folder, with nothing but the wheel."""

    def run(*arguments: str) -> str:
        command = [str(installed / "bin" / "granctl"), *arguments]
        result = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env={"PATH": ""}
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    home = [str(installed / "bin" / "python"), "-c", "import granctl; print(granctl.__file__)"]
    found = subprocess.run(home, capture_output=True, text=True, cwd=tmp_path, check=True).stdout
    assert found.startswith(str(installed))
    assert json.loads(run("tree", "cut", "--depth", "5", "--json"))["classes"] == 328
    shards = Path(run("shards", "build").strip())
    assert (shards / "manifest.json").is_file()
    assert shards.is_relative_to(tmp_path / "granctl-workspace")
    assert "embedded-resnet" in run("recipes", "list", "--json")
