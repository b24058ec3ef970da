"""What each operation does to receptive fields: one small function each, and the dict of operations at the end.

A rule gets the operation's arguments by name, the tracks of those that depend on the image, and the results (for their
shapes); it gives the tracks of the results. A new operation is one function, or one name in `BY_NAME`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from onedepth.train.axes import Axis, Track, Tracks, UnknownOperationError

aten = torch.ops.aten


class Call:
    """One operation: arguments by name, the tracks of those that depend on the image, results."""

    def __init__(self, values: dict[str, Any], tracks: dict[int, Tracks]) -> None:
        self.values, self.tracks = values, tracks
        self.result: list[Tensor] = []

    def get(self, name: str, default: Any = None) -> Any:
        """An argument by its name in the operation's schema."""
        return self.values.get(name, default)

    @property
    def source(self) -> Tensor:
        """The first argument that depends on the image."""
        return next(tensor for tensor in tensors_in(self.values) if id(tensor) in self.tracks)

    @property
    def first(self) -> Tracks:
        """Tracks of `source`."""
        return self.tracks[id(self.source)]

    def only_source(self) -> Tracks:
        """Tracks of the one argument that may depend on the image."""
        if len(self.tracks) > 1 or id(next(iter(tensors_in(self.values)))) not in self.tracks:
            raise UnknownOperationError("an operation whose weights depend on the image")
        return self.first

    def dims(self, name: str = "dim") -> list[int]:
        """Dimensions given by an argument; none given: all."""
        given, count = self.get(name), self.source.ndim
        if given is None or given == []:
            return list(range(count))
        return [dim % count for dim in (given if isinstance(given, (list, tuple)) else [given])]


def tensors_in(values: Any) -> list[Tensor]:
    """All tensors in nested arguments or results."""
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _each(tracks: Tracks, change: Callable[[Track], Track]) -> Tracks:
    return change(tracks[0]), change(tracks[1])


def _join(parts: Sequence[Tracks]) -> Tracks:
    result = parts[0]
    for part in parts[1:]:
        result = (result[0].join(part[0]), result[1].join(part[1]))
    return result


def pointwise(call: Call) -> Tracks:
    """Each value from the values at its place; dimensions are aligned at the right."""
    rank = call.result[0].ndim
    parts = []
    for tensor in tensors_in(call.values):
        if id(tensor) in call.tracks:
            offset = rank - tensor.ndim
            parts.append(_each(call.tracks[id(tensor)], lambda t, o=offset: t.moved(lambda dim: dim + o)))
    return _join(parts)


def _same(call: Call) -> Tracks:
    return call.only_source()


def _pair(value: Any, default: int = 1) -> tuple[int, int]:
    if value is None or value == []:
        return default, default
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return (values[0], values[-1])


def _convolution(call: Call) -> Tracks:
    tracks = _each(call.only_source(), lambda t: t.mixed_over({1}))  # channels
    weight, spatial = call.get("weight"), call.source.ndim - 2

    def per_dim(name: str, default: int) -> list[int]:
        given = list(call.get(name) or [default])
        return given * spatial if len(given) == 1 else given

    strides, paddings, dilations = per_dim("stride", 1), per_dim("padding", 0), per_dim("dilation", 1)
    for i in range(spatial):
        change = _windows if not call.get("transposed") else _spread
        size, s, p, d = weight.shape[2 + i], strides[i], paddings[i], dilations[i]
        if (size, s) != (1, 1) or p:
            tracks = _each(tracks, lambda t, i=i, c=change, a=(size, s, p, d): t.sampled(2 + i, lambda x: c(x, *a)))
    return tracks


def _windows(axis: Axis, size: int, stride: int, padding: int, dilation: int) -> Axis:
    """Position o from positions o · stride − padding + {0 … size − 1} · dilation."""
    ends = (0, (size - 1) * dilation)
    if size > 1 and len(axis.low) > 1:  # between neighbours the bounds need not rise
        ends = tuple(j * dilation for j in range(size))
    return axis.gather(1, stride, lambda o: (o * stride - padding + end for end in ends))


def _spread(axis: Axis, size: int, stride: int, padding: int, dilation: int) -> Axis:
    """A transposed convolution: position i adds to positions i · stride − padding + {0 … size − 1} · dilation."""

    def taps(o: int) -> list[int]:
        from_here = (o + padding - j * dilation for j in range(size))
        return [place // stride for place in from_here if place % stride == 0]

    return axis.gather(stride, 1, taps)


def _pool(call: Call) -> Tracks:
    tracks, rank = call.only_source(), call.source.ndim
    sizes = _pair(call.get("kernel_size"))
    strides = _pair(call.get("stride"), 0)
    paddings, dilations = _pair(call.get("padding"), 0), _pair(call.get("dilation"))
    for i, dim in enumerate((rank - 2, rank - 1)):
        window = (sizes[i], strides[i] or sizes[i], paddings[i], dilations[i])
        if window[:3] != (1, 1, 0):
            tracks = _each(tracks, lambda t, d=dim, w=window: t.sampled(d, lambda axis: _windows(axis, *w)))
    return tracks


def _interpolation(read: Callable[[Fraction, Fraction], Iterable[int]]) -> Callable[[Call], Tracks]:
    """Resizing; `read(place, step)` gives the positions that are read for a result at `place` of the source."""

    def rule(call: Call) -> Tracks:
        tracks = call.only_source()
        scales = call.get("scale_factors") or (call.get("scales_h"), call.get("scales_w"))
        for i, dim in enumerate((2, 3)):
            before, after = call.source.shape[dim], call.result[0].shape[dim]
            step, drift = Fraction(before, after), Fraction(0)
            if call.get("align_corners"):
                drift = Fraction(1, 2)  # over the picture, places move by up to this, either way
            elif scales[i]:
                step = 1 / Fraction(scales[i]).limit_denominator(1000)
            if step == 1:
                continue

            def taps(o: int, step: Fraction = step, drift: Fraction = drift) -> list[int]:
                centre = (o + Fraction(1, 2)) * step - Fraction(1, 2)
                return [tap for place in {centre - drift, centre + drift} for tap in read(place, step)]

            def change(axis: Axis, step: Fraction = step, taps: Callable[[int], list[int]] = taps) -> Axis:
                return axis.gather(step.denominator, step.numerator, taps)

            tracks = _each(tracks, lambda t, d=dim, c=change: t.sampled(d, c))
        return tracks

    return rule


def _linear(place: Fraction, step: Fraction) -> Iterable[int]:
    del step
    return {floor(place), ceil(place)}


def _cubic(place: Fraction, step: Fraction) -> Iterable[int]:
    del step
    return range(floor(place) - 1, floor(place) + 3)


def _antialiased(reach: int) -> Callable[[Fraction, Fraction], Iterable[int]]:
    def read(place: Fraction, step: Fraction) -> Iterable[int]:
        radius = reach * max(Fraction(1), step)
        return range(floor(place - radius) + 1, ceil(place + radius))

    return read


def _nearest(place: Fraction, step: Fraction) -> Iterable[int]:
    # floor(o · step); the centre of position o lies (step − 1) / 2 further.
    return {floor(place - (step - 1) / 2)}


def _nearest_exact(place: Fraction, step: Fraction) -> Iterable[int]:
    del step
    return {floor(place + Fraction(1, 2))}


def _padding(call: Call) -> Tracks:
    tracks, amounts = call.only_source(), call.get("pad") or call.get("padding")
    rank = call.source.ndim
    for i in range(len(amounts) // 2):
        before = amounts[2 * i]
        if before:
            tracks = _each(
                tracks,
                lambda t, d=rank - 1 - i, b=before: t.sampled(d, lambda axis: axis.gather(1, 1, lambda o: [o - b])),
            )
    return tracks


def _slice(call: Call) -> Tracks:
    (dim,) = call.dims()
    length, start, step = call.source.shape[dim], call.get("start") or 0, call.get("step") or 1
    start = max(0, start + length) if start < 0 else min(start, length)
    if (start, step) == (0, 1):
        return _cut(call, dim)
    return _each(
        call.only_source(), lambda t: t.sampled(dim, lambda axis: axis.gather(1, step, lambda o: [start + o * step]))
    )


def _cut(call: Call, dim: int) -> Tracks:
    """A part from the beginning: nothing changes, but a layout of merged positions is not to be undone any more."""
    if call.result[0].shape[dim] == call.source.shape[dim]:
        return call.only_source()
    return _each(call.only_source(), lambda t: t.mixed() if dim in t.dims and t.layout else t)


def _split(call: Call) -> Tracks:
    """Parts along a dimension; along an image axis each begins somewhere else."""
    return _each(call.only_source(), lambda t: t.mixed_over(call.dims() if call.get("dim") is not None else [0]))


def _without(dims: Iterable[int]) -> Callable[[int], int | None]:
    """Where dimensions come to lie when `dims` are taken out."""
    gone = set(dims)
    return lambda dim: None if dim in gone else dim - sum(one < dim for one in gone)


def _select(call: Call) -> Tracks:
    dims = [(call.get("dim") or 0) % call.source.ndim]
    return _each(call.only_source(), lambda t: t.mixed_over(dims).moved(_without(dims)))


def _reduction(call: Call) -> Tracks:
    dims = call.dims()
    kept = bool(call.get("keepdim"))

    def change(track: Track) -> Track:
        track = track.mixed_over(dims)
        return track.moved(lambda dim: None if dim in dims else dim) if kept else track.moved(_without(dims))

    return _each(call.only_source(), change)


def _extremum(call: Call) -> Tracks:
    """The larger of two maps, or the largest along a dimension."""
    return pointwise(call) if "other" in call.values else _reduction(call)


def _mixing(call: Call) -> Tracks:
    """Every value from all along some dimensions, which stay (softmax, cumulated sums, sorting, rolling)."""
    dims = call.dims("dims" if "dims" in call.values else "dim")
    return _each(call.only_source(), lambda t: t.mixed_over(dims))


def _global(call: Call) -> Tracks:
    """Statistics or windows over all of space."""
    return _each(call.only_source(), lambda t: t.mixed() if t.dims else t)


def _batch_norm(call: Call) -> Tracks:
    """Statistics of the training, or of the batch itself."""
    own = call.get("training", call.get("train", False)) or "running_mean" not in call.values
    return _global(call) if own else _each(call.only_source(), lambda t: t.mixed_over({1}))


def _layer_norm(call: Call) -> Tracks:
    rank = call.source.ndim
    return _each(
        call.only_source(), lambda t: t.mixed_over(range(rank - len(call.get("normalized_shape") or [0]), rank))
    )


def _product(call: Call) -> Tracks:
    """Matrix product: the last dimension of the one with the last but one of the other."""
    left, right = call.get("self"), call.get("mat2")
    if "batch1" in call.values or "mat1" in call.values:  # baddbmm, addmm: `self` is added
        left = call.get("batch1", call.get("mat1"))
        right = call.get("batch2", call.get("mat2"))
        added = call.get("self")
    else:
        added = None
    rank, parts = left.ndim, []
    if id(left) in call.tracks:
        parts.append(_each(call.tracks[id(left)], lambda t: t.mixed_over({rank - 1})))
        parts[-1] = _each(parts[-1], lambda t: t.moved(lambda dim: None if dim == rank - 1 else dim))
    if id(right) in call.tracks:
        parts.append(_each(call.tracks[id(right)], lambda t: t.mixed_over({rank - 2})))
        parts[-1] = _each(parts[-1], lambda t: t.moved(lambda dim: None if dim == rank - 2 else dim))
    if added is not None and id(added) in call.tracks:
        offset = rank - added.ndim
        parts.append(_each(call.tracks[id(added)], lambda t: t.moved(lambda dim: dim + offset)))
    return _join(parts)


def _attention(call: Call) -> Tracks:
    """Each position of the query from all of key and value."""
    query = call.get("query")
    if id(query) not in call.tracks:
        raise UnknownOperationError("attention whose query does not depend on the image")
    return _each(call.tracks[id(query)], Track.mixed)


def _cat(call: Call) -> Tracks:
    tensors = [tensor for tensor in call.get("tensors") if tensor.numel()]
    dim = (call.get("dim") or 0) % tensors[0].ndim
    parts = [call.tracks[id(tensor)] for tensor in tensors if id(tensor) in call.tracks]
    return _each(_join(parts), lambda t: t.mixed_over({dim}))


def _stack(call: Call) -> Tracks:
    dim = (call.get("dim") or 0) % call.result[0].ndim
    parts = [call.tracks[id(tensor)] for tensor in call.get("tensors") if id(tensor) in call.tracks]
    return _each(_join(parts), lambda t: t.moved(lambda old: old + (old >= dim)))


def _permute(call: Call) -> Tracks:
    rank = call.source.ndim
    order = [dim % rank for dim in call.get("dims")]
    return _each(call.only_source(), lambda t: t.moved(order.index))


def _transpose(call: Call) -> Tracks:
    rank = call.source.ndim
    a, b = (call.get("dim0", 0) % rank, call.get("dim1", min(1, rank - 1)) % rank)
    return _each(call.only_source(), lambda t: t.moved(lambda dim: {a: b, b: a}.get(dim, dim)))


def _squeeze(call: Call) -> Tracks:
    dims = [dim for dim in call.dims() if call.source.shape[dim] == 1]
    _check_not_lost(call, dims)
    return _each(call.only_source(), lambda t: t.moved(_without(dims)))


def _unsqueeze(call: Call) -> Tracks:
    place = call.get("dim") % call.result[0].ndim
    return _each(call.only_source(), lambda t: t.moved(lambda dim: dim + (dim >= place)))


def _view(call: Call) -> Tracks:
    before, after = list(call.source.shape), list(call.result[0].shape)
    if before == after:
        return call.only_source()
    _check_not_lost(call, [dim for dim, size in enumerate(before) if size == 1])
    groups = _groups(before, after)
    return _each(call.only_source(), lambda t: _viewed(t, groups, before, after))


def _viewed(track: Track, groups: Sequence[tuple[list[int], list[int]]], before: Any, after: Any) -> Track:
    dims: set[int] = set()
    layout = track.layout
    for old, new in groups:
        if not track.touches(old):
            continue
        if len(old) == len(new) == 1:
            dims.update(new)
            continue
        step = (tuple(before[i] for i in old), tuple(after[i] for i in new))
        places = tuple(i for i, dim in enumerate(old) if dim in track.dims)
        # One dimension is split again exactly as it was merged.
        if len(old) == 1 and layout and layout[-1][:2] == (step[1], step[0]):
            dims.update(new[place] for place in layout[-1][2])
            layout = layout[:-1]
        else:
            dims.update(new)
            layout = (*layout, (*step, places))
    return Track(track.axis, frozenset(dims), layout)


def _groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The smallest runs of dimensions of both shapes that hold the same number of values; dimensions of 1 apart."""
    old = [dim for dim, size in enumerate(before) if size != 1]
    new = [dim for dim, size in enumerate(after) if size != 1]
    groups: list[tuple[list[int], list[int]]] = []
    while old or new:
        group: tuple[list[int], list[int]] = ([old.pop(0)], [new.pop(0)])
        a, b = before[group[0][0]], after[group[1][0]]
        while a != b:
            if a < b:
                group[0].append(old.pop(0))
                a *= before[group[0][-1]]
            else:
                group[1].append(new.pop(0))
                b *= after[group[1][-1]]
        groups.append(group)
    return groups


def _check_not_lost(call: Call, dims: Sequence[int]) -> None:
    if any(track.touches(dims) for track in call.first):
        raise UnknownOperationError("a map of one row or column is reshaped; try a larger image")


_SAME = (
    "alias", "clone", "contiguous", "detach", "_to_copy", "lift_fresh", "dropout", "native_dropout", "hardswish_",
    "hardswish", "hardtanh_", "hardtanh", "relu6", "elu_", "mish_", "_conj", "prelu", "_prelu_kernel", "celu_",
)  # fmt: skip
_PAD = ("constant_pad_nd", "reflection_pad2d", "replication_pad2d", "_pad_circular")
_REDUCTIONS = (
    "mean", "sum", "amax", "amin", "var", "std", "var_mean", "std_mean", "logsumexp", "linalg_vector_norm", "norm",
    "prod", "any", "all",
)  # fmt: skip
_MIXINGS = ("_softmax", "_safe_softmax", "_log_softmax", "cumsum", "cumprod", "sort", "flip", "roll")
_ATTENTIONS = (
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_fused_attention_overrideable",
)
BY_NAME: dict[str, Callable[[Call], Tracks]] = {
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(_PAD, _padding),
    **dict.fromkeys(_REDUCTIONS, _reduction),
    **dict.fromkeys(_MIXINGS, _mixing),
    **dict.fromkeys(_ATTENTIONS, _attention),
    **dict.fromkeys(("mm", "bmm", "addmm", "baddbmm"), _product),
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "_reshape_alias"), _view),
    **dict.fromkeys(("split", "split_with_sizes", "chunk"), _split),
    **dict.fromkeys(("select", "unbind"), _select),
    **dict.fromkeys(("transpose", "t"), _transpose),
    **dict.fromkeys(("max_pool2d_with_indices", "max_pool2d", "avg_pool2d"), _pool),
    **dict.fromkeys(("_adaptive_avg_pool2d", "adaptive_max_pool2d", "native_group_norm"), _global),
    **dict.fromkeys(
        (
            "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
            "cudnn_batch_norm", "_batch_norm_no_update", "_batch_norm_with_update",
        ),
        _batch_norm,
    ),
    **dict.fromkeys(("native_layer_norm", "_fused_rms_norm"), _layer_norm),
    **dict.fromkeys(("max", "min"), _extremum),
    "convolution": _convolution,
    "upsample_bilinear2d": _interpolation(_linear),
    "upsample_bicubic2d": _interpolation(_cubic),
    "upsample_nearest2d": _interpolation(_nearest),
    "_upsample_nearest_exact2d": _interpolation(_nearest_exact),
    "_upsample_bilinear2d_aa": _interpolation(_antialiased(1)),
    "_upsample_bicubic2d_aa": _interpolation(_antialiased(2)),
    "copy_": pointwise,
    "expand": pointwise,
    # torch 2.8 has no tag that says so.
    "leaky_relu": pointwise,
    "leaky_relu_": pointwise,
    "slice": _slice,
    "cat": _cat,
    "stack": _stack,
    "permute": _permute,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
}  # fmt: skip
RULES = {getattr(aten, name): rule for name, rule in BY_NAME.items() if hasattr(aten, name)}
FIRST_ONLY = {
    getattr(aten, name)
    for name, rule in BY_NAME.items()
    if hasattr(aten, name) and rule in (_batch_norm, _layer_norm, _attention, _global)
}
