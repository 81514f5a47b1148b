"""DCI: which units a model needs to tell each factor, and whether that is one unit per factor and one factor per unit.

Reads  codes and factors.
Gives  disentanglement, completeness, informativeness from held-out permutation importance of a random forest, and
       the variant of disentanglement_lib (impurity importance of gradient-boosted trees) under its own name.
Skips  what is within chance: a factor not told above it counts nowhere, an importance within it is 0.

The three scores of one code share one computation, which is kept for the last few codes.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from .information import FEW_VALUES, unit_scaled
from .record import Reading, metric
from .spread import half_values, mean_half, values_half

SHUFFLES, STRICT, PERMUTED, KEPT, NEAR = 60, 3.0, 64, 4, 0.1
REFIT = (1 + 1 / 2) ** 0.5  # Nadeau and Bengio 2003: one split, a third held out
NULL = "closed form: 0, because what shuffled labels give is taken off and importances within chance count as none"
INTERVAL = "half-subsamples of the held-out rows, widened for what another forest would tell"
COST = "K forests of 50 trees on at most 2,000 rows, and 3 d predictions of at most 1,000"
DISTRUST = (
    "informativeness near 0, see the note; it depends on the model and on how importance is read: never compare with a "
    "DCI from other code"
)
SOURCE = "Eastwood and Williams 2018, section 2; held-out permutation importance, null-corrected"


@dataclass(frozen=True)
class _Found:
    """lost: what each held-out row loses by each permuted unit, (factors, rows, units); told: gain of each factor.

    gained: what each held-out row adds to that, (factors, rows)
    """

    lost: list[np.ndarray]
    noise: np.ndarray
    told: np.ndarray
    note: str
    gained: np.ndarray

    def importance(self, rows: np.ndarray | None = None) -> np.ndarray:
        """(units, factors), at least 0; 0 where it is within chance."""
        means = np.stack([one.mean(0) if rows is None else one[rows].mean(0) for one in self.lost], axis=1)
        return np.where((means > 2 * self.noise) & (self.told > 0), means, 0.0)


@metric(
    needs=("codes", "factors"),
    worst=0.0,
    best=1.0,
    null=NULL,
    interval=INTERVAL,
    cost=COST,
    distrust=DISTRUST + "; duplicated units score as well as single ones",
    source=SOURCE,
)
def dci_disentanglement(
    codes: np.ndarray, factors: np.ndarray, trees: int = 50, rows: int = 3000, seed: int = 0
) -> Reading:
    """Does each unit serve one factor only (DCI disentanglement)?

    Mean over units, weighted by their importance, of 1 - entropy of the unit's importances over factors (base K).
    rows     at most so many are used: two thirds to fit on, one third held out
    returns  0 to 1; 0 where no factor is told above chance. more: {"importance": (units, factors)}
    errors   DataError: fewer than two factors, a factor with one value, fewer than 12 rows
    """
    return _reading(_found(codes, factors, trees, rows, seed), disentanglement_of, seed)


@metric(
    needs=("codes", "factors"),
    worst=0.0,
    best=1.0,
    null=NULL,
    interval=INTERVAL,
    cost=COST,
    distrust=DISTRUST + "; duplicated units lower it, although nothing is lost",
    source=SOURCE,
)
def dci_completeness(
    codes: np.ndarray, factors: np.ndarray, trees: int = 50, rows: int = 3000, seed: int = 0
) -> Reading:
    """Is each factor served by one unit only (DCI completeness)?

    Mean over factors, weighted by their importance, of 1 - entropy of the factor's importances over units (base d).
    rows     at most so many are used: two thirds to fit on, one third held out
    returns  0 to 1; 0 where no factor is told above chance. more: {"importance": (units, factors)}
    errors   DataError: fewer than two units or factors, a factor with one value, fewer than 12 rows
    """
    if codes.shape[1] < 2:
        raise DataError("completeness of one unit is not defined", "measure a code of at least two units")
    return _reading(_found(codes, factors, trees, rows, seed), completeness_of, seed)


@metric(
    needs=("codes", "factors"),
    worst=0.0,
    best=1.0,
    null="closed form: 0, because what shuffled labels give is taken off",
    interval="per-point values of the held-out rows, one forest",
    cost=COST,
    distrust="a forest reads turned codes too: informative is not disentangled",
    source=SOURCE,
)
def dci_informativeness(
    codes: np.ndarray, factors: np.ndarray, trees: int = 50, rows: int = 3000, seed: int = 0
) -> Reading:
    """How well can a forest tell the factors from the code (DCI informativeness)?

    Mean over factors of (accuracy - chance) / (1 - chance) on held-out rows, chance that of shuffled labels; for
    factors of more than 50 values R2, at least 0.
    rows     at most so many are used: two thirds to fit on, one third held out
    returns  0 to 1. more: {"factors": of each}
    errors   DataError: fewer than two factors, a factor with one value, fewer than 12 rows
    """
    found = _found(codes, factors, trees, rows, seed)
    points, value, more = found.gained.mean(0), float(found.told.mean()), {"factors": found.told.tolist()}
    half = mean_half(points)
    low = max(value - half, 0.0)
    return Reading(value, low, value + half, len(points), note=found.note, more=more, points=points)


@metric(
    needs=("codes", "factors"),
    worst=0.0,
    best=1.0,
    null="shuffled rows",
    interval="none: halves of the rows take minutes, and with fewer rows the value is another",
    cost="K fits of 100 boosted trees per value of the factor on at most 1,000 rows: a minute for 30 values",
    distrust="it grows with the number of rows, because splits on noise count as importance: compare at equal n only",
    source="Eastwood and Williams 2018, section 2, as in disentanglement_lib: GradientBoostingClassifier",
    by_name=True,
)
def dci_gbt(codes: np.ndarray, factors: np.ndarray, trees: int = 100, rows: int = 1000, seed: int = 0) -> Reading:
    """Does each unit serve one factor only (disentanglement by impurity importance of boosted trees)?

    returns  0 to 1. more: {"importance": (units, factors), "completeness"}
    errors   DataError: fewer than two factors, a factor with one value
    """
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    z, _, _ = _rows(codes, factors, rows, seed)
    _, y, _ = _rows(factors, factors, rows, seed)
    columns = []
    for column in y.T:
        make: Any = GradientBoostingClassifier if _is_class(column) else GradientBoostingRegressor
        columns.append(make(n_estimators=trees, random_state=seed).fit(z, _target(column)).feature_importances_)
    importance = np.stack(columns, axis=1)
    more = {"importance": importance.tolist()}
    if len(importance) > 1:
        more["completeness"] = completeness_of(importance)
    return Reading(disentanglement_of(importance), n=len(z), more=more)


def disentanglement_of(importance: np.ndarray) -> float:
    """D from importances (units, factors), at least two factors; 0 where all are 0."""
    return _concentration(importance)


def completeness_of(importance: np.ndarray) -> float:
    """C from importances (units, factors), at least two units; 0 where all are 0."""
    return _concentration(importance.T)


def _concentration(lines: np.ndarray) -> float:
    weight = lines.sum(1)
    if not weight.sum() > 0:
        return 0.0
    share = lines / np.where(weight > 0, weight, 1)[:, None]
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(1) / np.log(lines.shape[1])
    return float(((1 - entropy) * weight).sum() / weight.sum())


def _reading(found: _Found, score: Any, seed: int) -> Reading:
    importance = found.importance()
    value = score(importance)
    values, _ = half_values(lambda rows: score(found.importance(rows)), len(found.lost[0]), seed)
    # another forest, of other rows to fit on, varies as well: by held-out over fitted rows
    values = value + (values - values.mean()) * REFIT
    half = values_half(values)
    more, told = {"importance": importance.tolist()}, float(found.told.mean())
    n, low = len(found.lost[0]), max(value - half, 0.0)
    note = found.note
    if told < NEAR:
        # what is shared out is then as small as its error: a value, if there is one, is luck
        said = "hardly told above chance" if told > 0 else "not told above chance: 0 stands for none"
        note = "; ".join(part for part in (f"the factors are {said} (informativeness {told:.2f})", note) if part)
    return Reading(value, low, value + half, n, note=note, more=more, replicates=values)


_LAST: OrderedDict[str, _Found] = OrderedDict()


def _found(codes: np.ndarray, factors: np.ndarray, trees: int, rows: int, seed: int) -> _Found:
    told = hashlib.blake2b(repr((codes.shape, codes.dtype, factors.shape, trees, rows, seed)).encode(), digest_size=16)
    for array in (codes, factors):
        told.update(np.ascontiguousarray(array).tobytes())
    key = told.hexdigest()
    if key not in _LAST:
        _LAST[key] = _forests(codes, factors, trees, rows, seed)
        while len(_LAST) > KEPT:
            _LAST.popitem(last=False)
    return _LAST[key]


def _rows(codes: np.ndarray, factors: np.ndarray, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """At most `rows` rows in random order: scaled codes, factors, and how many are to fit on."""
    if factors.shape[1] < 2:
        raise DataError("disentanglement of one factor is not defined", "give at least two factors")
    picked = np.random.default_rng([seed, 71]).permutation(len(codes))[:rows]
    y = factors[picked]
    if len(y) < 12:
        raise DataError(f"{len(y)} rows are too few to fit and to hold out", "give at least 12 rows")
    fixed = y.max(0) == y.min(0)
    if fixed.any():
        j = int(fixed.argmax())
        raise DataError(f"factor {j} has one value, {y[0, j]:g}", "leave it out: nothing can tell it")
    return unit_scaled(codes)[0][picked].astype(np.float32), y, 2 * len(y) // 3


def _is_class(column: np.ndarray) -> bool:
    return len(np.unique(column)) <= FEW_VALUES


def _target(column: np.ndarray) -> np.ndarray:
    if _is_class(column):
        return np.unique(column, return_inverse=True)[1].reshape(-1)
    return (column - column.mean()) / column.std()


def _forests(codes: np.ndarray, factors: np.ndarray, trees: int, rows: int, seed: int) -> _Found:
    z, y, cut = _rows(codes, factors, rows, seed)
    varies = np.flatnonzero(z.max(0) > z.min(0))
    if not len(varies):
        raise DataError("no unit varies", "every unit is dead: see dead_share")
    parts = []
    for j, column in enumerate(y.T):
        lost, noise, gain = _forest(z[:, varies], _target(column), _is_class(column), cut, trees, seed + j)
        # a unit that never varies takes no part: a forest that may look at it would be another forest
        parts.append((_spread(lost, varies, z.shape[1]), _spread(noise, varies, z.shape[1]), gain))
    gained = np.stack([part[2] for part in parts])
    told = np.maximum(gained.mean(1), 0)
    silent = [str(j) for j, gain in enumerate(told) if gain == 0]
    note = f"not told above chance: factor {', '.join(silent)}" if silent else ""
    return _Found([part[0] for part in parts], np.stack([part[1] for part in parts], axis=1), told, note, gained)


def _spread(values: np.ndarray, places: np.ndarray, units: int) -> np.ndarray:
    out = np.zeros((*values.shape[:-1], units))
    out[..., places] = values
    return out


def _forest(
    z: np.ndarray, y: np.ndarray, is_class: bool, cut: int, trees: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each held-out row loses per permuted unit, the spread of that by luck, and what each adds to the gain."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    make: Any = RandomForestClassifier if is_class else RandomForestRegressor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make(trees, min_samples_leaf=2, random_state=seed).fit(z[:cut], y[:cut])
    held, truth, rng = z[cut:], y[cut:], np.random.default_rng([seed, 73])
    said = model.predict(held)
    used = np.argsort(-model.feature_importances_, kind="stable")[:PERMUTED]
    repeats = int(np.clip(30_000 // (len(used) * len(held)), 1, 3))
    changed = np.tile(held, (len(used), repeats, 1, 1))
    for i, unit in enumerate(used):
        for k in range(repeats):
            changed[i, k, :, unit] = held[rng.permutation(len(held)), unit]
    answers = model.predict(changed.reshape(-1, held.shape[1])).reshape(len(used), repeats, len(held))

    def right(answer: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return (answer == wanted).astype(np.float64) if is_class else -((answer - wanted) ** 2)

    lost = np.zeros((len(held), z.shape[1]))
    lost[:, used] = (right(said, truth) - right(answers, truth).mean(1)).T
    # the same with the labels of the held-out rows shuffled: mean 0 but for the spread
    shuffled = [rng.permutation(truth) for _ in range(SHUFFLES)]
    by_luck = np.array([right(said, one).mean() for one in shuffled])
    noise = np.zeros(z.shape[1])
    noise[used] = np.std([right(said, one).mean() - right(answers, one).mean((1, 2)) for one in shuffled], axis=0)
    gain = right(said, truth).mean() - by_luck.mean()
    if gain <= STRICT * by_luck.std():
        return lost, noise, np.zeros(len(held))
    if not is_class:
        return lost, noise, 1 - (truth - said) ** 2 / truth.var()
    return lost, noise, (right(said, truth) - by_luck.mean()) / (1 - by_luck.mean())
