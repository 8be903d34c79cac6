"""granctl: at which label granularity should I pretrain for my target?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from granctl.study.results import results_frame as results

__version__ = "0.1.0"
__all__ = ["__version__", "results"]


def __getattr__(name: str) -> Any:
    """Loads what needs pandas only when it is asked for."""
    if name == "results":
        from granctl.study.results import results_frame

        return results_frame
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
