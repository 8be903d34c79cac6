"""The house holds: imports run one way, heavy packages stay in their rooms, files stay short."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "granctl"
MODULES = sorted(PACKAGE.rglob("*.py"))

FLOOR_OF_ROOM = {
    "cli": 7,
    "study": 6,
    "launch": 5,
    "train": 4,
    "shards": 3,
    "tree": 3,
    "theory": 3,
    "workspace": 2,
    "spec": 2,
    "alone": 2,
    "processes": 1,
    "files": 1,
    "provenance": 0,
    "errors": 0,
    "progress": 0,
    "": 0,
    "__main__": 8,
}
"""A room imports rooms of lower floors, and itself; two rooms of one floor do not meet."""

TORCH = {"torch", "torchvision", "timm"}
COMMAND_LINE = {"typer", "rich", "click"}
HEAVY = TORCH | {"pandas", "nltk", "sklearn", "scipy", "matplotlib", "webdataset"}
ONLY_IN = [(TORCH, {"train"}), (COMMAND_LINE, {"cli"}), ({"sklearn", "scipy"}, {"tree", "train"})]


def _room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts[0] == "__init__" else parts[0]


def _imports(path: Path) -> list[tuple[int, str, bool]]:
    """Line, dotted name and whether it stands at module level, of each import that runs."""
    tree = ast.parse(path.read_text())
    found = []
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    inside = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, id(node) not in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            for alias in node.names:
                found.append((node.lineno, f"{node.module}.{alias.name}", id(node) not in inside))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    """A room imports only rooms that stand below it."""
    room = _room(path)
    assert room in FLOOR_OF_ROOM, f"{path}: give the room {room!r} a floor"
    if room == "":
        return
    for line, name, _ in _imports(path):
        parts = name.split(".")
        if parts[0] != "granctl" or len(parts) < 2 or parts[1] == room:
            continue
        other = parts[1] if parts[1] in FLOOR_OF_ROOM else ""
        lower = FLOOR_OF_ROOM[other] < FLOOR_OF_ROOM[room] or other == ""
        assert lower, f"{path}:{line}: {room} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_packages_stay_in_their_rooms(path: Path) -> None:
    """The network's packages stay in train/, the terminal's in cli/; heavy ones in functions."""
    for line, name, at_module_level in _imports(path):
        top = name.split(".")[0]
        for packages, rooms in ONLY_IN:
            assert top not in packages or _room(path) in rooms, f"{path}:{line}: imports {name}"
        assert not (top in HEAVY and at_module_level), f"{path}:{line}: {name} at module level"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_short_and_named_for_what_they_hold(path: Path) -> None:
    """At most 400 lines, a first line that says what the module holds, no dumping ground."""
    text = path.read_text()
    assert text.count("\n") <= 400
    assert path.stem not in {"utils", "util", "helpers", "common", "misc"}
    assert ast.get_docstring(ast.parse(text)), "a module starts with what it holds"


def test_commands_are_short() -> None:
    """A command is options, a spec, one library call, one render call: at most 15 lines."""
    for path in sorted((PACKAGE / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            decorated = isinstance(node, ast.FunctionDef) and any(
                "command" in ast.unparse(d) for d in node.decorator_list
            )
            if decorated:
                assert isinstance(node, ast.FunctionDef)
                body = node.body[1:]
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                assert lines <= 15, f"{path}:{node.lineno}: {node.name} has {lines} lines"


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], HEAVY | {"numpy", "pyarrow"}),
        (["tree", "cut", "--help"], HEAVY | {"numpy", "pyarrow"}),
        (["tree", "cut", "--level", "4"], HEAVY | {"pydantic", "rich"}),
        (["tree", "show", "--root", "n02084071", "--depth", "1"], HEAVY),
        (["recipes", "list"], HEAVY),
        (["runs", "list"], HEAVY),
        (["shards", "build"], HEAVY),
        (
            ["theory", "run", "--seeds", "1", "--set", "samples=8", "--processes", "1", "--quiet"],
            HEAVY | {"pyarrow", "rich"},
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_light_commands_load_nothing_heavy(
    arguments: list[str], absent: set[str], tmp_path: Path
) -> None:
    """Help and the tree stay quick: a fresh process ends without the heavy packages loaded."""
    _check_loads_none(arguments, absent, tmp_path)


def test_relabelling_loads_nothing_heavy(tmp_path: Path) -> None:
    """Nor does it in new shards or in place: pyarrow would load pandas by itself."""
    _check_loads_none(["tree", "cut", "--level", "4"], HEAVY, tmp_path)
    _check_loads_none(["shards", "build", "--out", str(tmp_path / "set")], HEAVY, tmp_path)
    for how in ("--materialise", "--in-place"):
        asked = ["shards", "relabel", "--shards", str(tmp_path / "set"), how, "--workers", "1"]
        _check_loads_none(asked, HEAVY, tmp_path)


def test_looking_at_runs_loads_nothing_heavy(tmp_path: Path) -> None:
    """Nor does it for a run that is there: only what trains needs the network's packages."""
    run = tmp_path / "runs" / "tiny-0123"
    run.mkdir(parents=True)
    asked = {"recipe": {"name": "tiny", "about": "", "epochs": 2}, "seed": 0}
    asked["recipe"] |= {"model": {}, "optimizer": {}}
    told = {"command": "granctl pretrain", "inputs": {}}
    record = {"digest": "0123", "spec": asked, "provenance": told}
    (run / "spec.json").write_text(json.dumps(record))
    for verb in (["list"], ["show"], ["tail", "0123"], ["tail", "--follow"]):
        _check_loads_none(["runs", *verb], HEAVY, tmp_path)


def _check_loads_none(arguments: list[str], absent: set[str], workspace: Path) -> None:
    program = (
        "import sys; from granctl.cli.main import run; code = run(sys.argv[1:]);"
        f"print('LOADED', sorted({absent!r} & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env={"PATH": "", "GRANCTL_WORKSPACE": str(workspace)},
    )
    assert result.returncode == 0, result.stderr
    assert "LOADED []" in result.stderr
