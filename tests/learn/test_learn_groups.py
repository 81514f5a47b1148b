"""slowness() never compares rows of two recordings, wherever it learns: fit, partial_fit, held-out rows, commands."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codelayer import bundle, commands
from codelayer.errors import DataError, RunError
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.loop import held_out_loss
from codelayer.learn.rowlabels import beside
from codelayer.learn.saved import load
from codelayer.learn.sources import Rows
from codelayer.objective import Context, Trace
from codelayer.objective.slowness import Slowness
from codelayer.study.jobs import Task, fit_code
from codelayer.study.rivals import Rival

pytestmark = pytest.mark.filterwarnings("ignore:.*(dead|surplus)")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
CLIPS = np.repeat(["a", "b", "a", "c"], [7, 20, 13, 20]).astype(object)


def coder(objective: str = "squared() + slowness(2)", **options) -> Autoencoder:
    return Autoencoder(2, objective, "mlp()", **({"epochs": 3, "batch_size": 16, "random_state": 0} | options))


def by_brute_force(codes: np.ndarray, groups: np.ndarray) -> float:
    """The mean over pairs 0-1, 2-3, ... of one group."""
    pairs = [(t, t + 1) for t in range(0, len(codes) - 1, 2) if groups[t] == groups[t + 1]]
    return float(np.mean([((codes[a] - codes[b]) ** 2).sum() for a, b in pairs])) if pairs else 0.0


def test_groups_of_two_dimensions_are_refused_in_a_sentence():
    with pytest.raises(DataError, match=r"groups of shape \(60, 2\) do not fit 60 samples"):
        coder().fit(X, groups=np.zeros((60, 2)))


@pytest.mark.parametrize("n", [1, 2, 9, 30])
@pytest.mark.parametrize("seed", range(4))
def test_the_term_equals_brute_force_over_random_groups(n, seed):
    rng = np.random.default_rng([n, seed])
    code, groups = torch.from_numpy(rng.normal(size=(n, 3))), torch.from_numpy(rng.integers(0, 2, n))
    context = Context(groups=groups)
    found = Slowness()(Trace(x=code, code=code, context=context))
    assert found.shape == (n,)
    assert found[0].item() == pytest.approx(by_brute_force(code.numpy(), groups.numpy()), rel=1e-12)
    both = Slowness()(Trace(x=code, code=0 * code, views=(code, 3 * code), context=context))
    assert both[0].item() == pytest.approx(found[0].item() / 3 * (1 + 9) / 2, rel=1e-12)
    code.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda c: Slowness()(Trace(x=c, code=c, context=context)), code)


def test_a_pair_across_a_boundary_has_no_gradient_and_one_group_changes_nothing():
    code = torch.from_numpy(RNG.normal(size=(6, 3))).requires_grad_(True)
    groups = torch.tensor([0, 0, 0, 1, 1, 1])
    value = Slowness()(Trace(x=code, code=code, context=Context(groups=groups)))
    (slope,) = torch.autograd.grad(value.sum(), code)
    assert (slope != 0).any(1).tolist() == [True, True, False, False, True, True]
    one = Slowness()(Trace(x=code, code=code, context=Context(groups=torch.zeros(6))))
    assert torch.equal(one, Slowness()(Trace(x=code, code=code)))


def test_rows_without_a_group_are_recordings_of_their_own():
    found = beside("slowness(1)", None, np.array(["a", "a", None, None, "", np.nan, "b"], object), 7).groups
    assert found[0] == found[1] and len(set(found.tolist())) == 6
    assert beside("squared()", None, CLIPS, 60).groups is None
    with pytest.raises(DataError, match="groups: 4 entries for 60 samples\n  give one per sample"):
        coder().fit(X, groups=CLIPS[:4])


def test_a_training_step_and_the_held_out_loss_are_charged_by_brute_force():
    made = coder(validation=0.4).fit(X, groups=CLIPS)
    held = np.arange(36, 60)
    codes, encoded = made.transform(X[held]), made.schema_.encode(X[held])
    error = ((made._decode_block(codes) - encoded) ** 2).sum(1).mean()
    wanted = error + 2 * by_brute_force(codes, CLIPS[held])
    rows = Rows(X[held], made.schema_, beside=beside(made.objective, None, CLIPS[held], 24))
    assert held_out_loss(made.model_, rows, 0) == pytest.approx(wanted, rel=1e-5)
    assert min(one["validation"] for one in made.history_) == pytest.approx(wanted, rel=1e-5)
    still = coder(epochs=1, batch_size=60, learning_rate=1e-12, validation=0)
    charged = next(still.fit_epochs(X[:6], groups=CLIPS[4:10])).terms["slowness"]  # a a a b b b
    codes, together = still.transform(X[:6]), CLIPS[4:10]
    starts = [2 * by_brute_force(codes[first:], together[first:]) for first in (0, 1)]
    assert min(abs(charged - one) for one in starts) < 1e-5 * charged


def test_groups_change_what_is_learned_only_where_neighbours_are_compared():
    grouped, plain = coder().fit(X, groups=CLIPS), coder().fit(X)
    assert not np.array_equal(grouped.transform(X), plain.transform(X))
    np.testing.assert_array_equal(coder().fit(X, groups=np.zeros(60)).transform(X), plain.transform(X))
    np.testing.assert_array_equal(
        coder("squared()").fit(X, groups=CLIPS).transform(X), coder("squared()").fit(X).transform(X)
    )
    apart = [coder().partial_fit(X, groups=one).transform(X) for one in (CLIPS, None)]
    assert not np.array_equal(*apart)
    np.testing.assert_array_equal(coder().fit_transform(X, groups=CLIPS), grouped.transform(X))


def test_a_run_with_other_groups_is_another_run(tmp_path):
    run = tmp_path / "run"
    for epoch in coder(run=run).fit_epochs(X, groups=CLIPS):
        if epoch.number == 1:
            break
    for other in (None, np.roll(CLIPS, 1)):
        with pytest.raises(RunError, match="other data"):
            coder(run=run).fit(X, groups=other)
    np.testing.assert_array_equal(
        coder(run=run).fit(X, groups=CLIPS).transform(X), coder().fit(X, groups=CLIPS).transform(X)
    )


def test_a_fit_of_a_study_is_given_the_groups(tmp_path):
    rival = Rival("slow", "code", "squared() + slowness(2)", 2)
    task = Task(rival, 0, 0, tmp_path, None)
    fit_code(task, X, CLIPS)
    own, other = (rival.build(task.random_state).fit(X, groups=one).transform(X) for one in (CLIPS, None))
    np.testing.assert_array_equal(load(task.place).transform(X), own)
    assert not np.array_equal(own, other)


def test_learn_and_study_take_the_column_of_groups(tmp_path, capsys):
    lines = [
        "clip,y,u,v",
        *(f"{CLIPS[t]}{t // 10},{'hi' if X[t, 0] > 0 else 'lo'},{X[t, 0]},{X[t, 1]}" for t in range(60)),
    ]
    data = tmp_path / "rows.csv"
    data.write_text("\n".join(lines) + "\n")
    text = "squared() + slowness(1)"
    for name, group in (("with", "clip"), ("without", None)):
        commands.learn(
            str(data), out=str(tmp_path / name), objective=text, net="mlp()", code_size=2, epochs=2, group=group,
            drop=["y"] if group else ["y", "clip"],
        )  # fmt: skip
    weights = [bundle.read(tmp_path / name).tensors for name in ("with", "without")]
    assert weights[0].keys() == weights[1].keys()
    assert any(not np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    capsys.readouterr()
    small = {"objective": [text], "rivals": ["raw"], "quick": True, "workers": 1, "code_size": 2}
    commands.study(str(data), label="y", group="clip", out=str(tmp_path / "study"), **small)
    assert "name the recordings" not in capsys.readouterr().out
    found = bundle.read(tmp_path / "study" / "bundle").plan
    assert found["code"]["objective"] == "squared() + slowness(1.0)"
    commands.study(str(data), label="y", drop=["clip"], out=str(tmp_path / "other"), **small)
    assert "are taken for neighbours in time" in capsys.readouterr().out
