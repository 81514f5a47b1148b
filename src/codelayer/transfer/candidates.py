"""Ways to use a pre-trained net, and which of them a quadrant puts on the short list.

Reads  a diagnosis.
Gives  `Candidate` records; `short_list`, four to six to be raced beside those that cost next to nothing; `textbook`,
       the four sentences of the textbook, for comparison.
Skips  running them: `race` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .diagnosis import Diagnosis

RAW, FROZEN, TUNED, SCRATCH, OWN = "raw", "frozen", "tuned", "scratch", "own"
LAYER_RATE = 2.6
TOGETHER = "all"
ALL = {"tune": "all", "start": "random"}
DEFAULT = "linear head on all stages"  # what is taken unless another is ahead by more than luck


@dataclass(frozen=True)
class Candidate:
    """One way.

    name     unique, as it is printed
    kind     "raw" (no net), "frozen" (a head on stages), "tuned", "scratch", "own" (a code learned on the user's rows)
    why      the reason it is on the list
    head     of raw and frozen ones: "ridge", "nearest_mean", "svm", "forest"
    stage    of frozen ones, "all" for all side by side
    options  of FineTunedClassifier
    to_serve relative cost of an answer: what is cheaper wins a tie
    """

    name: str
    kind: str
    why: str
    head: str = ""
    stage: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    to_serve: float = 1.0

    @property
    def trains(self) -> bool:
        """Whether a net is trained, which takes minutes."""
        return self.kind in (TUNED, SCRATCH, OWN)


def frozen(stage: str, head: str, why: str, place: float = 1.0) -> Candidate:
    """A head on a stage."""
    words = {"ridge": "linear head", "nearest_mean": "nearest mean", "svm": "linear SVM", "knn": "nearest neighbours"}
    where = "all stages" if stage == TOGETHER else stage
    return Candidate(f"{words[head]} on {where}", FROZEN, why, head, stage, to_serve=0.2 + 0.7 * place)


def always(d: Diagnosis) -> list[Candidate]:
    """What costs next to nothing: heads on raw rows and on every stage."""
    heads = {"linear head": "ridge"}
    raw = [Candidate(f"{name} on raw rows", RAW, "needs no net", heads.get(name, name), to_serve=0.1) for name in d.raw]
    count = len(d.stages)
    linear = [frozen(s, "ridge", "probes are nearly free", (at + 1) / count) for at, s in enumerate(d.stages)]
    last = d.stages[-1]
    both = [frozen(TOGETHER, "ridge", "Head2Toe's simplest form")]
    if d.task == "class":
        both.append(frozen(last, "nearest_mean", "least to learn"))
    earlier = [
        frozen(s, "svm", "the textbook's advice for little and different", (at + 1) / count)
        for at, s in enumerate(d.stages)
        if s == earlier_stage(d)
    ]
    return [*raw, *linear, *both, *earlier]


def earlier_stage(d: Diagnosis) -> str:
    """The stage that a support vector machine is put on: the best before the last."""
    before = d.stages[:-1] or d.stages
    return max(before, key=lambda stage: d.net[stage].mean)


def tuned(name: str, why: str, options: Mapping[str, Any]) -> Candidate:
    """A way to fine-tune."""
    return Candidate(name, TUNED, why, options=options)


SCRATCH_CANDIDATE = Candidate(
    "training from scratch",
    SCRATCH,
    "always raced: a net that does not beat it is not needed",
    options={"tune": "scratch"},
)
OWN_CANDIDATE = Candidate(
    "a code learned on your own rows",
    OWN,
    "unlabelled rows of your own may say more than another data set's net",
    to_serve=0.3,
)


def short_list(d: Diagnosis) -> list[Candidate]:
    """What is worth minutes of training in this quadrant; from scratch and own codes are always among them."""
    probe_first = tuned("LP-FT", "a head first, then all at a low rate", {"tune": "all", "start": "probe"})
    slower_front = {"tune": "all", "rates": LAYER_RATE, "start": "random"}
    layered = tuned(f"fine-tuning all, rates / {LAYER_RATE} per stage", "front stages change least", slower_front)
    everything = tuned("fine-tuning all", "enough labels to move everything", ALL)
    ready = {"tune": "last", "start": "probe"}
    last = tuned("fine-tuning the last stage", "features fit, their combination does not", ready)
    held = {"tune": "all", "anchor": 0.1, "start": "probe"}
    anchored = tuned("fine-tuning all, held to its start (L2-SP)", "nothing is forgotten", held)
    if d.shift == "input":
        places = dict.fromkeys((d.stages[0], d.stages[len(d.stages) // 2]))
        why = "the input has shifted, the classes have not"
        chosen = [tuned(f"tuning {one} alone", why, {"tune": one, "start": "probe"}) for one in places]
        chosen.append(layered)
    elif d.size == "little" and d.verdict == "similar":
        chosen = [probe_first, last]
    elif d.size == "little":
        chosen = [layered, everything, probe_first]
    elif d.verdict == "similar":
        chosen = [last, probe_first, anchored]
    else:
        chosen = [everything, layered, probe_first]
    return [*chosen, SCRATCH_CANDIDATE, OWN_CANDIDATE]


def textbook(d: Diagnosis) -> tuple[Candidate, str]:
    """The one way the textbook names for a quadrant, and its sentence, in short.

    Little means fewer than 20 labels per class here; what is neither similar nor different counts as similar.
    Source: the notes of CS231n, whose own slides say otherwise of large and similar data.
    """
    little, similar = d.labels < 20, d.verdict != "different"
    if little and similar:
        return frozen(d.stages[-1], "ridge", "textbook"), "little and similar: a linear classifier on the last features"
    if little:
        stage = earlier_stage(d)
        return frozen(stage, "svm", "textbook"), "little and different: an SVM on features from earlier in the net"
    everything = tuned("fine-tuning all", "textbook", ALL)
    if similar:
        return everything, "much and similar: fine-tune through the full net"
    return everything, "much and different: start from the pre-trained weights and fine-tune the whole net"
