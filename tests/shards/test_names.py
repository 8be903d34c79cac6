"""Names in two arrays are the strings that went in."""

import json
import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from granctl.shards import names as module
from granctl.shards.names import Names

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=30)


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
    saved, module._CHUNK = module._CHUNK, chunk
    try:
        taken = names.take(np.array(places, dtype=np.int64))
        assert list(taken) == [both[i] for i in places]
        assert (
            taken.json_lengths.tolist() == Names.of(both[i] for i in places).json_lengths.tolist()
        )
    finally:
        module._CHUNK = saved
