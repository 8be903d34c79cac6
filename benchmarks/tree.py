"""What the tree costs, measured against others: ratios of CPU time from one interleaved run.

    python benchmarks/tree.py [--rounds 5] [--only command,cuts,pairs]

Each line is a ratio, its two parts, and the goal where there is one. Of every part the minimum over
the rounds is taken: other work on the machine only ever adds. Times are CPU seconds, user and
system, of whole processes (`command`) or of one call (`cuts`, `pairs`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from granctl.tree import LabelTree

WORDNET = Path("/usr/share/wordnet")
LEVEL = 4
CLASSES_AT_LEVEL = 519
NUM_PAIRS = 1_000_000

TYPER_ALONE = """
import typer
app = typer.Typer()
@app.callback()
def main() -> None: pass
@app.command()
def cut() -> None: pass
app(["cut"])
"""
GRANCTL = "from granctl.cli.main import main; main()"
NLTK = """
import sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from nltk.corpus.reader.wordnet import WordNetCorpusReader
wordnet = WordNetCorpusReader(sys.argv[1], None)
labels = Path(sys.argv[2]).read_text().split()
classes = set()
for label in labels:
    nodes = {wordnet.synset_from_pos_and_offset("n", int(label[1:]))}
    for _ in range(int(sys.argv[3])):
        nodes = {up for node in nodes for up in node.hypernyms() or [node]}
    classes |= nodes
print(len(classes))
"""


def main() -> None:
    """Runs the parts that were asked for and prints a line for each ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="command,cuts,pairs")
    asked = parser.parse_args()
    parts = {"command": bench_command, "cuts": bench_cuts, "pairs": bench_pairs}
    for name in asked.only.split(","):
        parts[name](asked.rounds)


def say(what: str, ratio: str, parts: str, goal: str = "") -> None:
    """One line of the result."""
    print(f"{what:<58} {ratio:>10}   {parts}{f'   (goal {goal})' if goal else ''}", flush=True)


# --- whole processes ------------------------------------------------------------------------------


def run(program: str, *arguments: str, nltk_data: Path) -> tuple[float, float, str]:
    """CPU seconds, peak memory in MB and stdout of one Python process."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NLTK_DATA": str(nltk_data)}
    command = [sys.executable, "-c", program, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:  # its own stderr has said why
        raise SystemExit(f"a process ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out


def bench_command(rounds: int) -> None:
    """`tree cut --level 4 --json` against a typer program that does nothing, and against nltk."""
    seconds: dict[str, list[float]] = defaultdict(list)
    memory: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        nltk_arguments = nltk_corpus(folder)
        cut = ("tree", "cut", "--level", str(LEVEL), "--json", "--quiet", "--workspace")
        for i in range(rounds + 1):
            parts: dict[str, tuple[str, ...]] = {
                "python": ("pass",),
                "typer": (TYPER_ALONE,),
                "cut": (GRANCTL, *cut, str(folder / f"workspace-{i}")),
                "found": (GRANCTL, *cut, str(folder / f"workspace-{i}")),
            }
            if nltk_arguments is not None:
                parts["nltk"] = (NLTK, *nltk_arguments)
            for name, part in parts.items():
                if i == 0 and name == "nltk":
                    continue
                cpu_s, peak_mb, out = run(*part, nltk_data=folder)
                if name == "cut" and f'"classes": {CLASSES_AT_LEVEL},' not in out:
                    raise SystemExit(f"another cut than the paper's: {out}")
                if name == "nltk" and int(out) != CLASSES_AT_LEVEL:
                    raise SystemExit(f"nltk cuts into {out.strip()} classes")
                if i:  # the first round fills the file system's cache and writes bytecode
                    seconds[name].append(cpu_s)
                    memory[name].append(peak_mb)
    best = {name: min(values) for name, values in seconds.items()}
    for name, what in [("cut", "made"), ("found", "there already")]:
        both = f"{best[name]:.3f} s / {best['typer']:.3f} s"
        ratio = f"{best[name] / best['typer']:.2f} x"
        say(f"tree cut --level {LEVEL} ({what}) / an empty typer program", ratio, both, "2.5 x")
    ratio = f"{best['cut'] / best['python']:.1f} x"
    say("tree cut / python -c pass", ratio, f"{best['cut']:.3f} s / {best['python']:.3f} s")
    if "nltk" in best:
        ratio = f"1/{best['nltk'] / best['cut']:.0f}"
        both = f"{best['cut']:.3f} s / {best['nltk']:.3f} s"
        say("tree cut / nltk: load, the same cut", ratio, both, "1/20")
    else:
        print(f"nltk: skipped, for {WORDNET} has no WordNet to make a corpus of")
    peak = max(memory["cut"])
    of_typer = f"{max(memory['typer']):.0f} MB of the empty program"
    say("tree cut: peak memory", f"{peak:.0f} MB", of_typer, "150 MB")


def nltk_corpus(folder: Path) -> tuple[str, str, str] | None:
    """A corpus that nltk loads, put together from Debian's wordnet-base; None: it is not there.

    nltk asks for two files that the package lacks: lexnames, whose 45 lines only name the
    lexicographer files, and index.sense, which this cut does not read.
    """
    if not (WORDNET / "data.noun").is_file():
        return None
    corpus = folder / "corpora" / "wordnet"
    corpus.mkdir(parents=True)
    for path in WORDNET.iterdir():
        if path.is_file():
            shutil.copy(path, corpus / path.name)
    (corpus / "lexnames").write_text("".join(f"{i:02}\tfile.{i}\t1\n" for i in range(45)))
    (corpus / "index.sense").touch()
    from granctl.tree.lists import load_list

    labels = folder / "labels.txt"
    labels.write_text("\n".join(load_list("21843").ids))
    return str(corpus), str(labels), str(LEVEL)


# --- calls inside one process ---------------------------------------------------------------------


def timed(call: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def bench_cuts(rounds: int) -> None:
    """Every kind of cut of the 21,843 labels under every policy: the slowest one; the sweep."""
    import numpy as np

    from granctl.tree import (
        POLICIES,
        balanced_cut,
        depth_cut,
        embedded_wordnet,
        greedy_splits,
        label_map_of,
        label_tree,
        level_cut,
        load_list,
        min_images_cut,
        nodes_of_labels,
    )
    from granctl.tree.parents import MOST_IMAGES, SINGLE_POLICIES, Rows

    wordnet, labels = embedded_wordnet(), load_list("21843")
    nodes = nodes_of_labels(wordnet, labels.ids, labels.name)
    wordnet.name(0)  # names are read once a process
    cuts: dict[str, Callable[[], Rows]] = {}
    for policy in POLICIES:
        for level in range(1, 14):
            cuts[f"level {level}, {policy}"] = lambda p=policy, k=level: level_cut(
                wordnet, nodes, k, p
            )
    for policy in SINGLE_POLICIES:
        for depth in range(1, 14):
            cuts[f"depth {depth}, {policy}"] = lambda p=policy, d=depth: depth_cut(
                wordnet, nodes, d, p
            )
    # Images as uneven as a list of ImageNet-21k's size may have; nothing depends on their values.
    images = np.random.default_rng(0).integers(0, 1500, len(nodes))
    of_node = np.zeros(len(wordnet), np.int64)
    of_node[nodes] = images
    cuts["depth 6, most-images"] = lambda: depth_cut(wordnet, nodes, 6, MOST_IMAGES, images=of_node)
    for what, weight in [("labels", None), ("images", images)]:
        for num in (2, 38, 160, 519, 2281, 5995, 15000, 21843):
            cuts[f"{num} classes by {what}"] = lambda n=num, w=weight: greedy_splits(
                label_tree(wordnet, nodes), w
            ).cut(n)
            cuts[f"{num} balanced classes by {what}"] = lambda n=num, w=weight: balanced_cut(
                label_tree(wordnet, nodes), n, w
            )
    for fewest in (1, 1000, 100_000):
        cuts[f"{fewest} images a class"] = lambda m=fewest: min_images_cut(
            label_tree(wordnet, nodes), images, m, wordnet.ids
        )
    seconds_of_sweep = [timed(lambda: sweep(label_tree(wordnet, nodes))) for _ in range(rounds)]
    both = "class of each label, node of each class, for every N in 1..21843"
    say("all numbers of classes in one sweep", f"{min(seconds_of_sweep):.2f} s", both, "10 s")
    whole = {
        name: lambda c=cut: label_map_of(wordnet, labels.ids, c(), method="bench")
        for name, cut in cuts.items()
    }
    for what, calls in [("rows of nodes", cuts), ("label map", whole)]:
        seconds: dict[str, list[float]] = defaultdict(list)
        for _ in range(rounds):
            for name, call in calls.items():
                seconds[name].append(timed(call))
        best = {name: min(values) for name, values in seconds.items()}
        slowest = max(best, key=lambda name: best[name])
        middle = sorted(best.values())[len(best) // 2]
        both = f"the slowest of {len(best)}: {slowest}; median {middle * 1e3:.1f} ms"
        say(f"a cut in process, {what}", f"{best[slowest] * 1e3:.1f} ms", both, "50 ms")


def sweep(tree: LabelTree) -> None:
    """Every number of classes in turn; each number of classes is looked at."""
    from granctl.tree import greedy_splits

    for num, class_of, node_of in greedy_splits(tree).sweep():
        if len(node_of) != num or class_of[-1] >= num:
            raise SystemExit(f"{len(node_of)} classes instead of {num}")


def bench_pairs(rounds: int) -> None:
    """Lowest common hypernyms of a million random pairs of labels, against networkx."""
    import networkx as nx
    import numpy as np

    from granctl.tree import (
        ancestry_of,
        embedded_wordnet,
        load_list,
        lowest_common_hypernym,
        nodes_of_labels,
        parent_of,
        tree_distance,
    )

    wordnet, labels = embedded_wordnet(), load_list("21843")
    nodes = nodes_of_labels(wordnet, labels.ids, labels.name)
    a, b = np.random.default_rng(0).choice(nodes, (2, NUM_PAIRS))
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    child = np.repeat(np.arange(len(wordnet)), np.diff(wordnet.parent_offsets))
    dag = nx.DiGraph(zip(wordnet.parents.tolist(), child.tolist(), strict=True))
    parent = parent_of(wordnet, "first").tolist()
    tree = nx.DiGraph((p, c) for c, p in enumerate(parent) if p >= 0)
    many, one = ancestry_of(wordnet), ancestry_of(wordnet, "first")
    root = int(wordnet.roots[0])
    few = pairs[:3]
    calls: dict[str, Callable[[], Any]] = {
        "prepare": lambda: ancestry_of(wordnet),
        "dag": lambda: lowest_common_hypernym(many, a, b),
        "tree": lambda: lowest_common_hypernym(one, a, b),
        "distance": lambda: tree_distance(many, a, b),
        "nx dag": lambda: list(nx.all_pairs_lowest_common_ancestor(dag, pairs)),
        "nx tree": lambda: list(nx.tree_all_pairs_lowest_common_ancestor(tree, root, pairs)),
        "nx single": lambda: [nx.lowest_common_ancestor(dag, x, y) for x, y in few],
    }
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(timed(call))
    num = {"nx single": len(few), "prepare": 1}
    us = {name: min(values) / num.get(name, NUM_PAIRS) * 1e6 for name, values in seconds.items()}
    lines = [
        ("nx single", "dag", "DAG: networkx, a call a pair", "100 x"),
        ("nx dag", "dag", "DAG: networkx, a million pairs in one call", "100 x"),
        ("nx tree", "tree", "tree (policy first): networkx, its tree function", "100 x"),
        ("nx dag", "distance", "DAG: networkx' ancestor / our distance", ""),
    ]
    for theirs, ours, what, goal in lines:
        both = f"{us[theirs]:.2f} us / {us[ours]:.3f} us a pair"
        say(f"{what} / granctl", f"{us[theirs] / us[ours]:,.0f} x", both, goal)
    say("prepare a taxonomy for pairs", f"{us['prepare'] / 1e3:.1f} ms", "once a taxonomy")


if __name__ == "__main__":
    main()
