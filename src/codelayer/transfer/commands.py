"""The commands below `codelayer transfer`; each stands in a module of its own.

Reads  nothing itself.
Gives  `COMMANDS`, which `codelayer.cli` turns into commands.
Skips  the work.
"""

from __future__ import annotations

from .layerscommand import layers

COMMANDS = (layers,)
