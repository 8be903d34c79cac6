"""Images that only the finest source gets right: what the coarse pretraining did not teach."""

from __future__ import annotations

from base64 import b64encode
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import GranctlError
from granctl.shards.index import Rows, ShardSet
from granctl.shards.read import ImageReader
from granctl.shards.thumbnails import thumbnail
from granctl.study.comparison import unbroken
from granctl.study.figures import panel_title
from granctl.study.grid import Column, Grid, grid_html, number
from granctl.study.pairing import pair_of
from granctl.study.results import Result
from granctl.study.summary import Panel
from granctl.study.webpage import Part, section
from granctl.study.wording import count
from granctl.train.lookup import shards_by_digest
from granctl.train.predictions import Kept, read_predictions
from granctl.workspace import Workspace

MOST_IMAGES = 12
MOST_SEEDS = 3
"""Whose predictions are read: those of a large target are large."""
_SIDE = 112

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pair:
    """The finest and the coarsest source under one seed, on the images that both were scored on."""

    seed: Any
    fine: Kept
    coarse: Kept
    of_fine: NDArray[np.int64]
    """Shape (N,): the row of each image in `fine`."""
    of_coarse: NDArray[np.int64]

    @property
    def right(self) -> tuple[Flags, Flags]:
        """Whether finest and coarsest are right."""
        fine, coarse = self.fine.answers.right, self.coarse.answers.right
        return fine[self.of_fine], coarse[self.of_coarse]

    def gap(self, which: NDArray[np.int64]) -> NDArray[np.float32]:
        """Loss of the coarsest less that of the finest, nats.

        Args:
            which: images that the finest is right on: of others both losses may be infinite.
        """
        fine, coarse = self.fine.answers.loss, self.coarse.answers.loss
        found: NDArray[np.float32] = coarse[self.of_coarse[which]] - fine[self.of_fine[which]]
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Example:
    """One image."""

    checksum: bytes
    true: str
    said: str
    """By the coarsest source."""
    sure: float | None
    """Its probability of that, a fraction; None where its answers are scores alone."""


def examples_part(workspace: Workspace, panels: Sequence[Panel]) -> Part | None:
    """Images of the first panel whose finest and coarsest source kept predictions; else None."""
    for panel in panels:
        pairs = _pairs(panel)
        if pairs:
            return _part(workspace, panel, pairs)
    return None


def _part(workspace: Workspace, panel: Panel, pairs: Sequence[_Pair]) -> Part:
    grid = _grid(panel, pairs)
    chosen = _chosen(pairs, probabilities=panel.method != "fewshot")
    shards = shards_by_digest(workspace, pairs[0].fine.shards_digest)
    pictures = [None] * len(chosen) if shards is None else _pictures(shards, pairs[0], chosen)
    items = "\n".join(map(_item, chosen, pictures))
    note = ""
    if shards is None:
        note = '<p class="note">The shard set was not found in the workspace: no images here.</p>'
    who = f"that the network pretrained on {panel.finest} gets right, and the one pretrained on"
    there = "Held-out images" if chosen else "There is no held-out image"
    told = unbroken(f"{there} {who} {panel.coarsest} does not.")
    how = (
        f"{panel_title(panel)}, seed {pairs[0].seed}. First come images of which this holds under"
        f" most of {count(len(pairs), 'seed')}, and no class twice before each was shown. Below an"
        f" image its true class, and what {panel.coarsest} said."
    )
    note += f'<p class="note">{unbroken(how)}</p>'
    body = f'{note}<ul class="examples">\n{items}\n</ul>\n{grid_html(grid, "Answers.")}'
    title = "What only the finest source gets right"
    return Part(html=section("examples", title, body, told), grids=(grid,))


def _pairs(panel: Panel) -> list[_Pair]:
    by_cut = {p.cut: {pair_of(r): r for r in p.results} for p in panel.points if p.classes_present}
    if panel.finest is None or panel.coarsest in (None, panel.finest):
        return []
    fine, coarse = by_cut[panel.finest], by_cut[str(panel.coarsest)]
    found: list[_Pair] = []
    for seed in sorted(fine.keys() & coarse.keys())[:MOST_SEEDS]:
        pair = _pair(seed, _kept(fine[seed]), _kept(coarse[seed]))
        if pair is not None and (not found or _same_images(pair, found[0])):
            found.append(pair)
    return found


def _same_images(pair: _Pair, other: _Pair) -> bool:
    ours, theirs = pair.fine.checksums[pair.of_fine], other.fine.checksums[other.of_fine]
    return len(ours) == len(theirs) and bool((ours == theirs).all())


def _kept(result: Result) -> Kept | None:
    named = result.get("predictions") or {}
    try:
        kept = read_predictions(Path(result["path"]).parent / str(named.get("file")))
    except GranctlError:
        return None
    return kept if kept.result_digest == result["digest"] else None


def _pair(seed: Any, fine: Kept | None, coarse: Kept | None) -> _Pair | None:
    if fine is None or coarse is None:
        return None
    both, ours, theirs = np.intersect1d(fine.checksums, coarse.checksums, return_indices=True)
    if not len(both) or fine.answers.class_ids != coarse.answers.class_ids:
        return None
    return _Pair(seed=seed, fine=fine, coarse=coarse, of_fine=ours, of_coarse=theirs)


def _chosen(pairs: Sequence[_Pair], *, probabilities: bool) -> list[_Example]:
    """The examples: under the first seed, the steadiest first, classes in turn."""
    first = pairs[0]
    steady = np.sum([p.right[0] & ~p.right[1] for p in pairs], axis=0)
    only = np.flatnonzero(first.right[0] & ~first.right[1])
    order = only[np.lexsort((-first.gap(only), -steady[only]))]
    answers = first.fine.answers
    true = answers.classes[answers.offsets[:-1]][first.of_fine]
    turn: dict[int, int] = defaultdict(int)
    turns = []
    for place in order.tolist():
        turns.append(turn[int(true[place])])
        turn[int(true[place])] += 1
    in_turn = order[np.argsort(turns, kind="stable")][:MOST_IMAGES]
    said = first.coarse.answers
    return [
        _Example(
            checksum=bytes(first.fine.checksums[first.of_fine[i]]),
            true=answers.class_names[int(true[i])],
            said=said.class_names[int(said.top[first.of_coarse[i], 0])],
            sure=float(np.exp(said.top_logp[first.of_coarse[i], 0])) if probabilities else None,
        )
        for i in in_turn.tolist()
    ]


def _pictures(
    shards: ShardSet, pair: _Pair, chosen: Sequence[_Example]
) -> list[tuple[bytes, int, int] | None]:
    """A small picture of each example; None where it cannot be read."""
    try:
        checksums, rows = shards.checksums(pair.fine.split), shards.rows(pair.fine.split)
        with ImageReader(shards) as reader:
            return [_picture(reader, rows, checksums, e.checksum) for e in chosen]
    except (GranctlError, OSError):
        return [None] * len(chosen)


def _picture(
    reader: ImageReader, rows: Rows, checksums: NDArray[np.bytes_], checksum: bytes
) -> tuple[bytes, int, int] | None:
    places = np.flatnonzero(checksums == checksum)
    return thumbnail(reader.image(rows, int(places[0])), _SIDE) if len(places) else None


def _item(example: _Example, picture: tuple[bytes, int, int] | None) -> str:
    alt = escape(f"an image of {example.true}")
    shown = '<span class="gone">no image</span>'
    if picture is not None:
        content, width, height = picture
        address = f"data:image/webp;base64,{b64encode(content).decode()}"
        shown = f'<img alt="{alt}" src="{address}" width="{width}" height="{height}">'
    said = escape(example.said)
    if example.sure is not None:
        said += f", {100 * example.sure:.0f}&nbsp;%"
    return f"<li>{shown}<b>{escape(example.true)}</b><span>not {said}</span></li>"


def _grid(panel: Panel, pairs: Sequence[_Pair]) -> Grid:
    columns = (
        Column(title="Seed", name="seed"),
        Column(title="Both right", name="both"),
        Column(title=f"Only {panel.finest}", name="only_finest"),
        Column(title=f"Only {panel.coarsest}", name="only_coarsest"),
        Column(title="Both wrong", name="neither"),
    )
    rows = []
    for pair in pairs:
        fine, coarse = pair.right
        counts = (fine & coarse, fine & ~coarse, ~fine & coarse, ~fine & ~coarse)
        rows.append((number(pair.seed), *(number(int(c.sum())) for c in counts)))
    who = f"{panel.finest} or {panel.coarsest}"
    caption = f"{panel_title(panel)}: held-out images by who is right, {who}."
    return Grid(name="examples", caption=caption, columns=columns, rows=tuple(rows))
