"""Backbones: nets that were trained elsewhere, behind one small protocol: named stages and their preprocessing.

Reads  an nn.Module, or the plan and weights of a file.
Gives  `Backbone`, and its random twin: the same net untrained.
Skips  where they come from: `transfer` opens "timm:...", "keras:...", "hf:...", "file:..." and bundles.
"""

from .core import Backbone, Prepare
from .pictures import Pictures
from .plans import PlannedNet, check_plan, planned
from .twin import calibrate, random_twin

__all__ = ["Backbone", "Pictures", "PlannedNet", "Prepare", "calibrate", "check_plan", "planned", "random_twin"]
