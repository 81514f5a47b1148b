"""Pictures of a walk along the manifold, from the results of benchmarks/walks.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .canvas import BLUE, GREEN, INK, ORANGE, Panel, Picture

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))
COLOURS = (INK, ORANGE, GREEN, BLUE)


def walk_digit() -> Picture:
    """A digit moved over the canvas."""
    from walk_makers import WALK_SHOWN, Digits

    maker = Digits()
    steps = maker.path(np.random.default_rng(WALK_SHOWN), True).reshape(-1, maker.side, maker.side)
    return _drawn(maker.name, steps, "A digit of no film, moved over 40 x 40 pixels")


def walk_tone() -> Picture:
    """A tone that rises."""
    from walk_makers import WALK_SHOWN, Tones

    maker = Tones()
    steps = maker.path(np.random.default_rng(WALK_SHOWN), True)
    bands = np.clip(steps, 0, 1)[:, :216].reshape(len(steps), -1, 6).max(2)[:, ::-1]  # 94 Hz each, low ones below
    return _drawn(maker.name, np.repeat(bands[:, :, None], 36, axis=2), "A tone of no film, its spectrum shifted up")


def _drawn(name: str, frames: np.ndarray, title: str) -> Picture:
    result = json.loads((BENCHMARKS / "results" / "walks.json").read_text(encoding="utf-8"))
    rows = [row for row in result["rows"] if row["data"] == name]
    made = Picture("A walk along the manifold", f"{name}: frames, distances from the first one, and maps.", 540)
    a, b = made.both(
        (title, "the steps, and how far each is from the first (95 % over seeds)"),
        ("The walk on the two main directions of each code", "grey: other samples; numbers: the steps in true order"),
    )
    for i, frame in enumerate(frames):
        a.shown(frame, a.left + 2 + i * 59, 62, 52 / frame.shape[1])
        a.text_at(a.left + 28 + i * 59, 130, str(i + 1), anchor="middle")
    a.top = 144.0
    far = np.array([[row["away"][end] for end in ("low", "value", "high")] for row in rows])
    places = np.arange(1, len(frames) + 1)
    a.chart(places, [0, 1.75 * float(far.max())], "step", "distance, as a share of that of two other samples")
    for (low, value, high), colour in zip(far, COLOURS, strict=True):
        a.segments(np.stack([places, low], 1), np.stack([places, high], 1), colour, 1.4)
        a.line(np.stack([places, value], 1), colour)
    a.legend([(colour, row["code"]) for colour, row in zip(COLOURS, rows, strict=True)], a.box[0] + 8)
    left, right, bottom = b.left, b.right, b.bottom
    for k, (row, colour) in enumerate(zip(rows, COLOURS, strict=True)):
        b.left = left + (k % 2) * (right - left + 8) / 2
        b.right = b.left + (right - left - 8) / 2
        b.top = 80.0 + (k // 2) * (bottom - 62) / 2
        b.bottom = b.top + (bottom - 62) / 2 - 30
        b.clip = f"map{k}"
        _map(b, row["code"], result["maps"][name][row["code"]], colour)
    return made


def _map(panel: Panel, name: str, told: dict[str, Any], colour: str) -> None:
    at = {what: np.array([one.split(",") for one in text.split()], float) for what, text in told.items()}
    panel.plane(np.concatenate(list(at.values())), "", "")
    panel.text_at(panel.left + 44, panel.top - 6, name)
    panel.dots(at["others"], "#c9d0d6", 2)
    panel.line(at["steps"], colour, 1.8)
    for i, (x, y) in enumerate(at["steps"]):
        panel.tell(x, y, str(i + 1), colour, "middle")


DRAWN = (walk_digit, walk_tone)
