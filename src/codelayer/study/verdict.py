"""The verdict: what a study found, as plain JSON, and everything that is written at its end.

Reads  the finished race and its choice.
Gives  report.html, results.parquet, codes.parquet, bundle/ (and forest/ where it won); last of all, verdict.json.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

from ..bundle import plain, write_atomic
from .findings import Findings
from .page import write_page
from .results import FOREST, result_rows, save_bundle, save_codes, save_results
from .sentences import command, sentences


def conclude(found: Findings) -> dict[str, Any]:
    """Write every file of the result folder; returns the verdict."""
    coder = found.race.coder(found.race.best_code)
    save_bundle(found, coder)
    save_codes(found, coder)
    found.rows = result_rows(found)
    save_results(found)
    verdict = verdict_of(found)
    write_page(found, verdict, coder)
    write_atomic(found.folder / "verdict.json", json.dumps(plain(verdict), indent=2, ensure_ascii=False).encode())
    return verdict


def verdict_of(found: Findings) -> dict[str, Any]:
    """The verdict as plain JSON."""
    race, choice, study = found.race, found.choice, found.study
    winner = race.rival(choice.winner)
    lines = sentences(found)
    return {
        "verdict": lines[0],
        "sentences": lines,
        "winner": winner.name,
        "winner_title": winner.title,
        "winner_role": winner.role,
        "best_code": race.best_code,
        "titles": {rival.name: race.title(rival.name) for rival in race.rivals},
        "task": found.parts.task,
        "heading": None if found.parts.task else "fidelity, not usefulness",
        "score": found.score_name if found.parts.task else "mean of trustworthiness and continuity",
        "counts": list(found.parts.counts),
        "area": {name: area._asdict() for name, area in found.areas.items()},
        "gain_over_raw": None if found.gain is None else found.gain._asdict(),
        "labels_saved": found.saved,
        "chance": found.chance,
        "ties": list(choice.ties),
        "barred": choice.barred,
        "command": command(found),
        "files": {
            "report": "report.html",
            "results": "results.parquet",
            "codes": "codes.parquet",
            "bundle": "bundle",
            **{name: name for name in (FOREST, f"{FOREST}.onnx") if (found.folder / name).exists()},
        },
        "warnings": study.warnings_,
        "not_measured": [{"what": what, "why": why} for what, why in study.missing_],
        "rows": {name: len(getattr(found.parts, name)) for name in ("train", "choose", "report")},
        "code_size": found.width,
        "seeds": study.seeds_used,
        "draws": study.draws * study.seeds_used,
        "seed": study.seed,
        "seconds": round(found.seconds, 1),
        "machine": machine(),
        "objectives": {r.name: r.sentence for r in race.rivals if r.learned},
        "backbones": study.nets_.facts(),
    }


def machine() -> dict[str, Any]:
    """Where the figures were made."""
    versions = {name: importlib.metadata.version(name) for name in ("torch", "scikit-learn", "numpy")}
    return {
        "cores": os.cpu_count(),
        "system": platform.system(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        **versions,
    }


def read_verdict(folder: Path) -> dict[str, Any]:
    """The verdict of a finished study."""
    return json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
