"""The theory's work as one would write it with torch autograd, and granctl's step, a process each.

    python benchmarks/_theory_peers.py torch_program
    python benchmarks/_theory_peers.py torch_steps 16 600
    python benchmarks/_theory_peers.py granctl_steps 16 600

The program does what `granctl theory run --seeds 1` does: it samples, trains on coarse and on fine
labels with the same steps, batches and stopping, and reads out by max, sum of probabilities, linear
probe and full finetune, on 2,000 easy and 2,000 hard samples. It writes nothing down, and measures
neither responses nor alignment. Steps are timed without packages and samples; each takes its
batch from the training set, and ends with changed weights.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

D, P, S, K, EACH, IOTA, NOISE = 64, 8, 2, 8, 100, 0.2, 0.5
WIDTH, INIT, BATCH, STEP, STOP, EPOCHS, TEST = 128, 0.01, 128, 0.02, 0.01, 100, 2000
WARM_STEPS = 50


def torch_steps(classes: int, steps: int) -> None:
    """Steps by autograd on one thread."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, _, subclass = sampled(torch.arange(2 * K).repeat(EACH), features(), hard=False)
    labels = subclass // K if classes == 2 else subclass
    weights = (torch.randn(D, WIDTH) * INIT / D**0.5).requires_grad_()
    rows = torch.randperm(len(x)).repeat(-(-(steps + WARM_STEPS) * BATCH // len(x)))

    def one(i: int) -> None:
        torch_step(x, labels, weights, rows[i * BATCH : (i + 1) * BATCH], classes)

    timed(one, steps)


def granctl_steps(classes: int, steps: int) -> None:
    """The same steps by granctl, as `train` does them."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    from granctl.theory.network import Gradient, first_network
    from granctl.theory.sample import dictionary, training_samples
    from granctl.theory.setting import Setting
    from granctl.theory.training import one_step

    setting = Setting()
    rng = np.random.default_rng(0)
    samples = training_samples(setting, dictionary(setting, rng), rng)
    labels = samples.superclass if classes == 2 else samples.subclass
    network = first_network(setting, classes, rng)
    gradient = Gradient(P, D, WIDTH, BATCH, np.float32)
    order = rng.permutation(setting.num_samples)
    rows = np.tile(order, -(-(steps + WARM_STEPS) * BATCH // len(order)))
    step = np.float32(STEP * classes / 2)

    def one(i: int) -> None:
        batch = rows[i * BATCH : (i + 1) * BATCH]
        one_step(setting, network, gradient, samples.patches, labels, batch, step)

    with threadpool_limits(1):
        timed(one, steps)


def timed(step: Callable[[int], Any], steps: int) -> None:
    """Prints what the steps took after some that are not counted."""
    for i in range(WARM_STEPS):
        step(i)
    wall, cpu = time.perf_counter(), time.process_time()
    for i in range(WARM_STEPS, WARM_STEPS + steps):
        step(i)
    took = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    print(json.dumps(took))


def torch_step(x: Any, labels: Any, weights: Any, rows: Any, classes: int) -> float:
    """One step: outputs, loss, backward, change."""
    import torch

    loss = torch.nn.functional.cross_entropy(outputs(x[rows], weights, classes), labels[rows])
    loss.backward()
    with torch.no_grad():
        weights.sub_(weights.grad, alpha=STEP * classes / 2)
    weights.grad = None
    return float(loss.detach())


def outputs(x: Any, weights: Any, classes: int) -> Any:
    """(n, C) of (n, P, d)."""
    return summed(x, weights).view(len(x), classes, -1).sum(2)


def summed(x: Any, weights: Any) -> Any:
    """(n, m): neurons summed over patches."""
    import torch

    return torch.relu(x @ weights).sum(1)


def features() -> Any:
    """Orthonormal rows."""
    import torch

    return torch.linalg.qr(torch.randn(D, 2 + 2 * K))[0].T


def sampled(subclass: Any, rows: Any, *, hard: bool) -> tuple[Any, Any, Any]:
    """Patches (n, P, d), superclasses, subclasses."""
    import torch

    n, y = len(subclass), subclass // K
    x = torch.randn(n, P, D) * NOISE / D**0.5
    low, high = (1 - IOTA) ** 0.5, (1 + IOTA) ** 0.5
    alpha = low + (high - low) * torch.rand(n, 2 * S, 1)
    x[:, S : 2 * S] += alpha[:, S:] * rows[2 + subclass][:, None]
    if hard:
        x[:, :S] += (0.25 + 0.1 * torch.rand(n, S, 1)) * rows[1 - y][:, None]
        x[:, 2 * S] = torch.randn(n, D) / D**0.5
    else:
        x[:, :S] += alpha[:, :S] * rows[y][:, None]
    return x, y, subclass


def torch_program() -> None:
    """Coarse and fine labels, four read-outs each."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = features()
    train = sampled(torch.arange(2 * K).repeat(EACH), rows, hard=False)
    found: dict[str, Any] = {}
    for name, classes in (("coarse", 2), ("fine", 2 * K)):
        labels = train[1] if classes == 2 else train[2]
        weights = (torch.randn(D, WIDTH) * INIT / D**0.5).requires_grad_()
        trained = partial(torch_step, train[0], labels, weights, classes=classes)
        for _ in range(EPOCHS):
            if epoch(train[0], trained):
                break
        found[name] = read_out(train, weights, classes, rows)
    print(json.dumps(found))


def epoch(x: Any, step: Callable[[Any], float]) -> bool:
    """One pass in batches; whether its mean loss is small enough to stop."""
    import torch

    parts = torch.randperm(len(x)).split(BATCH)
    return sum(step(part) * len(part) for part in parts) / len(x) <= STOP


def read_out(train: Any, weights: Any, classes: int, rows: Any) -> dict[str, list[float]]:
    """Read-out -> error on easy and on hard samples."""
    import torch

    with torch.no_grad():
        h = summed(train[0], weights)
    scale = h.square().sum(1).mean().sqrt()
    head, shift = fitted(h / scale, train[1])
    tuned, new_head, new_shift = finetuned(train, weights.detach().clone(), scale)
    found: dict[str, list[float]] = {name: [] for name in ("max", "sum", "probe", "finetune")}
    for hard in (False, True):
        x, y, _ = sampled(torch.arange(TEST) % (2 * K), rows, hard=hard)
        with torch.no_grad():
            h = summed(x, weights)
            f = h.view(TEST, classes, -1).sum(2)
            scores = {
                "max": f.view(TEST, 2, -1).amax(2),
                "sum": f.softmax(1).view(TEST, 2, -1).sum(2),
                "probe": h / scale @ head + shift,
                "finetune": summed(x, tuned) / scale @ new_head + new_shift,
            }
        for name, score in scores.items():
            found[name].append(round(1 - (score.argmax(1) == y).float().mean().item(), 4))
    return found


def fitted(h: Any, y: Any) -> tuple[Any, Any]:
    """300 steps of accelerated gradient descent of a linear probe."""
    import torch

    ones = torch.cat([h, torch.ones(len(h), 1)], 1)
    rate = 1 / (torch.linalg.eigvalsh(ones.T @ ones)[-1] / (2 * len(h)) + 1e-4)
    head = torch.zeros(ones.shape[1], 2)
    ahead = head.clone()
    for t in range(300):
        ahead.requires_grad_()
        loss = torch.nn.functional.cross_entropy(ones @ ahead, y) + 5e-5 * ahead.square().sum()
        (slope,) = torch.autograd.grad(loss, ahead)
        with torch.no_grad():
            new = ahead - rate * slope
            ahead = new + t / (t + 3) * (new - head)
            head = new
    return head[:-1], head[-1]


def finetuned(train: Any, weights: Any, scale: Any) -> tuple[Any, Any, Any]:
    """At most 20 epochs of the whole network with a new head."""
    import torch

    x, y, _ = train
    head, shift = torch.zeros(WIDTH, 2), torch.zeros(2)
    parts = [p.requires_grad_() for p in (weights, head, shift)]

    def step(rows: Any) -> float:
        out = summed(x[rows], weights) / scale @ head + shift
        loss = torch.nn.functional.cross_entropy(out, y[rows])
        slopes = torch.autograd.grad(loss, parts)
        with torch.no_grad():
            for part, slope, rate in zip(parts, slopes, (STEP, 1.0, 1.0), strict=True):
                part.sub_(slope, alpha=rate)
        return float(loss.detach())

    for _ in range(20):
        if epoch(x, step):
            break
    return weights, head, shift


if __name__ == "__main__":
    globals()[sys.argv[1]](*map(int, sys.argv[2:]))
