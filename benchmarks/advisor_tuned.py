"""What does the advisor's choice cost when nets may be fine-tuned?  python benchmarks/advisor_tuned.py [cells]

MobileNet v1 0.25 at 64 pixels, 8 targets x 5 and 20 labels per class x 3 draws (needs the folder CODELAYER_DATA; about
two hours on one core). In every cell each way of fine-tuning, training from scratch, a code of one's own rows and every
head on frozen features is fitted on all labelled rows and scored on 500 rows that chose nothing; the advisor has two
minutes to race. Regret is the best one's balanced accuracy less that of the one chosen; intervals are a bootstrap over
targets. Cells lie in results/advisor_tuned_cells.jsonl, one line each, so that a stopped run goes on; without `cells`
the table alone is made.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import numpy as np
from machine import RESULTS, write
from transfer_targets import TARGETS, backbone, key, target

from codelayer.measure.probes import score
from codelayer.transfer import advise
from codelayer.transfer.candidates import ALL, LAYER_RATE, OWN_CANDIDATE, SCRATCH_CANDIDATE, Candidate, always, tuned
from codelayer.transfer.winner import Winner

NET, SIZE, COUNTS, DRAWS, MOST, BUDGET = "mobilenet_v1_0.25", 64, (5, 20), 3, 500, 120.0
CELLS = RESULTS / "advisor_tuned_cells.jsonl"
WAYS = (
    tuned("fine-tuning all", "", ALL),
    tuned(f"fine-tuning all, rates / {LAYER_RATE} per stage", "", {**ALL, "rates": LAYER_RATE}),
    tuned("LP-FT", "", {"tune": "all", "start": "probe"}),
    tuned("fine-tuning the last stage", "", {"tune": "last", "start": "probe"}),
    tuned("fine-tuning all, held to its start (L2-SP)", "", {"tune": "all", "anchor": 0.1, "start": "probe"}),
    SCRATCH_CANDIDATE,
    OWN_CANDIDATE,
)


def cell(place: str, count: int, draw: int) -> dict[str, Any]:
    """One draw of labelled rows."""
    found = target(place)
    rng, source = np.random.default_rng(key(place, count, draw, "tuned")), backbone(NET)[0]
    places = [np.flatnonzero(found.pool_y == label) for label in np.unique(found.pool_y)]
    rows = np.sort(np.concatenate([rng.choice(mine, count, replace=False) for mine in places]))
    started = time.process_time()
    advice = advise(source, found.pool[rows], found.pool_y[rows], BUDGET, size=SIZE, seed=draw)
    seconds = time.process_time() - started
    race, reached = advice.model.race, {}
    for one in (*WAYS, *always(advice.diagnosis)):
        model = Winner(advice.model.extractor, one, race).fit()
        reached[one.name] = score(found.test_y[:MOST], model.predict(found.test[:MOST]))
    told: Candidate = advice.textbook[0]
    return {
        "target": place,
        "count": count,
        "draw": draw,
        "chosen": advice.chosen.candidate.name,
        "textbook": told.name,
        "quadrant": advice.diagnosis.quadrant,
        "helps": advice.diagnosis.helps,
        "reached": reached,
        "seconds": seconds,
    }


def cells() -> list[dict[str, Any]]:
    """All cells so far."""
    return [json.loads(line) for line in CELLS.read_text().splitlines()] if CELLS.exists() else []


def run() -> None:
    """Make the cells that are missing, draw after draw."""
    warnings.simplefilter("ignore")
    done = {(one["target"], one["count"], one["draw"]) for one in cells()}
    for draw in range(DRAWS):
        for count in COUNTS:
            for place in TARGETS:
                if (place, count, draw) in done:
                    continue
                one = cell(place, count, draw)
                with CELLS.open("a") as file:
                    file.write(json.dumps(one, default=float) + "\n")
                print(place, count, draw, one["chosen"], f"regret {_regret(one):.3f}", flush=True)


def _regret(one: dict[str, Any]) -> float:
    return max(one["reached"].values()) - one["reached"][one["chosen"]]


def _luck(gap: np.ndarray, places: np.ndarray, rng: np.random.Generator, times: int = 4000) -> np.ndarray:
    """Means over targets drawn again with all their cells: cells of one target are alike."""
    names = np.unique(places)
    sums = np.array([gap[places == name].sum() for name in names])
    sizes = np.array([(places == name).sum() for name in names])
    drawn = rng.integers(len(names), size=(times, len(names)))
    return sums[drawn].sum(1) / sizes[drawn].sum(1)


def table() -> None:
    """Regret of every way, and the advisor's advantage by a bootstrap over cells."""
    found = cells()
    if not found:
        raise SystemExit("there are no cells yet: python benchmarks/advisor_tuned.py cells")
    best = np.array([max(one["reached"].values()) for one in found])
    named = {way.name: [one["reached"][way.name] for one in found] for way in WAYS}
    names = [name for name in found[0]["reached"] if all(name in one["reached"] for one in found)]
    named |= {name: [one["reached"][name] for one in found] for name in names}
    named["the textbook"] = [one["reached"][one["textbook"]] for one in found]
    named["the advisor"] = [one["reached"][one["chosen"]] for one in found]
    places, counts = np.array([one["target"] for one in found]), np.array([one["count"] for one in found])
    rng, rows = np.random.default_rng(0), []
    for way, values in named.items():
        gap, regret = np.array(named["the advisor"]) - np.array(values), best - np.array(values)
        low, high = np.quantile(_luck(gap, places, rng), [0.025, 0.975])
        rows.append(
            {"way": way, "mean": regret.mean(), "worst": regret.max(), "over_5_points": float((regret > 0.05).mean())}
            | {"by_count": {str(count): regret[counts == count].mean() for count in COUNTS}}
            | {"worse_than_advisor": {"mean": gap.mean(), "low": low, "high": high}}
        )
    quadrants = sorted({one["quadrant"] for one in found})
    told = [
        {
            "quadrant": name,
            "cells": sum(one["quadrant"] == name for one in found),
            "targets": sorted({one["target"] for one in found if one["quadrant"] == name}),
        }
        for name in quadrants
    ]
    failed = sorted(found, key=_regret, reverse=True)[:10]
    write(
        "advisor_tuned",
        "what does the advisor's choice cost when nets may be fine-tuned?",
        rows,
        cells=len(found),
        draws=len({one["draw"] for one in found}),
        targets=len(set(places.tolist())),
        quadrants=told,
        worst=[
            {name: one[name] for name in ("target", "count", "quadrant", "chosen")}
            | {"best": max(one["reached"], key=one["reached"].get), "regret": _regret(one)}
            for one in failed
        ],
    )
    for row in sorted(rows, key=lambda row: row["mean"]):
        print(row["way"], f"{row['mean']:.4f}", f"{row['worst']:.3f}")


if __name__ == "__main__":
    if "cells" in sys.argv[1:]:
        run()
    table()
