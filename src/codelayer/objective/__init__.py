"""Objectives: sentences of terms. Importing this package registers the terms."""

from . import bottlenecks as _bottlenecks
from . import constraints as _constraints
from . import contrast as _contrast
from . import corruptions as _corruptions
from . import inference as _inference
from . import labels as _labels
from . import losses as _losses
from . import penalties as _penalties
from . import sampled as _sampled
from . import slowness as _slowness
from . import sparse_bottlenecks as _sparse_bottlenecks
from . import sparse_penalties as _sparse_penalties
from . import variational as _variational
from . import views as _views
from .model import Model
from .objective import Objective, expand, parse_objective, recipe_of
from .recipes import PICTURE_RECIPES, RECIPES
from .trace import Context, Trace

__all__ = [
    "PICTURE_RECIPES",
    "RECIPES",
    "Context",
    "Model",
    "Objective",
    "Trace",
    "expand",
    "parse_objective",
    "recipe_of",
]
del _bottlenecks, _constraints, _contrast, _corruptions, _inference, _labels, _losses, _penalties, _sampled, _slowness
del _sparse_bottlenecks, _sparse_penalties, _variational, _views
