"""Stopped in the middle of an epoch and continued: every term ends in the bits of the unbroken run."""

from __future__ import annotations

import re

import numpy as np
import pytest

from codelayer.data.tables import Table
from codelayer.learn.autoencoder import Autoencoder
from codelayer.objective import RECIPES, Objective
from codelayer.objective.objective import SLOTS
from codelayer.registry import PARTS

pytestmark = pytest.mark.filterwarnings("ignore:.*(dead|surplus|collapsed|exactly 0|was 0)")
X = np.random.default_rng(0).normal(size=(90, 6))
Y = np.where(np.arange(90) % 3, (X[:, 0] > 0).astype(float), np.nan)
PICTURES = np.random.default_rng(1).random((60, 8, 8, 1)).astype(np.float32)
TABLE = Table({"a": X[:, 0], "b": X[:, 1], "c": np.array([["red", "blue", None][i % 3] for i in range(90)], object)})
SENTENCES = {
    "contrast": "views(noise(0.3)) + contrast(1)",
    "swap": "swap(0.3, emphasis=2)",
    "swap and contrast": "views(swap(0.6)) + contrast(1)",
    "labels": "mask(0.2) + labels(2)",
    "slowness": "slowness(1) + unit_norm()",
    "patches": "patches(0.5)",
    "contraction": "tanh() + contractive(0.1, hessian=0.5)",
    "psd": "psd",
    "sampled": "mask(0.3) + sampled(0.5)",
    "thresholds": "jumprelu(0.1, 0.1) + l0(0.01) + nested(0.5)",
    "transposed": "topk(2) + transposed() + revive()",
    "salt": "salt(0.1) + huber(0.5)",
    "rate": "gaussian() + normal() + prior(2, warmup=0.5) + total_correlation(1) + dip(1)",
    "free bits": "gaussian() + prior(1, free_bits=0.1)",
    "squared": "gelu() + noise(0.2, share=0.5) + squared()",
    "kl": "sigmoid() + kl(0.1) + bernoulli()",
    "batch_topk": "batch_topk(2) + revive(after=20)",
    "softplus": "softplus() + l1(0.01)",
    "invariant": "views(affine(0.2), flip(), brightness()) + invariance(25) + variance(25) + covariance(1)",
    "columns": "relu() + mask(0.3) + columns()",
    "filters": "psd",
    "all at once": "views(swap(0.4)) + variance(25) + slowness(1) + labels(1) + contractive(0.01, hessian=0.1)",
}


ROWS = {"patches": PICTURES, "kl": PICTURES, "invariant": PICTURES, "filters": PICTURES, "columns": TABLE}
NETS = {"invariant": "conv(3)", "columns": "table()", "filters": "conv_dictionary(5, stride=3)"}  # 2 x 2 places


def coder(name: str, run=None) -> Autoencoder:
    options = {"epochs": 4, "batch_size": 16, "validation": 0.2, "random_state": 3, "run": run}
    return Autoencoder(8 if name == "filters" else 3, SENTENCES[name], NETS.get(name, "auto"), **options)


def test_every_term_and_every_net_is_stopped_once():
    written = " ".join(RECIPES[text][0] if text in RECIPES else text for text in SENTENCES.values())
    ours = {
        n for slot in (*SLOTS, "transform") for n, c in PARTS[slot].items() if c.__module__.startswith("codelayer.")
    }
    assert ours <= set(re.findall(r"(\w+)\(", written))
    nets = {name for name, cls in PARTS["net"].items() if cls.__module__.startswith("codelayer.")}
    assert nets - {"mlp"} == {text.split("(")[0] for text in NETS.values()}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_run_stopped_at_any_step_ends_in_the_same_bits(name, tmp_path, monkeypatch):
    x = ROWS.get(name, X)
    whole = coder(name).fit(x, Y if len(x) == 90 else None)
    plain, calls = Objective.charge, [0]

    def charge(self, *given):
        calls[0] += 1
        if calls[0] in (3, 9, 16):
            raise RuntimeError("killed")
        return plain(self, *given)

    monkeypatch.setattr(Objective, "charge", charge)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="killed"):
            for _ in coder(name, tmp_path / "run").fit_epochs(x, Y if len(x) == 90 else None, checkpoint_seconds=0):
                pass
    made = coder(name, tmp_path / "run").fit(x, Y if len(x) == 90 else None)
    mine, theirs = made._state()[1], whole._state()[1]
    assert mine.keys() == theirs.keys()
    for tensor, value in mine.items():
        np.testing.assert_array_equal(value, theirs[tensor], err_msg=tensor)
    assert made.history_ == whole.history_
