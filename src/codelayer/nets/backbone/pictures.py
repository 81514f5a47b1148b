"""What is done to pictures before a net sees them: it travels with the weights.

Reads  pictures (n, H, W, C): uint8 grey levels, or numbers in [0, 1].
Gives  float32 tensors (n, channels, height, width), centred and scaled as the net was trained.
Skips  crops: the whole picture is brought to the net's size.

Grey pictures are repeated for a net of three channels; coloured ones become their luma for a net of one.
Source: ITU-R BT.601 for the luma.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import DataError

LUMA = (0.299, 0.587, 0.114)
SLACK = 1e-3  # of values outside [0, 1]: what rounding may leave
WAYS = ("bilinear", "bicubic")
MOST_SIDE = 2048
SOME = 64  # pixels per side where any will do
CLOSEST, FURTHEST = 1e-6, 1e6  # a deviation, a mean: float32 keeps what follows from them


@dataclass(frozen=True)
class Pictures:
    """Size, channels and scale of the pictures a net takes.

    height, width  pixels; 0 leaves pictures as large as they are
    channels       1 or 3
    mean, std      per channel, of grey levels in [0, 1]: (value - mean) / std is what the net sees
    interpolation  "bilinear" or "bicubic", both without the moire of shrinking
    """

    height: int
    width: int
    channels: int = 3
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        """Refuse a record that says less than is needed.

        errors  DataError
        """
        known = type(self.channels) is int and self.channels in (1, 3)
        if not known or not len(self.mean) == len(self.std) == self.channels:
            raise DataError(
                f"a preprocessing of {self.channels} channels with {len(self.mean)} means and {len(self.std)} "
                "deviations says too little",
                "give one mean and one deviation per channel, of 1 or 3 channels",
            )
        if self.interpolation not in WAYS:
            raise DataError(f"a preprocessing cannot be {asdict(self)}", f"interpolation is one of {', '.join(WAYS)}")
        for side in (self.height, self.width):
            if isinstance(side, bool) or not isinstance(side, int | np.integer) or not 0 <= side <= MOST_SIDE:
                raise DataError(
                    f"a preprocessing cannot be to {self.height!r} x {self.width!r} pixels",
                    f"sides are whole numbers up to {MOST_SIDE}; 0 leaves pictures as they are",
                )
        # what is not finite compares as false
        if not (all(abs(one) <= FURTHEST for one in self.mean) and all(CLOSEST <= one <= FURTHEST for one in self.std)):
            raise DataError(
                f"a preprocessing cannot have the means {self.mean} and deviations {self.std}",
                f"give finite numbers, deviations of at least {CLOSEST}",
            )

    def __call__(self, x: Any) -> Tensor:
        """Pictures (n, H, W, C) as the net takes them, (n, channels, height, width) float32.

        errors  DataError: no pictures, of 2 or more than 4 channels, values beyond [0, 1]
        """
        pictures = self._planes(x)
        if self.height and tuple(pictures.shape[2:]) != (self.height, self.width):
            pictures = nn.functional.interpolate(
                pictures, (self.height, self.width), mode=self.interpolation, align_corners=False, antialias=True
            )
        pictures = self._coloured(pictures)
        return (pictures - _row(self.mean)) / _row(self.std)

    def notes(self, x: Any) -> list[str]:
        """What a reader should know of these pictures in this net, in words."""
        _, height, width, channels = np.shape(x)
        found = []
        if self.height and height * width < self.height * self.width:
            found.append(
                f"pictures of {width} x {height} pixels were enlarged to {self.width} x {self.height} for this net: "
                "what it knows of fine detail finds none"
            )
        if channels == 1 and self.channels == 3:
            found.append("grey pictures were repeated in all three channels")
        if channels >= 3 and self.channels == 1:
            found.append("colours were turned into their luma (ITU-R BT.601): this net takes grey pictures")
        if channels == 4:
            found.append("the fourth channel was passed over")
        return found

    def sample(self) -> Tensor:
        """One prepared picture, (1, channels, height, width): the mean grey level."""
        return torch.zeros(1, self.channels, self.height or SOME, self.width or SOME)

    def record(self) -> dict[str, Any]:
        """Plain JSON, from which `from_record` makes it again."""
        return {"form": "pictures", **asdict(self)}

    @classmethod
    def from_record(cls, record: Any) -> Pictures:
        """A preprocessing from its record.

        errors  DataError: missing, or not a record of pictures
        """
        try:
            rest = {name: value for name, value in dict(record).items() if name != "form"}
            rest |= {name: tuple(float(one) for one in rest[name]) for name in ("mean", "std")}
            return cls(**rest)
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"how pictures are prepared for this net is not recorded ({error})",
                "name size, mean and std: a net that sees other values than in training knows nothing",
            ) from None

    def _planes(self, x: Any) -> Tensor:
        found = torch.as_tensor(np.ascontiguousarray(x) if isinstance(x, np.ndarray) else x)
        if found.ndim != 4 or not 1 <= found.shape[3] <= 4 or found.shape[3] == 2:
            raise DataError(
                f"this net takes pictures, not rows of shape {tuple(found.shape)}",
                "give an array (n, height, width, channels) with 1 or 3 channels",
            )
        found = found[..., :3].permute(0, 3, 1, 2)
        if found.dtype == torch.uint8:
            return found.float() / 255
        found = found.float()
        low, high = (float(found.min()), float(found.max())) if found.numel() else (0.0, 1.0)
        if not (low >= -SLACK and high <= 1 + SLACK):
            raise DataError(
                f"these pictures hold values from {low:.4g} to {high:.4g}",
                "give uint8 from 0 to 255, or numbers from 0 to 1: the net does its own centring",
            )
        return found

    def _coloured(self, pictures: Tensor) -> Tensor:
        if pictures.shape[1] == self.channels:
            return pictures
        if self.channels == 3:
            return pictures.expand(-1, 3, -1, -1)
        return (pictures * _row(LUMA)).sum(1, keepdim=True)


def _row(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1)
