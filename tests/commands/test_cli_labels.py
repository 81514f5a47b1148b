"""labels() in commands: `learn` gives it the known labels, `study` refuses it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import codelayer
from codelayer import DataError, SentenceError, Study, cli, commands
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.rowlabels import learned_head

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
TEXT = "squared() + labels(5)"


@pytest.fixture
def data(tmp_path: Path) -> str:
    kinds = np.where(np.arange(60) % 3, np.where(X[:, 0] > 0, "b", "a"), "")
    lines = ["u,v,w,kind", *(",".join([*map(repr, map(float, row)), kind]) for row, kind in zip(X, kinds, strict=True))]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    return str(tmp_path / "rows.csv")


def learn(data: str, out: Path, **options) -> Autoencoder:
    commands.learn(data, out=str(out), net="mlp()", code_size=2, **({"objective": TEXT, "epochs": 4} | options))
    return codelayer.load(out)


def test_learn_gives_the_known_labels_to_the_objective(data, tmp_path):
    made = learn(data, tmp_path / "run", label="kind", epochs=40)
    assert made.schema_.features == 3  # the label is none
    assert learned_head(made).classes == ("a", "b") and made.record_["history"][-1]["labels"] > 0
    # the same as in Python, with None where there is no label
    rows = codelayer.Table({name: X[:, i] for i, name in enumerate("uvw")})
    y = [None if i % 3 == 0 else ("b" if X[i, 0] > 0 else "a") for i in range(60)]
    same = Autoencoder(2, TEXT, "mlp()", epochs=40, random_state=0).fit(rows, y)
    np.testing.assert_array_equal(same.transform(rows), made.transform(rows))


def test_labels_beside_the_data_are_found_and_other_sentences_do_not_read_them(tmp_path, data):
    made = learn("iris", tmp_path / "iris")
    assert len(learned_head(made).classes) == 3
    plain = learn(data, tmp_path / "plain", objective="squared()", label="kind")
    dropped = learn(data, tmp_path / "dropped", objective="squared()", drop=["kind"])
    rows = codelayer.Table({name: X[:, i] for i, name in enumerate("uvw")})
    np.testing.assert_array_equal(plain.transform(rows), dropped.transform(rows))


def test_labels_that_are_not_there_are_told_before_a_folder_is_made(data, tmp_path, capsys):
    with pytest.raises(DataError, match="labels.. learns from labels, but these rows have none\n  name their column"):
        learn(data, tmp_path / "run")
    with pytest.raises(DataError, match="no column is called 'sort'"):
        learn(data, tmp_path / "run", label="sort")
    assert not (tmp_path / "run").exists()
    words = ["learn", data, "--objective", TEXT, "--out", str(tmp_path / "run")]
    assert cli.main(words) == 2 and "--label" in capsys.readouterr().err
    assert cli.main([*words, "--label", "kind", "--epochs", "2", "--net", "mlp()", "--code-size", "2"]) == 0


def test_a_study_refuses_labels_and_says_why(data, tmp_path, capsys):
    said = (
        r"'squared\(\) \+ labels\(5\)' learns from labels, but a study learns every code without them.*\n  leave labels"
    )
    for text in (TEXT,):
        with pytest.raises(SentenceError, match=said):
            commands.study(data, label="kind", objective=[text], out=str(tmp_path / "out"))
    with pytest.raises(SentenceError, match="learns from labels"):
        Study(X, objectives=("views(noise(0.1)) + variance(25) + labels(1)",), out=tmp_path / "out").run()
    assert not (tmp_path / "out").exists()
    assert cli.main(["study", data, "--label", "kind", "--objective", TEXT, "--out", str(tmp_path / "out")]) == 2
    assert "codelayer learn DATA --label NAME" in capsys.readouterr().err
