"""A taxonomy in forms that other programs read: CSV, nested JSON, DOT, networkx and its GraphML."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from granctl.tree.taxonomy import HYPERNYM, INSTANCE, Taxonomy

if TYPE_CHECKING:
    import networkx

Kept = NDArray[np.bool_] | None
"""Shape (num_nodes,): which nodes to export; None: all."""

WORD_OF_RELATION = {HYPERNYM: "is_a", INSTANCE: "instance_of"}


def to_networkx(taxonomy: Taxonomy, kept: Kept = None) -> networkx.DiGraph:
    """The DAG as a networkx graph: nodes are ids, edges run from parent to child.

    So `networkx.ancestors` are hypernyms. A node has `name` and `gloss`, an edge `relation`, which
    is `is_a` or `instance_of`. networkx comes with torch.

    Example:
        >>> from granctl.tree.store import embedded_wordnet
        >>> graph = to_networkx(embedded_wordnet())
        >>> sorted(graph.predecessors("n02084071"))
        ['n01317541', 'n02083346']
    """
    import networkx

    graph = networkx.DiGraph(source=taxonomy.source, digest=taxonomy.digest)
    for node in _nodes(taxonomy, kept):
        graph.add_node(taxonomy.ids[node], name=taxonomy.name(node), gloss=taxonomy.glosses[node])
    for child, parent, relation in _edges(taxonomy, kept):
        pair = taxonomy.ids[parent], taxonomy.ids[child]
        graph.add_edge(*pair, relation=WORD_OF_RELATION[relation])
    return graph


def graphml(taxonomy: Taxonomy, kept: Kept = None) -> str:
    """The graph of `to_networkx` as GraphML."""
    import networkx

    return "\n".join(networkx.generate_graphml(to_networkx(taxonomy, kept))) + "\n"


def edges_csv(taxonomy: Taxonomy, kept: Kept = None) -> str:
    """A row an edge: child, parent, relation, name of the child; a root has an empty parent.

    Nodes stand in topological order and the parents of one in file order, so that
    `granctl tree import edges` makes the same DAG of it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["child", "parent", "relation", "name"])
    ids = taxonomy.ids
    rows = [(child, ids[parent], relation) for child, parent, relation in _edges(taxonomy, kept)]
    rows += [(root, "", HYPERNYM) for root in _roots(taxonomy, kept)]
    for child, parent, relation in sorted(rows, key=lambda row: row[0]):
        word = WORD_OF_RELATION[relation] if parent else ""
        writer.writerow([ids[child], parent, word, taxonomy.name(child)])
    return text.getvalue()


def nested_json(taxonomy: Taxonomy, kept: Kept = None) -> str:
    """Nested objects with `id`, `name` and `children`; an array of them where there are more roots.

    A node with several parents stands under each; its children stand only where it is met under
    its first parent. An instance has `"relation": "instance_of"`.
    """
    children: dict[int, list[tuple[int, int, bool]]] = {}
    with_children: set[int] = set()
    for child, parent, relation in _edges(taxonomy, kept):
        is_first = child not in with_children
        with_children.add(child)
        children.setdefault(parent, []).append((child, relation, is_first))
    pieces: list[str] = []
    roots = _roots(taxonomy, kept)
    top = [(root, HYPERNYM, True) for root in roots]
    # Written with a stack of its own: a deep taxonomy would exhaust Python's.
    stack = [iter(top)]
    needs_comma = [False]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            needs_comma.pop()
            pieces.append("]}" if stack else "")
            continue
        node, relation, is_first = found
        below = children.get(node, []) if is_first else []
        pieces.append(",\n" if needs_comma[-1] else "")
        needs_comma[-1] = True
        own = {"id": taxonomy.ids[node], "name": taxonomy.name(node)}
        own |= {"relation": WORD_OF_RELATION[relation]} if relation == INSTANCE else {}
        head = json.dumps(own, ensure_ascii=False)
        pieces.append(head[:-1] + ', "children": [' if below else head)
        if below:
            stack.append(iter(below))
            needs_comma.append(False)
    text = "".join(pieces)
    return f"{text}\n" if len(roots) == 1 else f"[{text}]\n"


def dot(taxonomy: Taxonomy, kept: Kept = None) -> str:
    """Graphviz' language: edges from parent to child, those to instances dashed."""
    lines = [f"digraph {_quoted(taxonomy.source)} {{", "  rankdir=LR;", "  node [shape=box];"]
    for node in _nodes(taxonomy, kept):
        label = _quoted(taxonomy.name(node))
        lines.append(f"  {_quoted(taxonomy.ids[node])} [label={label}];")
    for child, parent, relation in _edges(taxonomy, kept):
        style = " [style=dashed]" if relation == INSTANCE else ""
        pair = f"{_quoted(taxonomy.ids[parent])} -> {_quoted(taxonomy.ids[child])}"
        lines.append(f"  {pair}{style};")
    return "\n".join([*lines, "}"]) + "\n"


def _nodes(taxonomy: Taxonomy, kept: Kept) -> list[int]:
    found: list[int] = np.arange(len(taxonomy))[slice(None) if kept is None else kept].tolist()
    return found


def _edges(taxonomy: Taxonomy, kept: Kept) -> list[tuple[int, int, int]]:
    """(child, parent, relation), by child and then in file order; both ends are kept."""
    child = np.repeat(np.arange(len(taxonomy)), np.diff(taxonomy.parent_offsets))
    parent, relation = taxonomy.parents, taxonomy.relations
    if kept is not None:
        both = kept[child] & kept[parent]
        child, parent, relation = child[both], parent[both], relation[both]
    return list(zip(child.tolist(), parent.tolist(), relation.tolist(), strict=True))


def _roots(taxonomy: Taxonomy, kept: Kept) -> list[int]:
    """The nodes that are kept and have no parent that is."""
    inner = {child for child, _, _ in _edges(taxonomy, kept)}
    return [node for node in _nodes(taxonomy, kept) if node not in inner]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
