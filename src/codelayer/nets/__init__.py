"""Nets: encoder/decoder pairs built from a plan; words such as mlp(512, 256) and conv(32, 64)."""

from . import conv as _conv
from . import conv_dictionary as _conv_dictionary
from . import mlp as _mlp
from . import table as _table
from .auto import parse_net
from .conv_dictionary import Maps
from .net import MAX_WIDTH, Net, initialise
from .plan import Plan, Target, make_plan, plan_from, plan_tensors, target_record

__all__ = [
    "MAX_WIDTH",
    "Maps",
    "Net",
    "Plan",
    "Target",
    "initialise",
    "make_plan",
    "parse_net",
    "plan_from",
    "plan_tensors",
    "target_record",
]
del _conv, _conv_dictionary, _mlp, _table
