"""Films and sounds in which one thing changes step by step, for benchmarks/walks.py.

Reads  scikit-learn's digits; random streams.
Gives  Digits, Tones: frames to learn from, in the order of time; random other samples; straight walks.
Skips  learning and judging.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from sklearn.datasets import load_digits

STEPS, WALK_SHOWN = 7, 17


class Maker(Protocol):
    """One kind of samples."""

    name: str
    raw: str
    passes: int  # of learning

    def films(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Frames to learn from, (films x frames, features), and the number of the film of each."""
        ...

    def others(self, rng: np.random.Generator, judged: bool) -> np.ndarray:
        """400 random samples."""
        ...

    def path(self, rng: np.random.Generator, judged: bool) -> np.ndarray:
        """The 7 steps of a straight walk, (7, features)."""
        ...


def bounced(rng: np.random.Generator, films: int, frames: int, room: float, axes: int, speed: float) -> np.ndarray:
    """Places that go on at one speed and turn at the walls, (films, frames, axes)."""
    way = rng.standard_normal((films, 1, axes))
    way *= speed / np.linalg.norm(way, axis=2, keepdims=True)
    at = (rng.uniform(0, room, (films, 1, axes)) + way * np.arange(frames)[:, None]) % (2 * room)
    return np.minimum(at, 2 * room - at)


class Digits:
    """Digits of 8 x 8 somewhere on 40 x 40 pixels; films move them by one pixel a frame, a walk by over five a step.

    Films, the walks that settings are chosen on and those that judge have digits of their own.
    """

    name, raw, passes, side, room = "a digit, moved", "pixels", 10, 40, 31.99

    def __init__(self) -> None:
        self.digits = load_digits().images.astype(np.float32) / 16
        order = np.random.default_rng(0).permutation(len(self.digits))
        self.learned, self.chosen, self.judged = order[:1000], order[1000:1400], order[1400:]

    def films(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """400 films of 25 frames, one digit each."""
        at, which = bounced(rng, 400, 25, self.room, 2, 1.0), rng.choice(self.learned, 400)
        return self._drawn(np.repeat(which, 25), at.reshape(-1, 2)), np.repeat(np.arange(400), 25)

    def others(self, rng: np.random.Generator, judged: bool) -> np.ndarray:
        """400 digits anywhere."""
        return self._drawn(rng.choice(self._kept(judged), 400), rng.uniform(0, self.room, (400, 2)))

    def path(self, rng: np.random.Generator, judged: bool) -> np.ndarray:
        """One digit on a straight line of at least 32 pixels."""
        ends = np.zeros((2, 2))
        while np.hypot(*(ends[1] - ends[0])) < 32:
            ends = rng.uniform(0, self.room, (2, 2))
        at = ends[0] + (ends[1] - ends[0]) * np.linspace(0, 1, STEPS)[:, None]
        return self._drawn(np.full(STEPS, rng.choice(self._kept(judged))), at)

    def _kept(self, judged: bool) -> np.ndarray:
        return self.judged if judged else self.chosen

    def _drawn(self, which: np.ndarray, at: np.ndarray) -> np.ndarray:
        # between pixels by shares; (n, side * side)
        out = np.zeros((len(at), self.side + 1, self.side + 1), np.float32)
        for picture, digit, place in zip(out, self.digits[which], at, strict=True):
            (i, j), (u, v) = place.astype(int), place % 1
            for di, one in ((0, 1 - u), (1, u)):
                for dj, other in ((0, 1 - v), (1, v)):
                    picture[i + di : i + di + 8, j + dj : j + dj + 8] += one * other * digit
        return out[:, : self.side, : self.side].reshape(len(at), -1)


class Tones:
    """Log-spectra of tones of three harmonics; films glide by 0.4 semitones a frame, a walk by four or five a step.

    Every film and every walk has strengths of its harmonics of its own. 512 samples at 8 kHz, Hann window, 256 bins.
    """

    name, raw, passes, room = "a tone, shifted in pitch", "log-spectrum", 30, 30.0

    def films(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """400 films of 25 frames, one set of harmonics each."""
        pitch = bounced(rng, 400, 25, self.room, 1, 0.4).reshape(-1)
        return self._heard(np.repeat(self._strengths(rng, 400), 25, axis=0), pitch), np.repeat(np.arange(400), 25)

    def others(self, rng: np.random.Generator, judged: bool) -> np.ndarray:
        """400 tones of any pitch."""
        return self._heard(self._strengths(rng, 400), rng.uniform(0, self.room, 400))

    def path(self, rng: np.random.Generator, judged: bool) -> np.ndarray:
        """One tone that rises by 24 to 30 semitones."""
        low, high = rng.uniform(0, 3), rng.uniform(27, 30)
        return self._heard(np.repeat(self._strengths(rng, 1), STEPS, axis=0), np.linspace(low, high, STEPS))

    def _strengths(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return 0.5 * np.exp(0.7 * rng.standard_normal((n, 3))) / np.sqrt([1, 2, 3])

    def _heard(self, strengths: np.ndarray, pitch: np.ndarray) -> np.ndarray:
        # 0 is -60 dB; pitch in semitones above 200 Hz
        time, hertz = np.arange(512) / 8000, 200 * 2 ** (pitch / 12)
        sound = sum(
            strengths[:, [h]] * np.sin(2 * np.pi * (h + 1) * hertz[:, None] * time + (h + 1) ** 2) for h in range(3)
        )
        power = np.abs(np.fft.rfft(sound * np.hanning(512), axis=1))[:, :256] / 128
        return (20 * np.log10(power + 1e-3) / 60 + 1).astype(np.float32)
