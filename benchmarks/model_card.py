"""The numbers and plots of the model card, for the model in the package or another one.

    python benchmarks/model_card.py DATA [--split val] [--model MODEL] [--plots FOLDER]

Prints metrics under `eigen`, `densedepth` and `bts`, the error in bins of true depth, and how many truths lie in
intervals of several widths, each tested with a factor that other images gave (four runs of images, as they come).
`--plots` writes calibration.svg and error_over_depth.svg.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import onedepth
from onedepth.data.folder import FolderData
from onedepth.error_figures import ErrorFigures
from onedepth.evaluate import evaluate_all
from onedepth.html_charts import over_depth
from onedepth.intervals import cross_validated_coverage, errors_of
from onedepth.predictions import ModelPredictions
from onedepth.protocols import PROTOCOLS

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
SIDE, MARGIN = 300, 46
STYLE = (
    "<style>svg{background:#fff;font:12px sans-serif}.grid{stroke:#ddd}.zero{stroke:#888}.histogram{fill:#eee}"
    "polyline{fill:none;stroke-width:2}text{fill:#333}</style>"
)


def calibration_plot(points: list[tuple[float, float]]) -> str:
    """Share of truths within intervals over the share that was promised, as SVG; on the diagonal they agree."""

    def place(promised: float, found: float) -> str:
        x = MARGIN + (promised - 0.4) / 0.6 * SIDE
        return f"{x:.1f},{SIDE + 14 - (found - 0.4) / 0.6 * SIDE:.1f}"

    parts = [f'<polyline points="{place(0.4, 0.4)} {place(1, 1)}" stroke="#bbb"/>']
    parts.append(f'<polyline points="{" ".join(place(*point) for point in points)}" stroke="#1f5fa8"/>')
    for promised, found in points:
        x, y = place(promised, found).split(",")
        parts.append(
            f'<circle cx="{x}" cy="{y}" r="4" fill="#1f5fa8"><title>{promised:.0%}: {found:.1%}</title></circle>'
        )
    for value in (0.4, 0.6, 0.8, 1.0):
        x, y = place(value, value).split(",")
        parts.append(f'<text x="{x}" y="{SIDE + 32}" text-anchor="middle">{value:.0%}</text>')
        parts.append(f'<text x="{MARGIN - 6}" y="{float(y) + 4}" text-anchor="end">{value:.0%}</text>')
    parts.append(f'<text x="{MARGIN + SIDE / 2}" y="{SIDE + 50}" text-anchor="middle">promised</text>')
    parts.append(f'<text x="{MARGIN + 6}" y="12">true depths within the interval</text>')
    size = f'width="{SIDE + 2 * MARGIN}" height="{SIDE + 60}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{STYLE}{"".join(parts)}</svg>'


def main() -> None:
    """Print the tables, write the plots."""
    parser = argparse.ArgumentParser(description="Numbers and plots of the model card.")
    parser.add_argument("data")
    parser.add_argument("--split", default="val")
    parser.add_argument("--model")
    parser.add_argument("--plots", type=Path)
    given = parser.parse_args()
    predictor = onedepth.load(given.model)
    pairs = FolderData(given.data, split=given.split)
    protocols = [PROTOCOLS[name] for name in ("eigen", "densedepth", "bts")]
    figures = ErrorFigures(protocols[0])
    name = predictor.card.title
    reports = evaluate_all({name: ModelPredictions(predictor.depth_m)}, pairs, protocols, observe=figures)[
        name
    ].values()
    for report in reports:
        print(report.table())
    errors = figures.errors[name]
    print("\ntrue depth (m)   share of pixels   AbsRel   mean of (p - t) / t")
    for low, high, count, relative, signed in zip(
        figures.edges_m, figures.edges_m[1:], errors.pixels, errors.relative, errors.signed, strict=False
    ):
        if count:
            share = count / errors.pixels.sum()
            print(f"{low:5.1f} - {high:4.1f}      {share:8.1%}         {relative / count:.3f}    {signed / count:+.3f}")
    found = errors_of(predictor, pairs, protocols[0])
    points = [(level, cross_validated_coverage(found, level=level)) for level in LEVELS]
    print("\npromised   true depths within, factor from other images")
    for level, covered in points:
        print(f"{level:7.0%}    {covered:.1%}")
    print(f"median half-width of the 90 % interval: {median_percent(predictor, pairs):.0f} % of the depth")
    if given.plots is not None:
        given.plots.mkdir(parents=True, exist_ok=True)
        (given.plots / "calibration.svg").write_text(calibration_plot(points), "utf-8")
        chart = over_depth(figures, [name], signed=False).replace(
            "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" width="560" height="280" ', 1
        )
        chart = chart.replace(">", f">{STYLE}", 1)
        (given.plots / "error_over_depth.svg").write_text(chart, "utf-8")


def median_percent(predictor: onedepth.Predictor, pairs: FolderData) -> float:
    """Median over all pixels of a tenth of the images."""
    values = []
    for index in range(0, len(pairs), 10):
        pair = pairs[index]
        depth = predictor.answer(pair.image, pair.intrinsics, "given", pair.id)
        assert depth.uncertainty is not None
        values.append(np.expm1(depth.uncertainty).ravel())
    return 100 * float(np.median(np.concatenate(values)))


if __name__ == "__main__":
    main()
