"""Numbers that others published, to print beside ours: each with its protocol and its source.

A row stands only under protocols it may be compared with, and with what one has to know. None was measured by us unless
its source says so.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One row of numbers.

    Attributes:
        name: of the system.
        data: images that it was measured on.
        protocols: names of ours that count the same pixels in the same way.
        metrics: by the keys of `onedepth.metrics.METRICS`.
        source: where the numbers stand.
        note: what one has to know before comparing.
    """

    name: str
    data: str
    protocols: tuple[str, ...]
    metrics: dict[str, float]
    source: str
    note: str = ""


_TEST = "NYU Depth v2, 654 official test images"
_KITTI = "KITTI, Eigen's test images"


def _six(values: str) -> dict[str, float]:
    """δ1 δ2 δ3 AbsRel RMSE log10, with – for what was not published."""
    keys = ("delta1", "delta2", "delta3", "abs_rel", "rmse", "log10")
    return {key: float(value) for key, value in zip(keys, values.split(), strict=True) if value != "–"}


PUBLISHED: tuple[Published, ...] = (
    Published(
        "DenseDepth, its paper",
        _TEST,
        ("densedepth",),
        _six(".846 .974 .994 .123 .465 .053"),
        "arXiv 1812.11941, as quoted in ialhashim/DenseDepth issue #75",
        "its repository prints RMSE .5485 for the same weights",
    ),
    Published(
        "DenseDepth, repository at HEAD",
        _TEST,
        ("densedepth-head",),
        _six(".8471 .9731 .9937 .1274 .5485 .0535"),
        "ialhashim/DenseDepth issues #75 and #98",
        "with its arguments put right AbsRel is .1234 (issue #98)",
    ),
    Published(
        "BTS, DenseNet-121", _TEST, ("bts",), _six(".871 – – .118 .410 –"), "arXiv 1907.10326", "24 K training frames"
    ),
    Published(
        "BTS, DenseNet-161", _TEST, ("bts",), _six(".885 – – .110 .392 –"), "arXiv 1907.10326", "24 K training frames"
    ),
    Published("AdaBins", _TEST, ("bts",), _six(".903 – – .103 .364 –"), "arXiv 2011.14141", "mirrored average"),
    Published("NeWCRFs", _TEST, ("bts",), _six(".923 – – .095 .331 –"), "arXiv 2203.01502", "mirrored average"),
    Published("ZoeDepth", _TEST, ("bts",), _six(".951 – – .077 .282 –"), "arXiv 2302.12288", "mirrored average"),
    Published("FastDepth", _TEST, ("fastdepth",), _six(".771 – – – .604 –"), "arXiv 1903.03273"),
    Published(
        "FastDepth, int8 file",
        _TEST,
        ("fastdepth",),
        _six(".762 – – .164 .600 –"),
        "measured by us with LiteRT on the file in openmv/openmv lib/models",
    ),
    Published(
        "DenseDepth, its paper",
        _KITTI,
        ("kitti-garg",),
        {"delta1": 0.886, "delta2": 0.965, "delta3": 0.986, "abs_rel": 0.093, "sq_rel": 0.589, "rmse": 4.170}
        | {"rmse_log": 0.171},
        "arXiv 1812.11941, from memory, not re-read",
    ),
)


def comparable(protocol: str) -> list[Published]:
    """The rows that may stand beside numbers under this protocol (its name, without an alignment)."""
    return [row for row in PUBLISHED if protocol in row.protocols]
