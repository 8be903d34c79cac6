"""What a network is, as a table of a recipe: names, sizes, and what goes together; no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from granctl.errors import near

TIMM = "timm/"
"""What the names of timm's models begin with here."""
RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101")
VITS = ("vit_ti_16", "vit_s_16", "vit_b_16", "vit_b_32", "vit_l_16")
NAMES = ("small-resnet", "small-vit", *RESNETS, *VITS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """An architecture; sizes that its name fixes are not set here."""

    name: str
    """small-resnet, small-vit; torchvision's resnet18, 34, 50, 101 and vit_b_16, vit_b_32,
    vit_l_16; vit_ti_16 and vit_s_16 of the same layers; or timm/NAME, with granctl[timm]."""
    width: int | None = None
    """Channels of the small ResNet's stem, or of the small ViT's tokens."""
    stages: tuple[float, ...] | None = None
    """Small ResNet: channels of each block as a multiple of `width`; each halves the image."""
    depth: int | None = None
    """Small ViT: number of blocks."""
    heads: int | None = None
    """Small ViT: attention heads a block; must divide `width`."""
    patch: int | None = None
    """Small ViT: side of a patch in pixels; must divide the resolution."""
    dropout: float = 0.0
    """ViTs: share of activations dropped in training; timm/: its drop_rate."""
    stochastic_depth: float = 0.0
    """vit_ and timm/: chance that the last block is left out for an image in training; it rises
    linearly from 0 at the first (Huang et al., arXiv 1603.09382, section 3)."""
    representation_size: int | None = None
    """vit_: width of the tanh layer before the head; left out when finetuning, as published."""
    zero_head: bool = False
    """Pretraining's head starts at zero, as that of google-research/vision_transformer does. A
    sigmoid head has zero weights in any case, and a finetuned one too."""

    def faults(self) -> list[str]:
        """What the types cannot say: each architecture takes its own keys and no others."""
        if self.name not in NAMES and not (self.is_timm and self.timm_name):
            like = near(self.name, NAMES)
            end = f"did you mean {' or '.join(like)}?" if like else f"known: {', '.join(NAMES)}"
            return [f"name: no model is named {self.name!r} (timm's are timm/NAME); {end}"]
        takes = {
            "small-resnet": {"width", "stages"},
            "small-vit": {"width", "depth", "heads", "patch"},
        }.get(self.name, set())
        found = []
        for key in ("width", "stages", "depth", "heads", "patch"):
            given = getattr(self, key) is not None
            if given and key not in takes:
                found.append(f"{key}: {self.name} does not take it")
            elif not given and key in takes:
                found.append(f"{key}: missing, {self.name} needs it")
        if self.heads and self.width and self.width % self.heads:
            found.append(f"heads: {self.heads} does not divide the width {self.width}")
        if self.representation_size is not None and self.name not in VITS:
            found.append(f"representation_size: {self.name} does not take it")
        return [*found, *self._faults_of_chance()]

    def _faults_of_chance(self) -> list[str]:
        found = [
            f"{key}: {getattr(self, key)} is not in 0..1"
            for key in ("dropout", "stochastic_depth")
            if not 0 <= getattr(self, key) < 1
        ]
        if self.dropout and self.name not in ("small-vit", *VITS) and not self.is_timm:
            found.append(f"dropout: {self.name} does not take it")
        if self.stochastic_depth and self.name not in VITS and not self.is_timm:
            found.append(f"stochastic_depth: {self.name} does not take it")
        return found

    @property
    def is_timm(self) -> bool:
        """Whether timm makes it."""
        return self.name.startswith(TIMM)

    @property
    def timm_name(self) -> str:
        """What timm calls it."""
        return self.name.removeprefix(TIMM)

    @property
    def patch_side(self) -> int | None:
        """Pixels that must divide the resolution; None: any resolution will do, or timm knows.

        Example:
            >>> Model(name="vit_b_32").patch_side
            32
        """
        found = re.fullmatch(r"vit_[a-z]+_(\d+)", self.name)
        return int(found[1]) if found else self.patch
