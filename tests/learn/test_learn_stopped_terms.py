"""Stopped in the middle of an epoch and continued: the newer terms end in the bits of the unbroken run."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer.learn.autoencoder import Autoencoder
from codelayer.objective import Objective

pytestmark = pytest.mark.filterwarnings("ignore:.*(dead|surplus)")
X = np.random.default_rng(0).normal(size=(90, 6))
Y = np.where(np.arange(90) % 3, (X[:, 0] > 0).astype(float), np.nan)
PICTURES = np.random.default_rng(1).random((60, 8, 8, 1)).astype(np.float32)
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
    "all at once": "views(swap(0.4)) + variance(25) + slowness(1) + labels(1) + contractive(0.01, hessian=0.1)",
}


def coder(name: str, run=None) -> Autoencoder:
    return Autoencoder(3, SENTENCES[name], epochs=4, batch_size=16, validation=0.2, random_state=3, run=run)


@pytest.mark.parametrize("name", SENTENCES)
def test_a_run_stopped_at_any_step_ends_in_the_same_bits(name, tmp_path, monkeypatch):
    x = PICTURES if name == "patches" else X
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
