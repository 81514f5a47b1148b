"""Constraints: what is set right around every step, outside the loss.

Reads  the model's net.
Gives  changed weights or gradients, in place: `at_start` once the weights are drawn, `before_step` when the gradients
       are there and the optimiser has not used them, `after_step` on the new weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ..nets import Net
from ..registry import part


class Constraint:
    """The moments of a constraint; each does nothing unless a term says otherwise.

    reads_atoms_alone  whether `net.atoms()` is all it asks for in a step, so that several nets' atoms can be set right
                       as one stack
    """

    reads_atoms_alone = False

    def at_start(self, net: Net) -> None:
        """Set the first weights right; by default as after a step."""
        self.after_step(net)

    def before_step(self, net: Net) -> None:
        """Set the gradients right."""

    def after_step(self, net: Net) -> None:
        """Set the weights right."""


@part("constraint")
@dataclass(frozen=True)
class UnitNorm(Constraint):
    """Every unit's atom (its column in the decoder's first layer) has length 1.

    Without it an l1() penalty is escaped: codes shrink while atoms grow. The part of the gradient along an atom, which
    the constraint would undo, is removed before the step, so that it does not enter the optimiser's averages.
    Source: Olshausen and Field 1997; Gao et al. 2024, appendix A.
    """

    reads_atoms_alone = True

    def before_step(self, net: Net) -> None:
        """Remove the gradient's component along each atom, in place."""
        found = net.atoms()
        if found is not None and found[0].grad is not None:
            atoms, along = found[0].detach(), found[1]
            along_atom = (found[0].grad * atoms).sum(along, keepdim=True)
            found[0].grad.sub_(along_atom / atoms.square().sum(along, keepdim=True).clamp_min(1e-12) * atoms)

    def after_step(self, net: Net) -> None:
        """Bring the atoms back to length 1, in place."""
        found = net.atoms()
        if found is not None:
            atoms, along = found
            with torch.no_grad():
                atoms.div_(atoms.norm(dim=along, keepdim=True).clamp_min(1e-12))


@part("constraint")
@dataclass(frozen=True)
class Transposed(Constraint):
    """Every unit starts by reading the direction it writes: encoder weights = atom / |atom|, at the start only.

    It concerns the encoder's last layer and the decoder's first one; where their shapes do not mirror each other, or
    the net is tied, nothing changes. It keeps wide sparse codes alive: put it beside topk(), batch_topk(), jumprelu().
    Source: Gao et al. 2024, appendix A.
    """

    def at_start(self, net: Net) -> None:
        """Copy the atoms into the encoder, at length 1."""
        found = net.atoms()
        layers = [one for one in net.stages.modules() if isinstance(one, nn.Linear)]
        if found is not None and layers and found[1] == 0 and layers[-1].weight.shape == found[0].t().shape:
            with torch.no_grad():
                layers[-1].weight.copy_(nn.functional.normalize(found[0], dim=0).t())
