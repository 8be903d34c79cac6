"""granctl: at which label granularity should I pretrain for my target?"""

__version__ = "0.1.0"
