"""An evaluation as one HTML page that needs nothing beside it: no script, no other file.

The page holds pictures of the data. Where their licence forbids passing them on, so it is with the page.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onedepth import html_charts as charts
from onedepth.comparison import Comparison
from onedepth.contestants import SEEN, Contestant
from onedepth.data.pair import Pair
from onedepth.error_figures import ErrorFigures
from onedepth.evaluate import LABELS, Compared, ImageResult, Report, evaluate_all
from onedepth.evaluation import Evaluation
from onedepth.metrics import UNITS
from onedepth.protocols import Protocol, picture
from onedepth.published import Published, comparable
from onedepth.render import UNKNOWN_RGB, auto_range, colorize

SHOWN = 12
"""How many of the worst and of the median images are shown."""

_THUMB = 300  # pixels wide
_FAR_OFF = 1.5  # ratio at which the error map's colours end
_ERROR_RGB = ((33, 102, 172), (247, 247, 247), (178, 24, 43))  # too near, right, too far

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; color: #1c2127; background: #fff;
  margin: 0 auto; padding: 28px 32px 60px; max-width: 1240px; }
h1 { font-size: 25px; margin: 0 0 4px; font-weight: 650; } h2 { font-size: 19px; margin: 44px 0 8px; font-weight: 650; }
h3 { font-size: 15px; margin: 26px 0 6px; font-weight: 650; }
p { margin: 4px 0 8px; max-width: 78ch; } .quiet, figcaption, .note { color: #59626d; font-size: 13.5px; }
.tablebox { overflow-x: auto; }
table { border-collapse: collapse; margin: 8px 0; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { padding: 4px 8px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td > .seen { display: block; width: fit-content; max-width: 170px; margin: 0; white-space: normal; line-height: 1.3; }
thead { break-after: avoid; } thead th { border-bottom: 1.5px solid #aab2bb; font-weight: 600; vertical-align: bottom; }
thead small { display: block; color: #59626d; font-weight: 400; font-size: 11.5px; min-height: 1.5em; }
tbody tr + tr td { border-top: 1px solid #e6e9ed; } tr.published td { color: #59626d; }
tr.group td { color: #59626d; font-size: 12.5px; padding-top: 10px; }
.seen { display: inline-block; background: #fbe8d6; color: #7a3d06; border-radius: 4px; padding: 0 7px;
  font-size: 12px; margin-left: 8px; }
.better { color: #17693b; font-weight: 600; } .worse { color: #a32020; font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(380px, 1fr)); gap: 12px 30px; }
figure { margin: 6px 0; } svg { width: 100%; height: auto; display: block; }
svg.bar { width: auto; display: inline-block; }
svg text { font: 12px system-ui, sans-serif; fill: #59626d; } svg .grid { stroke: #dfe3e8; }
svg .zero { stroke: #7d8791; }
svg polyline { fill: none; stroke-width: 2.2; stroke-linejoin: round; } svg .histogram { fill: #eceff3; }
.swatch { display: inline-block; width: 22px; height: 3px; vertical-align: middle; margin: 0 7px 0 0; }
.legend span + span { margin-left: 20px; }
.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 360px)); gap: 16px 26px; }
.images { border-collapse: separate; border-spacing: 0 3px; width: 100%; table-layout: fixed; }
.images td, .images th { padding: 2px 3px; text-align: left; white-space: normal; vertical-align: middle;
  border: 0 !important; }
.images th { font-size: 12.5px; color: #59626d; font-weight: 500; }
.images img { width: 100%; display: block; border-radius: 3px; }
.images td:first-child { width: 118px; font-size: 12.5px; overflow-wrap: anywhere; }
.images col:first-child { width: 122px; }
.images td[data-label]::before { content: attr(data-label); display: none; font-size: 12px; color: #59626d; }
.ramp { display: block; height: 10px; width: 108px; border-radius: 2px; margin-top: 6px; }
.scale { display: flex; justify-content: space-between; width: 108px; font-size: 11px; color: #59626d; }
.keys .ramp { display: inline-block; vertical-align: -1px; margin: 0 6px; }
.keys .unknown { display: inline-block; width: 12px; height: 12px; border-radius: 2px; margin: 0 4px -1px 0; }
.whole { white-space: nowrap; }
.maps svg { shape-rendering: crispEdges; }
.tablebox tr { background: #fff; } .tablebox tr.published { background: #f7f8fa; }
.tablebox th:first-child, .tablebox td:first-child { position: sticky; left: 0; background: inherit; min-width: 178px; }
.tablebox tr.group td:first-child { position: static; }
@media (max-width: 720px) {
  body { padding: 18px 14px 40px; } h1 { font-size: 21px; overflow-wrap: anywhere; }
  .charts { grid-template-columns: 1fr; }
  .tablebox th:first-child, .tablebox td:first-child { min-width: 112px; max-width: 128px; white-space: normal; }
  .tablebox tr.group td:first-child { max-width: none; white-space: nowrap; }
  .images, .images tbody { display: block; } .images tr { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; }
  .images thead { display: none; } .images td, .images td:first-child { width: auto; }
  .images td:first-child { grid-column: 1 / 3; padding-top: 14px; } .images td[data-label]::before { display: block; }
}
@page { size: A4 landscape; margin: 12mm; }
@media print {
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { padding: 0; max-width: none; font-size: 11px; } table { font-size: 10px; } .tablebox { overflow: visible; }
  h2 { margin-top: 24px; } th, td { padding: 2px 5px; } h2, h3 { break-after: avoid; }
  tr, figure { break-inside: avoid; } .charts { grid-template-columns: 1fr 1fr; } .images { width: 72%; }
}
"""


def page(evaluation: Evaluation, pairs: Sequence[Pair], figures: ErrorFigures) -> str:
    """The whole page as text.

    The images shown are read and predicted once more, so that none had to be kept: at most 24 for each contestant.

    Args:
        evaluation: what was found.
        pairs: the data, in the same order as then.
        figures: what observed the evaluation's first protocol.
    """
    names = [one.name for one in evaluation.contestants]
    title = f"Depth of {', '.join(names)} on {evaluation.where}"
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>',
        f"<h1>Depth on {escape(evaluation.where)}</h1>",
        *_who(evaluation.contestants),
    ]
    for protocol in evaluation.protocols:
        parts += _protocol_section(evaluation, protocol)
    parts += _charts(evaluation, figures)
    for one in evaluation.contestants:
        parts += _images(one, evaluation.reports[one.name][figures.protocol.name], pairs)
    parts.append(
        '<p class="quiet">Made by onedepth. How protocols and metrics are defined: docs/protocols.md. This page holds '
        "pictures of the data; their licence is the data's.</p></body></html>\n"
    )
    return "\n".join(parts)


def _who(contestants: Sequence[Contestant]) -> list[str]:
    lines = []
    for one in contestants:
        learned = f": learned from {escape(one.training_data)}" if one.training_data else ""
        lines.append(f'<p class="quiet"><b>{escape(one.name)}</b>{_badge(one)}{learned}</p>')
    return lines


def _badge(one: Contestant) -> str:
    return f'<span class="seen">{escape(SEEN[one.seen])}</span>' if SEEN[one.seen] else ""


def _protocol_section(evaluation: Evaluation, protocol: Protocol) -> list[str]:
    reports = [(one, evaluation.reports[one.name][protocol.name]) for one in evaluation.contestants]
    keys = list(reports[0][1].metrics)
    head = "".join(f"<th>{escape(LABELS[key])}<small>{escape(UNITS.get(key, ''))}</small></th>" for key in keys)
    rows = []
    for one, report in reports:
        cells = "".join(f"<td>{_number(report.metrics[key])}</td>" for key in keys)
        rows.append(f"<tr><td>{escape(one.name)}{_badge(one)}</td>{cells}<td>{report.count}</td></tr>")
    sources = []
    published = comparable(protocol.name)
    for data in dict.fromkeys(row.data for row in published):
        rows.append(
            f'<tr class="group"><td colspan="{len(keys) + 2}">published, on {escape(data)} '
            "(other images than above, unless these are the ones)</td></tr>"
        )
        for row in (row for row in published if row.data == data):
            sources.append(row)
            cells = "".join(f"<td>{_published(row, key)}</td>" for key in keys)
            rows.append(
                f'<tr class="published"><td>{escape(row.name)} <sup>{len(sources)}</sup></td>{cells}<td></td></tr>'
            )
    notes = [
        f'<p class="note"><b>{escape(one.name)}</b>: {escape(line)}</p>'
        for one, report in reports
        for line in report.notes()
    ]
    notes += [
        f'<p class="note"><sup>{index}</sup> {escape(row.source)}{escape("; " + row.note if row.note else "")}</p>'
        for index, row in enumerate(sources, start=1)
    ]
    differences = [
        text
        for one in evaluation.contestants[1:]
        for text in _differences(
            evaluation.contestants[0].name, one.name, evaluation.comparisons[one.name, protocol.name]
        )
    ]
    return [
        f"<h2>Protocol {escape(protocol.name)}</h2><p>{escape(protocol.description)}</p>",
        f'<div class="tablebox"><table><thead><tr><th></th>{head}<th>images<small></small></th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>",
        *notes,
        *differences,
    ]


def _published(row: Published, key: str) -> str:
    return f"{row.metrics[key]:.4f}".removesuffix("0") if key in row.metrics else "–"


def _differences(first: str, second: str, comparison: Comparison) -> list[str]:
    head = "".join(f"<th>{escape(LABELS[d.key])}</th>" for d in comparison.differences)
    rows = [
        "<tr><td>difference</td>" + "".join(f"<td>{_signed(d.value)}</td>" for d in comparison.differences) + "</tr>",
        f"<tr><td>{comparison.level:.0%} interval</td>"
        + "".join(f"<td>{_signed(d.low)}<br>{_signed(d.high)}</td>" for d in comparison.differences)
        + "</tr>",
        f"<tr><td>{escape(second)} is</td>"
        + "".join(f'<td class="{d.verdict}">{d.verdict}</td>' for d in comparison.differences)
        + "</tr>",
    ]
    return [
        f"<h3>{escape(second)} less {escape(first)}</h3>"
        f'<p class="quiet">{comparison.resamples} paired resamples of {comparison.images} images. Images of one scene '
        "depend on each other, so with few scenes the intervals are too narrow.</p>"
        f'<div class="tablebox"><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    ]


def _charts(evaluation: Evaluation, figures: ErrorFigures) -> list[str]:
    names = [one.name for one in evaluation.contestants if one.name in figures.errors]
    legend = "".join(
        f'<span><span class="swatch" style="background:{charts.colour(index)}"></span>{escape(name)}</span>'
        for index, name in enumerate(names)
    )
    high = charts.highest_cell(figures, names)
    maps = "".join(
        f"<figure>{charts.over_picture(figures, name, high)}<figcaption>{escape(name)}</figcaption></figure>"
        for name in names
    )
    return [
        f'<h2>Where the errors lie</h2><p class="quiet">Under protocol {escape(figures.protocol.name)}. All pixels '
        "with a valid prediction count the same; bins with less than one pixel in 2000 are left out.</p>",
        f'<p class="legend">{legend}</p>',
        '<div class="charts">',
        f"<figure>{charts.over_depth(figures, names, signed=False)}<figcaption>Size of the error: mean of "
        "│prediction − truth│ / truth. Grey: how the true depths are distributed.</figcaption></figure>",
        f"<figure>{charts.over_depth(figures, names, signed=True)}<figcaption>Direction of the error: mean of "
        "(prediction − truth) / truth. Above 0 the prediction is too far.</figcaption></figure>",
        "</div>",
        f"<h3>Over the picture</h3><p>{charts.scale_bar(high)}</p>",
        '<p class="quiet">Mean of │prediction − truth│ / truth in cells of what the protocol compares. Cells without '
        "any truth are grey.</p>",
        f'<div class="maps">{maps}</div>',
    ]


def _images(one: Contestant, report: Report, pairs: Sequence[Pair]) -> list[str]:
    worst, median = chosen(report.images)
    parts = [
        f"<h2>Images: {escape(one.name)}</h2>",
        f'<p class="quiet keys">Under protocol {escape(report.protocol.name)}. Truth and prediction share one scale of '
        "colours for each image, from near to far in metres as beside it, by the logarithm of depth. "
        f'<span class="unknown" style="background:{_css(UNKNOWN_RGB)}"></span>unknown. Error: prediction / '
        f'truth, <span class="whole">1/{_FAR_OFF:g}'
        f'<span class="ramp" style="background:{_gradient(_ERROR_RGB)}"></span>'
        f"{_FAR_OFF:g}</span>: blue is too near, white is right, red is too far; beyond, the colour stays.</p>",
    ]
    index_of = {image.id: image for image in report.images}
    places = _places(pairs, {image.id for image in worst + median})
    for what, images in ((f"The {len(worst)} worst by AbsRel", worst), (f"The {len(median)} in the middle", median)):
        rows = [_row(one, report.protocol, index_of[image.id], pairs[places[image.id]]) for image in images]
        parts.append(
            f'<h3>{escape(what)}</h3><table class="images"><colgroup><col><col><col><col><col></colgroup>'
            "<thead><tr><th></th><th>input</th><th>truth</th><th>prediction</th><th>error</th></tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table>"
        )
    return parts


def chosen(images: Sequence[ImageResult], count: int = SHOWN) -> tuple[list[ImageResult], list[ImageResult]]:
    """The worst images by AbsRel, the very worst first, and those around the median, which are none of the worst."""
    ranked = sorted(images, key=lambda image: (-image.metrics["abs_rel"], image.id))
    worst, rest = ranked[:count], ranked[count:]
    middle = max(0, min(len(ranked) // 2 - count // 2 - len(worst), len(rest) - count))
    return worst, rest[middle : middle + count]


def _places(pairs: Sequence[Pair], wanted: set[str]) -> dict[str, int]:
    """Where in the data the pairs of these ids are, without reading pictures where the data knows its ids."""
    ids = getattr(pairs, "ids", None)
    if ids is None:
        ids = (pair.id for pair in pairs)
    return {name: index for index, name in enumerate(ids) if name in wanted}


def _row(one: Contestant, protocol: Protocol, image: ImageResult, pair: Pair) -> str:
    seen: list[Compared] = []
    evaluate_all({one.name: one.predictions}, [pair], [protocol], observe=seen.append)
    compared = seen[0]
    near, far = auto_range(np.where(compared.valid, compared.true_m, np.nan))
    true = np.where(compared.valid, compared.true_m, np.nan)
    cells = {
        "input": picture(protocol, pair),
        "truth": _coloured(true, near, far),
        "prediction": _coloured(compared.pred_m, near, far),
        "error": _error(compared.pred_m, true),
    }
    invalid = f"<br>{image.invalid_predictions} pixels invalid" if image.invalid_predictions else ""
    text = (
        f"<b>{escape(image.id)}</b><br>AbsRel {_number(image.metrics['abs_rel'])}<br>"
        f"δ1 {_number(image.metrics['delta1'])}<br>{image.pixels:,} pixels{invalid}"
    )
    shown = "".join(
        f'<td data-label="{name}">{_embedded(cell, f"{name} of {image.id}")}</td>' for name, cell in cells.items()
    )
    return f"<tr><td>{text}{_metres(near, far)}</td>{shown}</tr>"


def _metres(near_m: float, far_m: float) -> str:
    """The colours of depths between two, whose middle is their geometric mean."""
    depths_m = np.geomspace(near_m, far_m, 9)[None]
    ramp = _gradient([tuple(map(int, rgb)) for rgb in _coloured(depths_m, near_m, far_m)[0]])
    marks = "".join(
        f"<span>{depth_m:.1f}{unit}</span>" for depth_m, unit in zip(depths_m[0, ::4], ("", "", " m"), strict=True)
    )
    return f'<span class="ramp" style="background:{ramp}"></span><span class="scale">{marks}</span>'


def _css(rgb: Sequence[int]) -> str:
    return "#" + "".join(f"{value:02x}" for value in rgb)


def _gradient(colours: Sequence[Sequence[int]]) -> str:
    return f"linear-gradient(to right, {', '.join(map(_css, colours))})"


def _coloured(depth_m: NDArray[np.floating], near_m: float, far_m: float) -> NDArray[np.uint8]:
    return colorize(np.nan_to_num(depth_m, nan=0.0), near_m, far_m)


def _error(pred_m: NDArray[np.floating], true_m: NDArray[np.floating]) -> NDArray[np.uint8]:
    """uint8 `[H, W, 3]`: blue where the prediction is too near, red where it is too far, by the ratio's logarithm."""
    ratio = np.log(pred_m / true_m) / math.log(_FAR_OFF)
    known = np.isfinite(ratio)
    share = np.clip(np.where(known, ratio, 0), -1, 1)[..., None]
    near, right, far = (np.array(rgb, float) for rgb in _ERROR_RGB)
    picture = np.where(share < 0, right + (near - right) * -share, right + (far - right) * share)
    picture[~known] = UNKNOWN_RGB
    return np.rint(picture).astype(np.uint8)


def _embedded(pixels: NDArray[np.uint8], what: str) -> str:
    image = Image.fromarray(pixels)
    if image.width > _THUMB:
        image = image.resize((_THUMB, max(1, round(image.height * _THUMB / image.width))), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82, subsampling=0)
    return f'<img alt="{escape(what)}" src="data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−") if math.isfinite(value) else "–"


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "∞" if math.isinf(value) else "–"
