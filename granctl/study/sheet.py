"""A contact sheet: sample images of each class of a shard set, as one self-contained page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from granctl import __version__
from granctl.errors import OutputExistsError
from granctl.files import write_bytes, writing
from granctl.progress import Progress
from granctl.provenance import short
from granctl.shards.build.structure import Remark
from granctl.shards.census import read_census
from granctl.shards.index import ShardSet
from granctl.study.shardstats import bar_rows, describe, fact_rows
from granctl.study.sheetsample import SheetClass, SheetSpec, Tile, sheet_classes
from granctl.tree import drawing
from granctl.tree.drawing import fill
from granctl.workspace import Workspace

_MARK = '<meta name="generator" content="granctl contact sheet">'
"""By it a page is known as ours, so that a new one may take its place."""
_MARK_WITHIN = 1000
_SCRIPTS = ("sheet.js",)
_MOST_LABELS = 6
"""Labels of a class that are listed; all of them are searched."""


def asset(name: str) -> str:
    """One of the texts the page is made of."""
    return (files("granctl.study") / "assets" / name).read_text(encoding="utf-8")


def statistics(
    workspace: Workspace,
    shards: ShardSet,
    sheet: Path | None,
    spec: SheetSpec,
    progress: Progress,
) -> dict[str, Any]:
    """The numbers of a shard set; with `sheet`, a page of sample images is written there too.

    Raises:
        BadOptionError: more images than a page can hold.
        OutputExistsError: `sheet` holds something else than a contact sheet.
        ManifestMismatchError: the index is damaged.
        ShardCorruptError: a shard is missing or has another size.
    """
    if sheet is not None:
        _check_place(sheet)
    found = read_census(shards)
    record = describe(shards, found)
    if sheet is None:
        return record
    classes = sheet_classes(workspace, shards, found, spec, progress)
    content = sheet_page(record, classes, spec).encode()
    write_bytes(sheet, content)
    tiles = sum(len(one.tiles) for one in classes)
    progress.note(f"{len(classes):,} classes, {tiles:,} images, {len(content) / 1e6:.1f} MB")
    return {**record, "made": True, "sheet": str(sheet), "shown": tiles}


def _check_place(path: Path) -> None:
    with writing(path):
        if path.is_dir():
            raise OutputExistsError(path, "a folder", "--sheet")
        if path.exists():
            with path.open("rb") as file:
                ours = _MARK.encode() in file.read(_MARK_WITHIN)
            if not ours:
                raise OutputExistsError(path, "something that granctl did not make", "--sheet")


def sheet_page(record: Mapping[str, Any], classes: Sequence[SheetClass], spec: SheetSpec) -> str:
    """The whole page; the same input gives the same bytes.

    Args:
        record: the numbers of the shard set.
        classes: what is shown, in the order of the page.
        spec: what was asked.
    """
    of_how_many = max(split["classes"] for split in record["splits"].values())
    shown = sum(len(one.tiles) for one in classes)
    about = f"{shown:,} of {record['images']:,} images: at most {spec.images} of each class"
    if len(classes) < of_how_many:
        about += f", and {len(classes):,} of {of_how_many:,} classes, chosen by seed {spec.seed}"
    others = [split for split in record["splits"] if split != "train"]
    if others and "train" in record["splits"]:
        about += f". Those with a frame are {' and '.join(others)}"
    return fill(
        asset("sheet.html"),
        {
            "mark": _MARK,
            "title": escape(f"The images of {Path(str(record['path'])).name}"),
            "style": "\n".join([*(drawing.asset(n) for n in drawing.STYLES), asset("sheet.css")]),
            "digest": short(str(record["content_digest"])),
            "about": escape(about),
            "facts": _facts(record),
            "bars": _bars(record),
            "splits": _split_choices(list(record["splits"])),
            "classes": "\n".join(_section(one) for one in classes),
            "version": escape(__version__),
            "script": "\n".join([drawing.asset("page.js"), *(asset(n) for n in _SCRIPTS)]),
        },
    )


def _facts(record: Mapping[str, Any]) -> str:
    """The table of numbers, a column a split."""
    head = "".join(f"<th scope='col'>{escape(split)}</th>" for split in record["splits"])
    rows = "\n".join(
        f"<tr><th scope='row'>{escape(name)}</th>"
        + "".join(f"<td>{escape(value)}</td>" for value in values)
        + "</tr>"
        for name, *values in fact_rows(record)
    )
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _bars(record: Mapping[str, Any]) -> str:
    """Sizes as bars, one figure each."""
    figures = []
    for title, rows in bar_rows(record):
        most = max(num for _, num in rows)
        bars = "".join(
            f"<tr><th scope='row'>{escape(name)}</th>"
            f"<td><span class='bar' style='--w:{num / most:.4f}'></span>{num:,}</td></tr>"
            for name, num in rows
        )
        figures.append(
            f"<figure><figcaption>{escape(title)}</figcaption><table>{bars}</table></figure>"
        )
    return "\n".join(figures)


def _split_choices(splits: Sequence[str]) -> str:
    if len(splits) == 1:
        return ""
    choices = [("all", "all"), *((split, split) for split in splits)]
    tabs = "".join(
        f"<label class='tab'><input type='radio' name='split' value='{escape(value)}'"
        f"{' checked' if value == 'all' else ''}><span>{escape(text)}</span></label>"
        for value, text in choices
    )
    return f"<fieldset><legend>Split</legend>{tabs}</fieldset>"


def _section(one: SheetClass) -> str:
    """One class with its images."""
    words = " ".join([one.name, *one.labels]).lower()
    counts = " · ".join(f"{num:,} {split}" for split, num in one.images.items())
    labels = ", ".join(one.labels[:_MOST_LABELS])
    if len(one.labels) > _MOST_LABELS:
        labels += f" and {len(one.labels) - _MOST_LABELS:,} more"
    shown = "" if labels == one.name else f"<span class='ids'>{escape(labels)}</span>"
    tiles = "\n".join(_tile(tile) for tile in one.tiles)
    return (
        f"<section class='class' data-words='{escape(words)}' data-name='{escape(one.name)}'"
        f" data-images='{one.num_images}' data-class='{one.number}'>\n"
        f"<header><h2>{escape(one.name)}</h2>{shown}"
        f"<span class='counts'>class {one.number:,} · {escape(counts)}</span></header>\n"
        f"<div class='tiles'>{tiles}</div>\n</section>"
    )


def _tile(tile: Tile) -> str:
    remarks = [str(r.name).lower().replace("_", " ") for r in Remark if tile.remarks & r]
    size = f"{tile.width:,} × {tile.height:,}"
    told = f"{tile.key}: {tile.label}, {tile.split}, {size}, {tile.num_bytes / 1e3:,.1f} KB"
    told = ", ".join([told, *remarks])
    if tile.picture is None:
        body = "<div class='broken'>does not decode</div>"
    else:
        content, width, height = tile.picture
        data = base64.b64encode(content).decode("ascii")
        body = (
            f"<img src='data:image/webp;base64,{data}' width='{width}' height='{height}'"
            f" alt='{escape(tile.label)}' loading='lazy' decoding='async'>"
        )
    marks = f"<b>{escape(', '.join(remarks))}</b>" if remarks else ""
    return (
        f"<figure data-split='{escape(tile.split)}' title='{escape(told)}'>{body}"
        f"<figcaption><code>{escape(tile.key)}</code><span>{size}</span>{marks}</figcaption>"
        "</figure>"
    )
