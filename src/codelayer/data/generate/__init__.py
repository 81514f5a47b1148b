"""Generated data: pictures drawn from factors that are known, and are kept with the pictures.

Reads  numbers of rows in a grid of factors; scikit-learn's digits for ShiftedDigits.
Gives  DSprites, Shapes3d, ShiftedDigits: pictures by index or by factors; `sample` gives pictures with their factors.
Skips  files: nothing is read or kept, every picture is drawn when it is asked for.
"""

from __future__ import annotations

from .digits import ShiftedDigits
from .dsprites import DSprites
from .grid import FactorGrid, Generated
from .shapes3d import Shapes3d

GRIDS: dict[str, type[FactorGrid]] = {"dsprites": DSprites, "shapes3d": Shapes3d, "shifted_digits": ShiftedDigits}

__all__ = ["GRIDS", "DSprites", "FactorGrid", "Generated", "Shapes3d", "ShiftedDigits"]
