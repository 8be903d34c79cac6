"""How shards look in a terminal: images a label; or one image, and the picture itself."""

from __future__ import annotations

from pathlib import Path

from granctl.cli.console import Session
from granctl.errors import BadOptionError
from granctl.shards.index import ShardSet

_MOST_COLUMNS, _MOST_ROWS = 64, 40
"""Pixels: two of them stand above each other in a character."""


def show_set(session: Session, shards: ShardSet, save: Path | None) -> None:
    """Shows images a label and split on stderr; the result is the path.

    Raises:
        BadOptionError: `save` without an image.
    """
    from granctl.shards.show import describe, label_table

    if save is not None:
        raise BadOptionError("--save", "it is for one image", "give the image's KEY too")
    record = describe(shards)
    session.table(*label_table(shards))
    session.answer(str(record["path"]), record)


def show_image(session: Session, shards: ShardSet, key: str, save: Path | None) -> None:
    """Shows an image on stderr; the result is the file that was saved, or its shard."""
    from granctl.shards.show import image_table
    from granctl.study.imageshow import image_record, save_image

    record = image_record(session.workspace, shards, key)
    session.table(*image_table(record), texts=True)
    if session.stderr.color_system in ("256", "truecolor") and not session.quiet:
        _draw(session, shards, record)
    if save is not None:
        record["saved"] = str(save_image(shards, record, save))
    session.answer(record.get("saved", record["path"]), record)


def _draw(session: Session, shards: ShardSet, record: dict[str, object]) -> None:
    from granctl.cli.terminal import picture_of
    from granctl.shards.show import image_bytes
    from granctl.shards.thumbnails import pixels_of

    most = (min(_MOST_COLUMNS, session.stderr.width - 1), _MOST_ROWS)
    pixels = pixels_of(image_bytes(shards, record), most)
    if pixels is not None:
        session.stderr.print(picture_of(pixels))
