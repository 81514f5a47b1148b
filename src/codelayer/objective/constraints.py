"""Constraints: what is set right after every step, outside the loss.

Reads  the model's net.
Gives  changed weights, in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..nets import Net
from ..registry import part


@part("constraint")
@dataclass(frozen=True)
class UnitNorm:
    """Every unit's atom (its column in the decoder's first layer) has length 1.

    Without it an l1() penalty is escaped: codes shrink while atoms grow.
    Source: Olshausen and Field 1997, section 3; Gao et al. 2024, appendix A.
    """

    def after_step(self, net: Net) -> None:
        """Bring the atoms back to length 1, in place."""
        found = net.atoms()
        if found is not None:
            atoms, along = found
            with torch.no_grad():
                atoms.div_(atoms.norm(dim=along, keepdim=True).clamp_min(1e-12))
