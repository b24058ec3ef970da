"""Theoretical receptive fields: how much of the image each value of a feature map can depend on.

A network is run on the meta device, and each operation says what the positions of its result see of the image (see
`axes` for how that is kept, `field_rules` for the operations).

What mixes all positions of an axis (a mean over space, squeeze-and-excitation, attention, layer norm over space)
makes it see everything; the field along paths around such operations is kept beside that (`Field.around`). Where
positions are scrambled beyond following (attention in windows, rolled or flipped maps) the answer is everything as
well: fields are never too small. Operations that are not known raise `UnknownOperationError`.

Borders are ignored: padding is taken for more image. Holes inside a field (dilation) belong to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from onedepth.train.axes import Axis, Field, Track, Tracks, UnknownOperationError
from onedepth.train.field_rules import FIRST_ONLY, RULES, Call, pointwise, tensors_in

__all__ = ["Axis", "Field", "UnknownOperationError", "receptive_fields"]


def receptive_fields(network: nn.Module, image: Tensor, outputs: Callable[[Any], Sequence[Tensor]]) -> list[Field]:
    """Receptive fields of what a network makes of an image.

    Args:
        network: in eval mode, on the meta device (on any other it works, and computes).
        image: `[1, C, H, W]`; the fields do not depend on its values, and on its size only in operations that do.
        outputs: picks the tensors asked for from the network's result.

    Raises:
        UnknownOperationError: the network does something whose field is not known here.
    """
    tracker = _Tracker(network, image)
    with torch.inference_mode(), tracker:
        result = network(image)
    return [tracker.field(tensor) for tensor in outputs(result)]


class _Tracker(TorchDispatchMode):
    """Follows an image's axes through all operations below autograd."""

    def __init__(self, network: nn.Module, image: Tensor) -> None:
        super().__init__()
        pixel = Axis((0,), (0,), 1)
        # Tensors are kept, so that an id stays theirs; on the meta device they are empty.
        self._kept: list[Tensor] = []
        self._tracks: dict[int, Tracks | None] = {}
        self._storages: dict[int, int] = {}
        for constant in (*network.parameters(), *network.buffers()):
            self._note(constant, None)
        self._note(image, (Track(pixel, frozenset({2})), Track(pixel, frozenset({3}))))

    def field(self, tensor: Tensor) -> Field:
        """What was found for a tensor."""
        tracks = self._known(tensor, "the result")
        if tracks is None:
            raise UnknownOperationError("the result does not depend on the image")
        return Field(tracks[0].axis, tracks[1].axis)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation, and note what its results see."""
        del types
        kwargs = kwargs or {}
        packet = func.overloadpacket
        if packet not in RULES and torch.Tag.pointwise not in func.tags:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        values = dict(zip((a.name for a in func._schema.arguments), args, strict=False)) | kwargs
        call = Call(values, {})
        for tensor in tensors_in((args, kwargs)):
            # torch.tensor(…) in the midst of a network; torch 2.8 detaches the new tensor first.
            new = packet is torch.ops.aten.detach_ and id(tensor) not in self._tracks
            if new or packet is torch.ops.aten.lift_fresh:
                self._note(tensor, None)
            tracks = self._known(tensor, str(func))
            if tracks is not None:
                call.tracks[id(tensor)] = tracks
        result = func(*args, **kwargs)
        call.result = tensors_in(result)
        found: Tracks | None = None
        if call.tracks:
            rule = RULES.get(packet, pointwise if torch.Tag.pointwise in func.tags else None)
            if rule is None:
                raise UnknownOperationError(f"{func}: its receptive field is not known")
            found = rule(call)
        if func._schema.is_mutable:
            self._written(values, found, func)
        for number, tensor in enumerate(call.result):
            if number and packet in FIRST_ONLY:
                break
            self._note(tensor, found)
        return result

    def _note(self, tensor: Tensor, tracks: Tracks | None) -> None:
        if id(tensor) not in self._tracks:
            self._kept.append(tensor)
            storage = tensor.untyped_storage()._cdata
            self._storages[storage] = self._storages.get(storage, 0) + 1
        self._tracks[id(tensor)] = tracks

    def _known(self, tensor: Tensor, where: str) -> Tracks | None:
        if id(tensor) not in self._tracks:
            raise UnknownOperationError(f"{where}: takes a tensor that is no parameter, buffer or earlier result")
        return self._tracks[id(tensor)]

    def _written(self, values: dict[str, Any], found: Tracks | None, func: Any) -> None:
        """Refuse a write in place that would change what other views of the same memory see."""
        target = next(value for value in values.values() if isinstance(value, Tensor))
        shared = self._storages.get(target.untyped_storage()._cdata, 0) > 1
        if shared and found != self._tracks.get(id(target)):
            raise UnknownOperationError(f"{func}: writes into memory that other tensors view")
