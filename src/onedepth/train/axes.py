"""Axes of an image as feature maps see them: which pixels each position depends on, exactly.

Along one axis of a map, position i sees pixels low[i] … high[i]; on a grid without borders these bounds repeat: P
positions further, everything lies `shift` pixels further. This is exact for convolution, pooling, slicing and
interpolation in any order, also where branches meet that are shifted against each other: what two branches see together
is the hull of both. For single-path networks it gives the usual sum of (kernel − 1) · stride.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm
from typing import Any

from onedepth.errors import OnedepthError


class UnknownOperationError(OnedepthError):
    """An operation whose receptive field is not known here."""


@dataclass(frozen=True)
class Axis:
    """What positions along one axis of a map see of the image, in pixels.

    Attributes:
        low: first pixel that each of the first P positions sees; empty where only `everything` is left.
        high: last pixel.
        shift: position i + P sees what position i sees, this many pixels further.
        everything: there are paths by which each position depends on the whole axis.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    shift: int
    everything: bool = False

    @property
    def stride(self) -> Fraction:
        """Pixels of the image from one position to the next, on average."""
        return Fraction(self.shift, len(self.low))

    @property
    def around(self) -> int:
        """The largest field in pixels, along paths that do not mix the whole axis; 0 without such a path."""
        return max((high - low + 1 for low, high in zip(self.low, self.high, strict=True)), default=0)

    def at(self, position: int) -> tuple[int, int]:
        """First and last pixel that a position sees."""
        times, phase = divmod(position, len(self.low))
        return self.low[phase] + times * self.shift, self.high[phase] + times * self.shift

    def gather(self, outputs: int, inputs: int, taps: Callable[[int], Iterable[int]]) -> Axis:
        """The axis of a map whose position o is made from positions `taps(o)` of this one.

        `outputs` positions further, the taps must lie `inputs` further.
        """
        if not self.low:
            return self
        times = len(self.low) // gcd(len(self.low), inputs)
        seen = [[self.at(tap) for tap in taps(o)] for o in range(outputs * times)]
        if not all(seen):
            raise UnknownOperationError("a transposed convolution whose kernel leaves gaps")
        low = tuple(min(one[0] for one in positions) for positions in seen)
        high = tuple(max(one[1] for one in positions) for positions in seen)
        return replace(self, low=low, high=high, shift=self.shift * inputs * times // len(self.low))

    def join(self, other: Axis) -> Axis:
        """What is seen by values that are made from both, position by position."""
        everything = self.everything or other.everything
        if not self.low or not other.low:
            return replace(self if self.low else other, everything=everything)
        if self.stride != other.stride:
            raise UnknownOperationError(
                f"maps that lie {float(self.stride):g} and {float(other.stride):g} pixels apart meet; "
                "height and width must be multiples of the network's stride"
            )
        count = lcm(len(self.low), len(other.low))
        pairs = [(self.at(i), other.at(i)) for i in range(count)]
        return Axis(
            tuple(min(a[0], b[0]) for a, b in pairs),
            tuple(max(a[1], b[1]) for a, b in pairs),
            int(self.stride * count),
            everything,
        )


EVERYTHING = Axis((), (), 0, everything=True)


@dataclass(frozen=True)
class Field:
    """The receptive field of a feature map.

    Attributes:
        height: along the image's height.
        width: along its width.
    """

    height: Axis
    width: Axis

    @property
    def pixels(self) -> tuple[int | None, int | None]:
        """Height and width; None where a value depends on the whole image."""
        return (
            None if self.height.everything else self.height.around,
            None if self.width.everything else self.width.around,
        )

    @property
    def around(self) -> tuple[int, int]:
        """Height and width along paths that do not mix the whole image."""
        return self.height.around, self.width.around


@dataclass(frozen=True)
class Track:
    """One image axis in one tensor: what is seen, and the tensor's dimensions along which it changes.

    `layout` is how positions were merged or split by views: empty for one dimension that still is the axis, else
    (sizes before, sizes after, place before) of each such view.
    """

    axis: Axis
    dims: frozenset[int]
    layout: tuple[Any, ...] = ()

    def mixed(self) -> Track:
        """Everything, at each position."""
        return replace(self, axis=EVERYTHING)

    def moved(self, new_place: Callable[[int], int | None]) -> Track:
        """The same axis where dimension d has become `new_place(d)`; None: it is gone."""
        places = (new_place(dim) for dim in self.dims)
        return replace(self, dims=frozenset(place for place in places if place is not None))

    def join(self, other: Track) -> Track:
        """What is seen by values made from both."""
        if not self.dims or not other.dims:
            wide = self if self.dims else other
            return replace(wide, axis=self.axis.join(other.axis))
        if self.dims != other.dims or (self.layout != other.layout and self.axis.low and other.axis.low):
            # Every position of the one meets every position of the other, or in an unknown order.
            return Track(EVERYTHING, self.dims | other.dims, self.layout)
        return Track(self.axis.join(other.axis), self.dims, self.layout if self.axis.low else other.layout)

    def touches(self, dims: Iterable[int]) -> bool:
        """Whether positions of this axis lie along one of these dimensions."""
        return not self.dims.isdisjoint(dims)

    def mixed_over(self, dims: Iterable[int]) -> Track:
        """What is seen by values made from all along these dimensions."""
        return self.mixed() if self.touches(dims) else self

    def sampled(self, dim: int, change: Callable[[Axis], Axis]) -> Track:
        """`change` applied where dimension `dim` is this axis; everything where it holds more than this axis."""
        if dim not in self.dims:
            return self
        if self.dims == {dim} and not self.layout:
            return replace(self, axis=change(self.axis))
        return self.mixed()


Tracks = tuple[Track, Track]
"""Height and width."""
