"""Sentences made of every term, and which of them can train: said independently of the parser."""

from __future__ import annotations

import itertools
import warnings

import numpy as np

from codelayer.learn.autoencoder import Autoencoder
from codelayer.objective import parse_objective
from codelayer.objective.objective import SLOTS
from codelayer.registry import PARTS

# a term is written with its defaults, but for these
WRITTEN = {"views": "views(affine(0.1), noise(0.1))", "topk": "topk(3)", "l1": "l1(0.01)", "kl": "kl(0.05)"}
WRITTEN |= {"patches": "patches(0.3, size=2)"}
WRITTEN |= {"batch_topk": "batch_topk(3)", "l0": "l0(0.001)", "revive": "revive(after=50)"}
# revive() reads units that can be off, and the residual of a squared or huber loss
TURNED_OFF = {"relu", "topk", "batch_topk", "jumprelu"}
WORDS = {name: WRITTEN.get(name, f"{name}()") for slot in SLOTS for name in PARTS[slot]}
SLOT_OF = {name: slot for slot in SLOTS for name in PARTS[slot]}
GAUSSIAN = {name for name in WORDS if getattr(PARTS[SLOT_OF[name]][name], "needs_gaussian", False)}
PLAIN = {"squared", "bernoulli", "columns", "normal", "relu", "sigmoid", "tanh", "softplus", "gelu"}
PLAIN |= {"gaussian", "unit_norm", "transposed"}  # terms without an option
HOLDING = {"variance", "contrast"}  # what keeps codes from collapsing where nothing is rebuilt
COMPARING = {name for name in WORDS if getattr(PARTS[SLOT_OF[name]][name], "needs_views", False)}
PAIRS = list(itertools.combinations(sorted(WORDS), 2))


def fits(chosen: tuple[str, ...]) -> bool:
    """Whether the terms can train together, said independently of the parser."""
    slots = [SLOT_OF[name] for name in chosen]
    has_loss, has_views = "loss" in slots, "views" in chosen
    if ("infer" in chosen) != ("predict" in chosen):
        return False
    if "infer" in chosen:
        last = [name for name in chosen if SLOT_OF[name] == "bottleneck"][-1]
        charged = {name for name in chosen if SLOT_OF[name] == "loss"}
        if last != "infer" or charged - {"squared"} or (has_views and not has_loss):
            return False
    if slots.count("loss") > 1 or ("kl" in chosen and ("sigmoid" not in chosen or "softplus" in chosen)):
        return False
    if slots.count("bottleneck") > 1 if "gaussian" in chosen else GAUSSIAN & set(chosen):
        return False
    bottlenecks = [name for name in chosen if SLOT_OF[name] == "bottleneck"]
    if "l0" in chosen and bottlenecks[:1] != ["jumprelu"]:
        return False
    if "revive" in chosen and not (bottlenecks and set(bottlenecks) <= TURNED_OFF):
        return False
    if "revive" in chosen and {"bernoulli", "normal", "columns", "sampled"} & set(chosen):
        return False
    if "sampled" in chosen and {"views", "nested"} & set(chosen):
        return False
    if not has_views:
        return not COMPARING & set(chosen)
    if {"nested", "revive"} & set(chosen) and not has_loss:
        return False
    held = bool(HOLDING & set(chosen)) and ("slowness" not in chosen or "variance" in chosen)
    return "corruption" not in slots and (has_loss or (held and "constraint" not in slots))


def sentence(chosen: tuple[str, ...]) -> str:
    return " + ".join(WORDS[name] for name in chosen)


def pictures(n: int = 48, side: int = 6) -> np.ndarray:
    """Bright spots at two places, grey values in [0, 1]: three numbers explain each picture."""
    rng = np.random.default_rng(0)
    at = np.arange(side)
    across, down, bright = rng.uniform(1, side - 2, n), rng.uniform(1, side - 2, n), rng.uniform(0.4, 1, n)
    spots = np.exp(-((at[None, :, None] - down[:, None, None]) ** 2 + (at - across[:, None, None]) ** 2) / 3)
    return (spots * bright[:, None, None])[..., None].astype(np.float32)


def losses(text: str, epochs: int = 5) -> list[float]:
    net = "mlp()" if "infer" in text else "mlp(12)"
    coder = Autoencoder(6, text, net, epochs=epochs, batch_size=16, learning_rate=0.01, validation=0, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # units may die in so short a run
        shown = pictures()
        bright = np.where(np.arange(len(shown)) % 3, shown.max((1, 2, 3)) > 0.7, np.nan)  # a third is unlabelled
        return [epoch.loss for epoch in coder.fit_epochs(shown, bright)]


def check_trains_and_round_trips(chosen: tuple[str, ...]) -> None:
    text = sentence(chosen)
    objective = parse_objective(text)
    assert parse_objective(objective.text) == objective
    assert parse_objective(objective.text).text == objective.text
    assert [one.name for one in objective.terms] == [one.name for one in sorted(objective.terms, key=_slot)]
    # the draws of a variational code hide it from the other view for longer
    course = losses(text, 30 if {"gaussian", "views"} <= set(chosen) else 5)
    assert all(np.isfinite(course)) and course[-1] < course[0], course


def _slot(term) -> int:
    return SLOTS.index(term.slot)
