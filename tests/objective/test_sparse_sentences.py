"""Sentences of sparse codes: what cannot be said, and the one spelling of what can."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer.errors import SentenceError
from codelayer.nets import Plan
from codelayer.objective import parse_objective


def plan(features: int = 6, units: int = 8) -> Plan:
    zeros = np.zeros(features, np.float32)
    return Plan((features,), units, (), False, zeros + 0.25, zeros - 1, zeros + 1)


@pytest.mark.parametrize(
    "text, said",
    [
        ("l0(0.1)", "thresholds of jumprelu.., which is missing\n  put jumprelu"),
        ("relu() + jumprelu() + l0()", "relu.. stands between them"),
        ("revive()", "wakes units that are off, but a code without a bottleneck"),
        ("sigmoid() + topk(2) + revive()", "but sigmoid.. never turns one off"),
        ("topk(2) + bernoulli() + revive()", "bernoulli.. has no such residual"),
        ("topk(2) + revive(k=0)", "revive.k=0. is not possible"),
        ("topk(2) + revive(after=0)", "revive.after=0. is not possible"),
        ("jumprelu(0)", "threshold must be finite and above 0"),
        ("jumprelu(bandwidth=-1)", "bandwidth must be finite and above 0"),
        ("batch_topk(0)", "batch_topk.k=0. is not possible"),
        ("nested(1, widths=(2.5, 1))", "2.5\n  a width is a count"),
        ("nested(1, widths=('a', 1))", "not a literal"),
        ("nested(1, widths=3)", "widths is any number of numbers"),
        ("views(noise(0.1)) + variance() + nested()", "nested.. needs a decoder"),
    ],
)
def test_a_wrong_sentence_is_told_in_two_lines(text, said):
    with pytest.raises(SentenceError, match=said) as error:
        parse_objective(text)
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("text, said", [("nested(1, widths=(8,))", "code of 8"), ("batch_topk(9)", "more units than")])
def test_widths_beyond_the_code_are_refused_before_training(text, said):
    with pytest.raises(SentenceError, match=said):
        parse_objective(text).resolve(plan())


@pytest.mark.parametrize(
    "text, canonical",
    [
        ("nested(1, widths=(2, 1/2))", "nested(1.0, widths=(2, 0.5))"),
        ("nested(widths=(4,))", "nested(1.0, widths=(4,))"),
        ("jumprelu + l0", "jumprelu(0.001) + l0(0.01)"),
        ("batch_topk(32) + revive(1/32, k=5)", "batch_topk(32) + revive(0.03125, k=5)"),
    ],
)
def test_a_sentence_has_one_canonical_spelling(text, canonical):
    assert parse_objective(text).text == canonical
    assert parse_objective(canonical) == parse_objective(text)
