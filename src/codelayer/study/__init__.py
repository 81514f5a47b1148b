"""The main job: many codes on one data set, measured side by side, one winner, one report."""

from .study import Study

__all__ = ["Study"]
