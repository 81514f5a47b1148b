"""The options of a fit: checked, and "auto" resolved.

Reads  the estimator's options and the number of training rows.
Gives  plain numbers: epochs, batch_size, learning_rate, patience, seed; which rows are held out.
Skips  the objective and the net: their own parts check them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from ..errors import SentenceError
from ..nets import MAX_WIDTH
from ..objective import parse_objective, recipe_of

BLOCK_ROWS = 4096  # rows that are coded at once
# "auto": benchmarks/automatic_values.py holds these against a search on six data sets
RATE, RATE_OF_WIDE, WIDE = 0.003, 0.001, 512
STEPS = 3000
VIEW_STEPS = 4000
FEWEST, MOST = 20, 600  # passes: with 600 the steps are made from some 160 rows on


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse what no fit can use.

    errors  SentenceError naming the option, its value and what is allowed
    """
    for name in ("code_size", "epochs", "batch_size", "patience"):
        value = options[name]
        if isinstance(value, str) and value == "auto" and name != "code_size":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise SentenceError(f"{name}={value!r} is not possible", f"{name} is a whole number, at least 1")
    if options["code_size"] > MAX_WIDTH:
        gigabytes = 4 * options["code_size"] * BLOCK_ROWS / 1e9
        raise SentenceError(
            f"code_size={options['code_size']} is too wide: codes of {BLOCK_ROWS} rows alone take {gigabytes:.3g} GB",
            f"choose at most {MAX_WIDTH} units",
        )
    pace, share, seed = options["learning_rate"], options["validation"], options["random_state"]
    if not (isinstance(pace, str) and pace == "auto") and not (_is_number(pace) and 0 < pace < math.inf):
        raise SentenceError(f"learning_rate={pace!r} is not possible", "it is above 0, usually 0.003")
    if not (_is_number(share) and 0 <= share < 1):
        raise SentenceError(f"validation={share!r} is not a share", "it lies in [0, 1), usually 0.1")
    if isinstance(seed, int | np.integer) and seed < 0:
        raise SentenceError(f"random_state={seed} is not possible", "it is a whole number, at least 0")
    try:
        torch.empty(0, device=torch.device("cpu" if options["device"] == "auto" else options["device"]))
    except (RuntimeError, AssertionError, TypeError):
        raise SentenceError(f"device={options['device']!r} is not there", "use 'auto' or 'cpu'") from None
    alone = parse_objective(recipe_of(options["objective"])[0]).reads_others if options["batch_size"] == 1 else []
    if alone:
        raise SentenceError(f"batch_size=1 leaves {alone[0]}() nothing to compare with", "at least 2, usually 64")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def resolved(options: Mapping[str, Any], rows: int, widest: int = 0) -> dict[str, Any]:
    """The epochs, batch_size, learning_rate and patience of a fit on `rows` training rows.

    widest  units of the encoder's widest layer: Adam's steps of one rate move wide layers further
    """
    views = parse_objective(recipe_of(options["objective"])[0]).compares_views
    batch = options["batch_size"]
    if batch == "auto":
        batch = 64 if views else int(np.clip(2 ** round(math.log2(max(rows, 2) / 32)), 32, 256))
    batch = min(int(batch), rows)
    epochs = options["epochs"]
    if epochs == "auto":
        steps, fewest, most = (VIEW_STEPS, 5, 75) if views else (STEPS, FEWEST, MOST)
        epochs = int(np.clip(round(steps * batch / rows), fewest, most))
    pace = options["learning_rate"]
    if pace == "auto":
        pace = RATE_OF_WIDE if widest > WIDE and not views else RATE
    patience = max(10, int(epochs) // 5) if options["patience"] == "auto" else int(options["patience"])
    return {
        "epochs": int(epochs),
        "batch_size": batch,
        "learning_rate": float(pace),
        "patience": patience if options["validation"] else None,
    }


def seed_of(random_state: Any) -> int:
    """A seed from what scikit-learn calls a random state: a number is itself, None draws one."""
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def held_out(rows: int, share: float, seed: int, in_order: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The rows to learn from and those held out, each sorted; none are held out of a handful.

    in_order  rows are one course of time: the last ones are held out, so that neighbours stay neighbours
    """
    held = int(rows * share)
    if held < 1 or rows - held < 2:
        return np.arange(rows), np.arange(0)
    if in_order:
        return np.arange(rows - held), np.arange(rows - held, rows)
    order = np.random.default_rng(seed).permutation(rows)
    return np.sort(order[held:]), np.sort(order[:held])


def needs_pictures(objective: Any) -> bool:
    """Whether a sentence alters pictures; False for one that cannot be read."""
    try:
        parsed = parse_objective(recipe_of(objective)[0])
    except SentenceError:
        return False
    views = parsed.views
    altered = views is not None and any(term.slot == "transform" for term in views.terms)
    return altered or parsed.needs("pictures")
