"""One training of the theory's network under one label space, and everything measured of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from granctl.theory.labels import LabelSpace, assign, composition
from granctl.theory.measures import alignment, auc, ratio, responses
from granctl.theory.network import Network, first_network, summed_of
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
from granctl.theory.training import grouped, train

READOUTS = ("max", "sum", "probe", "finetune")
_STREAMS = ("features", "training", "easy", "hard", "labels", "network", "order", "finetune")


def rng_of(seed: int, what: str) -> np.random.Generator:
    """The stream of one part of a seed: label spaces of one seed share features and samples."""
    return np.random.default_rng([seed, _STREAMS.index(what)])


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What one seed draws before any label space."""

    features: np.ndarray
    """(features, d), float64."""
    training: Samples
    easy: Samples
    hard: Samples


@lru_cache(maxsize=1)
def drawn_samples(setting: Setting, seed: int) -> Drawn:
    """Features, training and test samples; kept, as the next label space often wants the same."""
    features = dictionary(setting, rng_of(seed, "features"))
    tests = {
        kind: draw(
            setting,
            features,
            balanced(setting, setting.test),
            np.full(setting.test, kind == "hard"),
            rng_of(seed, kind),
        )
        for kind in ("easy", "hard")
    }
    training = training_samples(setting, features, rng_of(seed, "training"))
    return Drawn(features=features, training=training, **tests)


def measure(setting: Setting, space: LabelSpace, seed: int) -> dict[str, Any]:
    """Samples, trains and measures; the same arguments give the same numbers.

    Returns:
        JSON types: classes, neurons, steps, epochs, loss, easy and hard (read-out -> error),
        response (by level), response_ratio, alignment, aligned (by level), auc, and history
        (loss by epoch; response_ratio at each `step` of a list).

    Raises:
        TheoryDivergedError: the loss is not finite any more.
    """
    drawn = drawn_samples(setting, seed)
    train_set = drawn.training
    classes = assign(space, setting, train_set.subclass, rng_of(seed, "labels"))
    nodes = feature_of(setting, train_set.subclass)
    shares = [
        composition(classes, node - offset, space.classes, size)
        for node, offset, size in zip(
            nodes, level_offsets(setting), setting.level_sizes, strict=True
        )
    ]
    network = first_network(setting, space.classes, rng_of(seed, "network"))
    narrow = drawn.features.astype(np.float32)
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
        **_tested(setting, network, drawn, shares[0], seed),
        "response": history.responses[-1],
        "response_ratio": ratio(history.responses[-1]),
        "alignment": mean_cosine,
        "aligned": by_level,
        "history": {
            "loss": history.losses,
            "step": history.seen_at,
            "response_ratio": [ratio(r) for r in history.responses],
        },
    }


def _tested(
    setting: Setting,
    network: Network,
    drawn: Drawn,
    shares: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """Errors on easy and on hard samples by read-out, and the AUC of the loss."""
    train_set = drawn.training
    summed = summed_of(network, train_set.patches)
    probe = LinearProbe(setting, summed, train_set.superclass)
    tuned = Finetuned(
        setting, network, train_set.patches, train_set.superclass, rng_of(seed, "finetune")
    )
    found: dict[str, Any] = {}
    losses = []
    for kind, tests in (("easy", drawn.easy), ("hard", drawn.hard)):
        summed = summed_of(network, tests.patches)
        logits = grouped(network, summed)
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
