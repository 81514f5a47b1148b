"""How a contractive penalty's Jacobian was computed is in the bundle, in `info`, and told by `learn`."""

from __future__ import annotations

import json

import pytest

from codelayer import commands


@pytest.mark.parametrize(
    "net, text, how",
    [
        ("mlp(tied=True)", "sigmoid() + contractive(0.1)", "closed form"),
        ("mlp(4)", "contractive(0.1, probes=0)", "exact Jacobian"),
        ("mlp(4)", "contractive(0.1, probes=2)", "2 random probes per step"),
        ("mlp(4)", "contractive(0.1)", "1 random probe per step"),
    ],
)
def test_the_choice_is_stated_everywhere(net, text, how, tmp_path, capsys):
    out = str(tmp_path / "run")
    commands.learn("iris", out=out, objective=text, net=net, code_size=2, epochs=1)
    assert f"how:     contractive: {how}\n" in capsys.readouterr().out
    about = json.loads((tmp_path / "run" / "bundle.json").read_text())
    assert about["plan"]["record"]["choices"] == [f"contractive: {how}"]
    commands.info(out)
    assert f"contractive: {how}" in capsys.readouterr().out
