"""Names in two arrays are the strings that went in."""

import json
import pickle
from contextlib import contextmanager

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from granctl.shards import names as module
from granctl.shards.names import Names
from granctl.shards.source.kinds import claim_images, claims_image

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=30)


@contextmanager
def patched_chunk(num):
    """So many names are handled at once."""
    saved, module._CHUNK = module._CHUNK, num
    try:
        yield
    finally:
        module._CHUNK = saved


@given(TEXTS)
def test_names_come_out_as_they_went_in(texts):
    """One by one, in a loop, from behind, as a slice, and after pickling."""
    names = Names.of(texts)
    assert list(names) == texts == [names[i] for i in range(len(texts))]
    assert [names[-i - 1] for i in range(len(texts))] == texts[::-1]
    assert list(names[1::2]) == texts[1::2]
    assert list(pickle.loads(pickle.dumps(names))) == texts


@given(TEXTS)
def test_lengths_are_those_of_the_encodings(texts):
    """UTF-8 bytes, and bytes inside a JSON string: what json.dumps writes is the oracle."""
    names = Names.of(texts)
    assert names.byte_lengths.tolist() == [len(text.encode()) for text in texts]
    written = [json.dumps(text, ensure_ascii=False).encode() for text in texts]
    assert names.json_lengths.tolist() == [len(text) - 2 for text in written]


@given(TEXTS, TEXTS, st.data(), st.integers(1, 4))
def test_joined_and_taken_names_are_those_of_lists(first, second, data, chunk):
    """Whatever the number of names that are handled at once."""
    both = first + second
    names = Names.joined([Names.of(first), Names.of(second)])
    assert list(names) == both
    places = data.draw(st.lists(st.integers(0, max(len(both) - 1, 0)), max_size=20))
    places = places if both else []
    with patched_chunk(chunk):
        taken = names.take(np.array(places, dtype=np.int64))
        assert list(taken) == [both[i] for i in places]
        again = Names.of(both[i] for i in places)
        assert taken.json_lengths.tolist() == again.json_lengths.tolist()


@given(TEXTS, st.integers(0, 2))
def test_last_words_are_the_last_bytes(texts, lane):
    """Eight bytes at a time from the end; shorter names have zeros before."""
    found = Names.of(texts).last_words(lane)
    raw = [text.encode() for text in texts]
    ends = [r[: len(r) - 8 * lane][-8:] if len(r) > 8 * lane else b"" for r in raw]
    assert found.tolist() == [int.from_bytes(end.rjust(8, b"\0"), "little") for end in ends]


@given(st.lists(st.text("ab/é", max_size=30), max_size=40), st.integers(1, 5))
def test_repeated_names_are_all_but_the_last(texts, chunk):
    """As a dict that is filled in order would tell."""
    last = {text: i for i, text in enumerate(texts)}
    with patched_chunk(chunk):
        found = Names.of(texts).repeated()
    assert found.tolist() == [last[text] != i for i, text in enumerate(texts)]


@given(TEXTS, st.data(), st.integers(1, 5))
def test_names_under_folders(texts, data, chunk):
    """Folder, slash, name; no slash where the folder is the source itself."""
    folders = ["", "a", "deep/er", "ü"]
    places = data.draw(st.lists(st.integers(0, 3), min_size=len(texts), max_size=len(texts)))
    with patched_chunk(chunk):
        found = Names.of(texts).under(Names.of(folders), np.array(places, dtype=np.int32))
    assert list(found) == [
        f"{folders[i]}/{text}" if folders[i] else text
        for i, text in zip(places, texts, strict=True)
    ]


def test_long_runs_are_taken_at_once():
    """A few runs of many names give what one name after another gives."""
    texts = [f"{i}" * (i % 5) for i in range(500)]
    places = np.concatenate([np.arange(300, 500), np.arange(7, 250), np.arange(100)])
    assert list(Names.of(texts).take(places)) == [texts[i] for i in places]


ENDINGS = [".JPEG", ".jpg", ".PnG", ".webp", ".txt", "", ".jpeg.txt", "jpg", ".tiff"]


@given(st.lists(st.tuples(st.text("a./é", max_size=9), st.sampled_from(ENDINGS)), max_size=20))
def test_claims_of_many_names_are_those_of_single_ones(texts_and_ends):
    """Ending, letter case, hidden files and files in hidden folders."""
    texts = [head + tail for head, tail in texts_and_ends]
    single = [
        claims_image(text.rpartition("/")[2])
        and not any(p.startswith(".") for p in text.split("/"))
        for text in texts
    ]
    assert claim_images(Names.of(texts)).tolist() == single
