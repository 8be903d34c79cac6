"""One training of the theory's network under one label space, and everything measured of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from granctl.theory.labels import LabelSpace, assign, composition
from granctl.theory.measures import alignment, auc, ratio, responses
from granctl.theory.network import Network, activations, first_network
from granctl.theory.readouts import Finetuned, LinearProbe, error, log_likelihoods, max_scores
from granctl.theory.sample import (
    Samples,
    balanced,
    dictionary,
    draw,
    feature_of,
    level_offsets,
    training_samples,
)
from granctl.theory.setting import Setting
from granctl.theory.training import train

READOUTS = ("max", "sum", "probe", "finetune")
_STREAMS = ("features", "training", "easy", "hard", "labels", "network", "order", "finetune")


def rng_of(seed: int, what: str) -> np.random.Generator:
    """The stream of one part of a seed: label spaces of one seed share features and samples."""
    return np.random.default_rng([seed, _STREAMS.index(what)])


def measure(setting: Setting, space: LabelSpace, seed: int) -> dict[str, Any]:
    """Samples, trains and measures; the same arguments give the same numbers.

    Returns:
        JSON types: classes, neurons, steps, epochs, loss, easy and hard (read-out -> error),
        response (by level), response_ratio, alignment, aligned (by level), auc, and history
        (loss and response_ratio by epoch).

    Raises:
        TheoryDivergedError: the loss is not finite any more.
    """
    features = dictionary(setting, rng_of(seed, "features"))
    train_set = training_samples(setting, features, rng_of(seed, "training"))
    classes = assign(space, setting, train_set.subclass, rng_of(seed, "labels"))
    nodes = feature_of(setting, train_set.subclass)
    shares = [
        composition(classes, node - offset, space.classes, size)
        for node, offset, size in zip(
            nodes, level_offsets(setting), setting.level_sizes, strict=True
        )
    ]
    network = first_network(setting, space.classes, rng_of(seed, "network"))
    narrow = features.astype(np.float32)
    history = train(
        setting,
        network,
        train_set.patches,
        classes,
        rng_of(seed, "order"),
        lambda net: responses(net, narrow, shares),
    )
    mean_cosine, by_level = alignment(network, narrow, setting.level_sizes)
    return {
        "classes": space.classes,
        "neurons": len(network.owner),
        "steps": history.steps,
        "epochs": history.epochs,
        "loss": history.losses[-1],
        **_tested(setting, network, features, train_set, shares[0], seed),
        "response": history.responses[-1],
        "response_ratio": ratio(history.responses[-1]),
        "alignment": mean_cosine,
        "aligned": by_level,
        "history": {
            "loss": history.losses,
            "response_ratio": [ratio(r) for r in history.responses],
        },
    }


def _tested(
    setting: Setting,
    network: Network,
    features: np.ndarray,
    train_set: Samples,
    shares: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """Errors on easy and on hard samples by read-out, and the AUC of the loss."""
    summed = _summed(network, train_set.patches)
    probe = LinearProbe(setting, summed, train_set.superclass)
    tuned = Finetuned(
        setting, network, train_set.patches, train_set.superclass, rng_of(seed, "finetune")
    )
    found: dict[str, Any] = {}
    losses = []
    for kind in ("easy", "hard"):
        subclass = balanced(setting, setting.test)
        flags = np.full(setting.test, kind == "hard")
        tests = draw(setting, features, subclass, flags, rng_of(seed, kind))
        summed = _summed(network, tests.patches)
        logits = summed @ network.membership
        likely = log_likelihoods(logits, shares)
        scores = (
            max_scores(logits, shares),
            likely,
            probe.scores(summed),
            tuned.scores(tests.patches),
        )
        found[kind] = {
            name: error(of, tests.superclass) for name, of in zip(READOUTS, scores, strict=True)
        }
        losses.append(-likely[np.arange(setting.test), tests.superclass])
    is_hard = np.repeat([False, True], setting.test)
    return {**found, "auc": auc(np.concatenate(losses), is_hard)}


def _summed(network: Network, patches: np.ndarray, rows: int = 512) -> np.ndarray:
    parts = range(0, patches.shape[1], rows)
    return np.concatenate([activations(network, patches[:, i : i + rows]) for i in parts])
