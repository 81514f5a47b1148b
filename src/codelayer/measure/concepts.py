"""What a distributed code buys, shown on examples: n units name 2^n concepts, and unseen combinations are recognised.

Reads  a number of units; codes with the factors (the parts of a concept) of the same rows.
Gives  how many concepts two kinds of code of equal width tell apart; how well held-out combinations are recognised.
Skips  how a code comes to have such units: that is learning.

Local codes are k-means one-hot codes: one unit per cluster, and one unit on.
Source: Hinton, McClelland and Rumelhart 1986; Goodfellow, Bengio and Courville 2016, section 15.4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import checked, plain
from .distribution import pattern_numbers
from .probes import linear_probe
from .record import one_thread

MOST_UNITS = 12


def concepts_named(units: int, seed: int = 0) -> dict[str, int]:
    """How many concepts n units name: one unit per feature, against one unit per cluster.

    There is a concept for each way in which n features are on or off. The distributed code gives each feature a unit;
    the local one is the k-means one-hot code of n clusters. Concepts are named when their patterns of units differ.
    units    n, 1 to 12
    returns  {"units", "concepts": 2^n, "distributed": patterns of the one, "one_hot": patterns of the other}
    errors   DataError: units outside 1 to 12
    """
    if not 1 <= units <= MOST_UNITS:
        raise DataError(f"units={units} is not possible", f"it lies in 1 to {MOST_UNITS}")
    concepts = (np.arange(2**units)[:, None] >> np.arange(units) & 1).astype(np.float64)
    local = one_hot_codes(concepts, concepts, units, seed)
    named = {"distributed": len(np.unique(concepts, axis=0)), "one_hot": len(np.unique(local, axis=0))}
    return {"units": units, "concepts": len(concepts), **named}


def held_out_combinations(
    codes: Any, factors: Any, x: Any = None, share: float = 0.25, seed: int = 0
) -> dict[str, Any]:
    """Are combinations of factors recognised that no probe has seen together?

    A share of the combinations of factor values is held out, each of its values still seen in others. One linear probe
    per factor is fitted on the rows of the other combinations, and asked about the rows held out; so for the code, and
    for a k-means one-hot code of equal width, whose clusters come from the same rows of x.
    codes    (n, units)
    factors  (n, factors) array, mapping or frame: categories, or numbers of few values
    x        what the one-hot code clusters, (n, *shape); the codes themselves by default
    returns  {"code", "one_hot", "chance": each {"factor": mean accuracy of a factor, "combination": share of rows with
             all factors right}, "combinations", "held_out": how many, "rows": rows asked about}
    errors   DataError: fewer than two factors that vary, no combination that can be held out
    """
    given = {"codes": codes, "factors": factors} | ({} if x is None else {"x": x})
    arrays = checked("held_out_combinations", ("codes", "factors"), given, ("x",))
    codes, table = arrays["codes"], arrays["factors"]
    source = codes if arrays["x"] is None else arrays["x"].reshape(len(codes), -1)
    levels = np.stack([np.unique(one, return_inverse=True)[1].reshape(-1) for one in table.T], axis=1)
    levels = levels[:, levels.max(0) > 0]
    if levels.shape[1] < 2:
        raise DataError(f"only {levels.shape[1]} factors vary", "a combination needs two")
    unseen, combinations, held = _held_out(levels, share, seed)
    if not unseen.any():
        raise DataError(f"none of {combinations} combinations can be held out", "each value must occur in two of them")
    counts = levels.max(0) + 1
    with one_thread():
        local = one_hot_codes(source[~unseen], source, codes.shape[1], seed)
        told = {name: _recognised(one, levels, unseen) for name, one in (("code", codes), ("one_hot", local))}
    told["chance"] = {"factor": float((1 / counts).mean()), "combination": float(1 / np.prod(counts.astype(float)))}
    return {**told, "combinations": combinations, "held_out": held, "rows": int(unseen.sum())}


def one_hot_codes(train: Any, x: Any, units: int, seed: int = 0) -> np.ndarray:
    """The k-means one-hot code: 1 for the nearest of `units` centres of the train rows, else 0; float64 (n, units).

    train, x   rows (m, features) that make the centres, rows (n, features) that are coded
    """
    from sklearn.cluster import KMeans

    train = plain(train).astype(np.float64)
    with one_thread():
        clusters = min(units, len(np.unique(train, axis=0)))
        found = KMeans(clusters, n_init=4, random_state=seed).fit(train).predict(plain(x).astype(np.float64))
    return np.eye(units)[found]


def count_patterns(codes: Any) -> int:
    """How many different patterns of active units (above their medians) the rows of codes (n, units) show."""
    return int(pattern_numbers(checked("count_patterns", ("codes",), {"codes": codes})["codes"]).max()) + 1


def _held_out(levels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, int, int]:
    # rows of the combinations held out, how many combinations there are, how many are held out
    found, place = np.unique(levels, axis=0, return_inverse=True)
    left = [np.bincount(one) for one in found.T]
    held: list[int] = []
    for one in np.random.default_rng([seed, 97]).permutation(len(found)):
        values = found[one]
        if len(held) < share * len(found) and all(left[j][v] > 1 for j, v in enumerate(values)):
            held.append(int(one))
            for j, v in enumerate(values):
                left[j][v] -= 1
    return np.isin(place.reshape(-1), held), len(found), len(held)


def _recognised(codes: np.ndarray, levels: np.ndarray, unseen: np.ndarray) -> dict[str, float]:
    train = codes[~unseen]
    right = np.empty((int(unseen.sum()), levels.shape[1]), dtype=bool)
    for j, one in enumerate(levels.T):
        probe = linear_probe(train).fit(train, one[~unseen])
        right[:, j] = probe.predict(codes[unseen]) == one[unseen]
    return {"factor": float(right.mean()), "combination": float(right.all(1).mean())}
