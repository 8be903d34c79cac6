"""Looking up a node by id or by name; names are no keys, so a name can have several nodes."""

from __future__ import annotations

from collections.abc import Iterable

from granctl.errors import AmbiguousNameError, UnknownNodeError, listing, near
from granctl.tree.taxonomy import BETWEEN_LEMMAS, Taxonomy, below


def find(taxonomy: Taxonomy, text: str) -> list[int]:
    """All nodes with this id, or else with this name, those with most below them first.

    Case does not count, and underscores are spaces.
    """
    hits = find_each(taxonomy, [text])[text]
    if len(hits) < 2:
        return hits
    return sorted(hits, key=lambda node: -int(below(taxonomy, node).sum()))


def find_each(taxonomy: Taxonomy, texts: Iterable[str]) -> dict[str, list[int]]:
    """For each text all nodes with this id, or else with this name, in the taxonomy's order.

    However many texts, the names are read once.
    """
    found: dict[str, list[int]] = {}
    texts_of_name: dict[str, list[str]] = {}
    for text in texts:
        by_id = taxonomy.index_of.get(text.strip())
        found[text] = [] if by_id is None else [by_id]
        if by_id is None:
            texts_of_name.setdefault(_normal(text), []).append(text)
    if not texts_of_name:
        return found
    hits: dict[str, list[int]] = {name: [] for name in texts_of_name}
    for node, lemmas in enumerate(taxonomy.lemma_texts):
        for name in dict.fromkeys(lemmas.lower().split(BETWEEN_LEMMAS)):
            if name in hits:
                hits[name].append(node)
    for name, same in texts_of_name.items():
        found |= dict.fromkeys(same, hits[name])
    return found


def resolve(taxonomy: Taxonomy, text: str) -> int:
    """The one node with this id or name.

    Raises:
        UnknownNodeError: there is none; names the nearest.
        AmbiguousNameError: there are several; lists them with their glosses.

    Example:
        >>> from granctl.tree.store import embedded_wordnet
        >>> wordnet = embedded_wordnet()
        >>> wordnet.ids[resolve(wordnet, "domestic dog")]
        'n02084071'
    """
    found = find(taxonomy, text)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UnknownNodeError(text, near_nodes(taxonomy, text), taxonomy.source)
    raise AmbiguousNameError(text, [(taxonomy.ids[n], in_words(taxonomy, n)) for n in found])


def in_words(taxonomy: Taxonomy, node: int) -> str:
    """Names and gloss of a node on one line: `dog, domestic dog: a member of ...`."""
    return f"{listing(taxonomy.lemmas(node))}: {taxonomy.glosses[node]}"


def near_nodes(taxonomy: Taxonomy, text: str) -> list[str]:
    """At most three ids or names like the text, the nearest first; an id with its name."""
    text = text.strip()
    if any(c.isdigit() for c in text):
        alike = _one_or_two_off(text, taxonomy.ids)
        if alike:
            return [f"{i} ({taxonomy.name(taxonomy.index_of[i])})" for i in alike]
    wanted = _normal(text)
    names = {
        name.lower()
        for lemmas in taxonomy.lemma_texts
        for name in lemmas.split(BETWEEN_LEMMAS)
        # The whole vocabulary would take seconds: a near name is as long and begins alike.
        if abs(len(name) - len(wanted)) <= 2 and name[:1].lower() == wanted[:1]
    }
    return near(wanted, sorted(names))


def _one_or_two_off(text: str, ids: Iterable[str]) -> list[str]:
    """Ids that differ in one or two places, or by a missing or doubled one, the nearest first."""
    off = ((_places_off(i, text), i) for i in ids if abs(len(i) - len(text)) <= 1)
    return [i for num, i in sorted(pair for pair in off if 0 < pair[0] <= 2)[:3]]


def _places_off(a: str, b: str) -> int:
    """In how many places two words differ; of unlike lengths: 1, or 3 if it is more than that."""
    if len(a) == len(b):
        return sum(x != y for x, y in zip(a, b, strict=True))
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    same = next((i for i, c in enumerate(shorter) if c != longer[i]), len(shorter))
    return 1 if longer[same + 1 :] == shorter[same:] else 3


def _normal(text: str) -> str:
    return " ".join(text.replace("_", " ").split()).lower()
