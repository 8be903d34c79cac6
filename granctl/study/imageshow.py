"""One image of a shard set, with the names of its label and classes; and its bytes as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from granctl.errors import OutputExistsError
from granctl.files import write_bytes
from granctl.shards.index import ShardSet
from granctl.shards.show import describe_image, image_bytes
from granctl.train.lookup import find_map
from granctl.tree.store import embedded_wordnet
from granctl.workspace import Workspace


def image_record(workspace: Workspace, shards: ShardSet, key: str) -> dict[str, Any]:
    """What `granctl shards show KEY` says: `describe_image`, and names for people.

    `label_name` is WordNet's, `class_names` are those of the label map, if it is in the workspace;
    else they are null.

    Raises:
        GranctlError: as `describe_image`.
    """
    record = describe_image(shards, key)
    wordnet = embedded_wordnet()
    node = wordnet.index_of.get(record["label"])
    digest = shards.manifest["classes"]["labels_digest"]
    found = find_map(workspace, digest) if digest else None
    names = None if found is None else [found[1].class_names[i] for i in record["classes"]]
    name = None if node is None else wordnet.name(node)
    return {**record, "label_name": name, "class_names": names}


def save_image(shards: ShardSet, record: dict[str, Any], place: Path) -> Path:
    """Writes the bytes of an image to a file, or into a folder under its key; where it is now.

    Raises:
        OutputExistsError: there is another file.
        OutputNotWritableError: no space, read-only, no permission.
    """
    path = place / f"{record['key']}.{record['format']}" if place.is_dir() else place
    content = image_bytes(shards, record)
    if path.exists() and path.read_bytes() != content:
        raise OutputExistsError(path, "another file", "--save")
    write_bytes(path, content)
    return path
