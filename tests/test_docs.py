"""The documentation is true: examples in docs/ and in docstrings are run."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest

import granctl.tree

ROOT = Path(__file__).parent.parent
PAGES = sorted(p for p in (ROOT / "docs").glob("*.md") if "```python" in p.read_text())
MODULES = sorted(p for p in (ROOT / "granctl").rglob("*.py") if ">>> " in p.read_text())
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_blocks_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of one page run in order, in one namespace, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    names: dict[str, object] = {"__name__": page.stem}
    for block in _BLOCK.finditer(text):
        # Lines are counted from the page's top, so that a traceback names the page's line.
        before = "\n" * (text.count("\n", 0, block.start()) + 1)
        exec(compile(before + block[1], str(page), "exec"), names)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_examples_in_docstrings_run(path: Path) -> None:
    """Each example gives what it says; those that load torch are run by the room that has it."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    told: list[str] = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name)):
        if not any("torch" in example.source for example in test.examples):
            runner.run(test, out=told.append)
    assert not runner.failures, "".join(told)


def test_every_public_name_of_the_tree_is_there() -> None:
    """`granctl.tree` gives each of its names, and type checkers see the same ones."""
    source = ast.parse(Path(granctl.tree.__file__).read_text())
    (typed,) = (n for n in source.body if isinstance(n, ast.If))
    seen = {a.name for n in typed.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert seen == set(granctl.tree.__all__)
    for name in granctl.tree.__all__:
        assert getattr(granctl.tree, name) is not None
    assert set(granctl.tree.__all__) <= set(dir(granctl.tree))
    with pytest.raises(AttributeError, match="has no attribute 'cut_down'"):
        _ = granctl.tree.cut_down
