"""docs/house.md lists every module with its first line; `python tests/test_house.py` writes it."""

from __future__ import annotations

import ast
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
PAGE = CHECKOUT / "docs" / "house.md"
MARK = "<!-- the list below is written by tests/test_house.py -->\n"


def _listing() -> str:
    """A table a room: file, first line of its docstring, lines."""
    rooms: dict[str, list[str]] = {}
    for path in sorted((CHECKOUT / "granctl").rglob("*.py")):
        inner = path.relative_to(CHECKOUT / "granctl")
        room = str(inner.parent) if inner.parent.parts else "the ground"
        first = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]
        rooms.setdefault(room, []).append(f"| `{inner.name}` | {first} |")
    tables = [
        f"### {room}\n\n| file | holds |\n|---|---|\n" + "\n".join(rows) + "\n"
        for room, rows in sorted(rooms.items(), key=lambda item: (item[0] != "the ground", item[0]))
    ]
    return "\n" + "\n".join(tables)


def test_house_lists_every_module() -> None:
    """The page is what the code is; write it anew when a file or a first line is new."""
    _, mark, found = PAGE.read_text().partition(MARK)
    assert mark, "docs/house.md lost its mark"
    assert found == _listing(), "run `python tests/test_house.py`"


if __name__ == "__main__":
    head, mark, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text(head + mark + _listing())
