"""Every assumption of the theory as a value: one frozen setting, in the paper's symbols."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Literal

BiasRule = Literal["none", "fixed", "norm", "trained"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """The distribution, the network, its training and its tests.

    The defaults are the working regime: coarse labels miss the subclass features, fine ones
    learn them, in seconds. Lengths are told in units in which every feature has length 1;
    `noise`, `sigma_star` and `init` are the lengths of a whole vector, sigma sqrt(d).
    """

    # --- the distribution ----------------------------------------------------------------------
    d: int = 64
    """Dimensions of a patch."""
    P: int = 8
    """Patches of a sample."""
    s: int = 2
    """Patches that carry the feature of one level; easy samples have s of every level."""
    superclasses: int = 2
    """Classes of the target."""
    k: int = 8
    """Subclasses of a superclass."""
    between: tuple[int, ...] = ()
    """Nodes of one superclass on each level between it and its subclasses, from the top down."""
    samples: int = 100
    """Training samples of a subclass; N = superclasses x k x samples."""
    iota: float = 0.2
    """The strength alpha of a feature lies in [sqrt(1 - iota), sqrt(1 + iota)], uniformly."""
    alpha_drawn: Literal["patch", "sample"] = "patch"
    """Whether each patch has a strength of its own, or all of a sample share one."""
    noise: float = 0.5
    """sigma_zeta sqrt(d): the length of the noise of every patch."""
    s_dagger: int = 2
    """Of a hard sample's s common patches: those with a weak piece of a wrong common feature."""
    alpha_dagger: float = 0.3
    """The middle of the weak piece's strength."""
    alpha_dagger_spread: float = 0.05
    """The strength is drawn uniformly from the middle minus this to the middle plus this."""
    sigma_star: float = 1.0
    """sigma_* sqrt(d): the length of the noise of a hard sample's one noisy patch; 0: none."""
    missing: int = 1
    """Levels, from the top, whose features hard samples lack."""
    rho: float = 0.0
    """Share of hard samples in training; the theorem has none."""
    # --- the network ---------------------------------------------------------------------------
    width: int = 128
    """Neurons in all; every class owns width // C, and what is left over is not made."""
    init: float = 0.01
    """sigma_0 sqrt(d): the length of a neuron's first weights."""
    bias_rule: BiasRule = "none"
    """none: 0. fixed: `bias`. norm: `bias` x |w| sigma_zeta after every step. trained: from it."""
    bias: float = 0.0
    """The first, or hand-set, bias; 0 or below."""
    # --- the training --------------------------------------------------------------------------
    step: float = 0.02
    """Step size of gradient descent; see `step_rule`."""
    step_rule: Literal["classes", "constant"] = "classes"
    """classes: the step is `step` x C / 2, for C classes. constant: it is `step`."""
    batch: int = 128
    """Samples of a step; the last of an epoch has what is left."""
    stop_loss: float = 0.01
    """Training ends when the mean loss of an epoch is at most this."""
    epochs: int = 100
    """Training ends after so many."""
    # --- the tests -----------------------------------------------------------------------------
    test: int = 2000
    """Easy test samples, and as many hard ones."""
    probe_ridge: float = 1e-4
    """Weight of |A|^2 / 2 in the linear probe's loss, features scaled to unit mean length."""
    probe_steps: int = 300
    """Steps of accelerated gradient descent of the linear probe."""
    finetune_epochs: int = 20
    """Most epochs of the full finetuning; it stops at `stop_loss` too."""
    finetune_step: float = 1.0
    """Step size of the new head on features of unit mean length; the neurons keep `step`."""

    @property
    def level_sizes(self) -> tuple[int, ...]:
        """Nodes of every level in all, from superclasses to subclasses."""
        return tuple(self.superclasses * n for n in (1, *self.between, self.k))

    @property
    def num_levels(self) -> int:
        """Levels of the hierarchy that have features; the paper has two."""
        return 2 + len(self.between)

    @property
    def num_subclasses(self) -> int:
        """Subclasses of all superclasses together."""
        return self.superclasses * self.k

    @property
    def num_features(self) -> int:
        """Features of all levels."""
        return sum(self.level_sizes)

    @property
    def num_samples(self) -> int:
        """N: samples of the training set."""
        return self.num_subclasses * self.samples

    @property
    def sigma_zeta(self) -> float:
        """Standard deviation of a coordinate of the noise."""
        return float(self.noise / self.d**0.5)

    def faults(self) -> list[str]:
        """What cannot be, each with the numbers that contradict; empty: nothing."""
        least_one = ("d", "P", "s", "samples", "k", "width", "batch", "epochs", "test")
        found = [f"{n}: {getattr(self, n)} is below 1" for n in least_one if getattr(self, n) < 1]
        least_0 = ["noise", "sigma_star", "stop_loss", "alpha_dagger", "s_dagger"]
        least_0 += ["alpha_dagger_spread", "probe_ridge", "probe_steps", "finetune_epochs"]
        found += [f"{n}: {getattr(self, n)} is below 0" for n in least_0 if getattr(self, n) < 0]
        for name in ("step", "finetune_step", "init"):
            if not getattr(self, name) > 0:
                found.append(f"{name}: {getattr(self, name)} is not above 0")
        finite = [f.name for f in fields(self) if isinstance(getattr(self, f.name), float)]
        found += [f"{n}: not finite" for n in finite if abs(getattr(self, n)) == float("inf")]
        found += [f"{n}: not a number" for n in finite if getattr(self, n) != getattr(self, n)]
        if self.superclasses < 2:
            found.append(f"superclasses: {self.superclasses} is below 2")
        if not 0 <= self.iota <= 1:
            found.append(f"iota: {self.iota} is not in [0, 1]")
        if not 0 <= self.rho <= 1:
            found.append(f"rho: {self.rho} is not in [0, 1]")
        if self.bias > 0:
            found.append(f"bias: {self.bias} is above 0")
        return found or [*self._level_faults(), *self._room_faults()]

    def _level_faults(self) -> list[str]:
        found = []
        counts = (1, *self.between, self.k)
        for above, below in pairwise(counts):
            if below < 1 or above < 1 or below % above:
                found.append(
                    f"between: {below} nodes of a superclass do not divide among {above} above them"
                )
        if not 1 <= self.missing < self.num_levels:
            found.append(
                f"missing: hard samples can lack 1 to {self.num_levels - 1} of the"
                f" {self.num_levels} levels, not {self.missing}"
            )
        return found

    def _room_faults(self) -> list[str]:
        found = []
        if self.num_features > self.d:
            found.append(f"d: {self.num_features} orthonormal features need more than {self.d}")
        if self.s * self.num_levels > self.P:
            found.append(
                f"P: an easy sample has {self.s} patches on each of {self.num_levels} levels,"
                f" {self.s * self.num_levels} in all, and there are {self.P}"
            )
        if self.s_dagger > self.s:
            found.append(
                f"s_dagger: {self.s_dagger} of the s = {self.s} common patches cannot be weak"
            )
        noisy = int(self.sigma_star > 0)
        used = self.s * (self.num_levels - self.missing) + self.s_dagger + noisy
        if used > self.P:
            found.append(
                f"P: a hard sample has {used} patches with a part to play, and there are {self.P}"
            )
        return found


def names() -> list[str]:
    """The names of all parameters."""
    return [f.name for f in fields(Setting)]
