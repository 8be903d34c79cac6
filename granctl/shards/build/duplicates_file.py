"""duplicates.csv: each image that stands again, and the one that stays for it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from granctl.files import write_bytes
from granctl.shards.build.duplicates import Duplicates
from granctl.shards.setfiles import DUPLICATES_NAME
from granctl.shards.source.listing import SPLITS, Listing

_HEAD = ("name", "label", "split", "kept", "kept_label", "kept_split", "bits")


def write_duplicates(folder: Path, listing: Listing, found: Duplicates | None) -> None:
    """Writes duplicates.csv, or nothing where no duplicates were looked for.

    `bits` says in how many bits of 64 the perceptual hashes differ; it is empty where the bytes are
    the same. The file belongs to no digest.
    """
    if found is None:
        return
    rows = []
    images = zip(found.images.tolist(), found.split_of.tolist(), strict=True)
    kept = zip(found.kept.tolist(), found.kept_split_of.tolist(), strict=True)
    for image, other, bits in zip(images, kept, found.bits.tolist(), strict=True):
        sides = [
            (listing.names[i], listing.labels[listing.label_of[i]], SPLITS[split])
            for i, split in (image, other)
        ]
        rows.append((*sides[0], *sides[1], "" if bits < 0 else bits))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_HEAD, *rows])
    write_bytes(folder / DUPLICATES_NAME, text.getvalue().encode())
