"""Tables as LaTeX: booktabs, every character escaped."""

from __future__ import annotations

from collections.abc import Sequence

_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
}


def escape_latex(text: str) -> str:
    r"""Text in which no character is a command.

    Example:
        >>> escape_latex("50 % of a_b & c")
        '50 \\% of a\\_b \\& c'
    """
    return "".join(_ESCAPES.get(c, c) for c in text)


def latex_table(
    caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]], num_left: int = 1
) -> str:
    r"""A `table` with booktabs' rules; it needs `\usepackage{booktabs}`.

    Args:
        caption: plain text.
        headings: plain text, one a column.
        rows: plain text, one a cell.
        num_left: so many columns are set to the left, the others to the right.
    """
    columns = "l" * num_left + "r" * (len(headings) - num_left)
    lines = [_line(row) for row in rows]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape_latex(caption)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _line(headings),
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _line(cells: Sequence[str]) -> str:
    # A row that begins with [ would be the optional argument of \\ of the row before.
    texts = [f"{{}}{t}" if t.startswith(("[", "*")) else t for t in map(escape_latex, cells)]
    return " & ".join(texts) + r" \\"
