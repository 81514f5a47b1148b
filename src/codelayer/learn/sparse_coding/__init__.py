"""Sparse coding: solvers of the lasso for many rows at once, a learned dictionary, and a net that imitates the solver.

    min over z of  0.5 |x - D z|^2 + l1 |z|_1        D (features, units), atoms of length 1

`fista`, `ista`, `coordinate_descent`, `feature_sign` and `active_set` (compiled) solve it; `ListaNet` predicts the
solution in a few steps. `Dictionary` learns D and codes by any of them, `Lista` by the net: coders like any other.
"""

from .compiled import active_set
from .descent import coordinate_descent
from .dictionary import Dictionary
from .imitation import ListaNet, learn_lista
from .lista import Lista
from .problem import gap, objective
from .shrinkage import fista, ista
from .support import feature_sign

__all__ = [
    "Dictionary",
    "Lista",
    "ListaNet",
    "active_set",
    "coordinate_descent",
    "feature_sign",
    "fista",
    "gap",
    "ista",
    "learn_lista",
    "objective",
]
