"""Where the images of a shard set came from: the names that their `.json` members keep."""

from __future__ import annotations

import json

from granctl.errors import ShardCorruptError
from granctl.shards.index import ShardSet
from granctl.shards.tar import BLOCK, padded, size_in


def origins(shards: ShardSet, split: str) -> list[str]:
    """The path of each image of a split inside the source that it was built from.

    Raises:
        ShardCorruptError: a `.json` member is not there, or damaged.
        RemoteDownError: the shards lie behind a URL that does not answer.
    """
    rows = shards.rows(split)
    sizes = [(shard["name"], shard["bytes"]) for shard in shards.manifest["shards"]]
    opened, found = shards.store.shard_bytes(sizes), []
    try:
        for number, offset, size in zip(
            rows.shard.tolist(), rows.offset.tolist(), rows.size.tolist(), strict=True
        ):
            header_at = offset + padded(size) + 2 * BLOCK  # behind the image: .cls, then .json
            try:
                length = size_in(opened.read(number, header_at, BLOCK))
                found.append(
                    str(json.loads(opened.read(number, header_at + BLOCK, length))["source"])
                )
            except (ValueError, KeyError, TypeError) as error:
                name = f"{shards.where}/{shards.shard_names[number]}"
                problem = f"the .json of the image at byte {offset} is damaged ({error})"
                raise ShardCorruptError(name, problem) from error
    finally:
        opened.close()
    return found
