"""Where files of a repair lie, and how they take each other's places: nothing is ever removed."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from granctl.files import fsync_path, make_folder, writing
from granctl.progress import Progress
from granctl.shards.verify.report import How, Mended
from granctl.shards.verify.setchecks import DAMAGED_NAME, REPAIR_NAME


def set_aside(folder: Path, name: str) -> str | None:
    """Moves a file or folder of a set to `damaged/`; where it is now, None: it was not there.

    The name gets a number, so that no reader of `*.tar` takes it for a shard.
    """
    if not (folder / name).exists():
        return None
    make_folder(folder / DAMAGED_NAME)
    places = (f"{DAMAGED_NAME}/{name}.{number}" for number in count(1))
    place = next(place for place in places if not (folder / place).exists())
    with writing(folder / place):
        os.replace(folder / name, folder / place)
        fsync_path(folder / DAMAGED_NAME)
    return place


def set_aside_alone(folder: Path, name: str, progress: Progress) -> Mended:
    """Moves away what does not belong to the set."""
    return _told(Mended(name=name, how="set aside", set_aside=set_aside(folder, name)), progress)


def put_in_place(folder: Path, name: str, how: How, progress: Progress) -> Mended:
    """The whole file from the folder of repairs takes the place of the damaged one."""
    aside = set_aside(folder, name)
    with writing(folder / name):
        os.replace(folder / REPAIR_NAME / name, folder / name)
        fsync_path(folder)
    return _told(Mended(name=name, how=how, set_aside=aside), progress)


def _told(mended: Mended, progress: Progress) -> Mended:
    aside = f"; what was there is {mended.set_aside}" if mended.set_aside else ""
    progress.note(f"{mended.name}: {mended.how}{aside}")
    return mended
