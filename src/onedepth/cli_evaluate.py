"""The verb `evaluate`: model files and folders of predictions against RGB-D pairs. Heavy imports stand inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from onedepth.cli_layout import AS_RECOGNISED, LayoutOptions
from onedepth.cli_options import Runtime, Threads
from onedepth.errors import OnedepthError
from onedepth.progress import progress

if TYPE_CHECKING:
    from onedepth.contestants import Contestant
    from onedepth.data.pair import Pair
    from onedepth.data.recognise import Source
    from onedepth.protocols import Protocol

RESULTS = Group("Results", help="The table is printed; these are files beside it.")


def evaluate(
    *,
    data: Annotated[Path, Parameter(help="Folder or file of RGB-D data, of any layout.")],
    options: LayoutOptions = AS_RECOGNISED,
    model: Annotated[
        list[str] | None,
        Parameter(help="Model file, or name of a model in the package; may be repeated.", negative=()),
    ] = None,
    predictions: Annotated[
        list[Path] | None,
        Parameter(
            help="Folder of depth files by any other program, named by the pairs' ids: ID.npy (metres), ID.png "
            "(16 bit, millimetres) or ID.npz; may be repeated.",
            negative=(),
        ),
    ] = None,
    trained_on_this: Annotated[
        list[str] | None,
        Parameter(help="Say beside this name (a folder's, a model's) that it was trained on the data.", negative=()),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        Parameter(
            help="How to compare, see docs/protocols.md; may be repeated.",
            show_default="all that fit the pictures",
            negative=(),
        ),
    ] = None,
    align: Annotated[
        str | None, Parameter(help="Fit each prediction to its truth first: median, scale, scale-shift, …")
    ] = None,
    metrics: Annotated[
        list[str] | None,
        Parameter(help="Slower ones as well: boundaries, points; may be repeated.", negative=()),
    ] = None,
    json: Annotated[Path | None, Parameter(group=RESULTS, help="The whole report.")] = None,
    csv: Annotated[Path | None, Parameter(group=RESULTS, help="One line per image.")] = None,
    html: Annotated[
        Path | None,
        Parameter(group=RESULTS, help="One page with tables, curves and the worst images; it holds the pictures."),
    ] = None,
    runtime: Runtime = "onnxruntime",
    threads: Threads = None,
) -> int:
    """Measure model files, or another program's predictions, on RGB-D pairs.

    Every image is predicted once for all protocols (and once mirrored, or at another size, where one asks for it). Of
    several models or folders the differences to the first are given with 95 % intervals.
    """
    from onedepth.cli import DONE, SOME_FAILED
    from onedepth.contestants import gather
    from onedepth.evaluate import evaluate_all
    from onedepth.evaluation import Evaluation
    from onedepth.outputs import replacing
    from onedepth.predictor import Predictor

    extras = _known_extras(metrics or [])
    named = _named_protocols(protocol or [])
    _check_alignment(align)
    source, pairs = options.open_one(data)
    _check_targets({"--json": json, "--csv": csv, "--html": html}, source)
    predictors = [Predictor(name, runtime=runtime, threads=threads) for name in _models(model, predictions)]
    contestants = gather(predictors, predictions or [], trained_on_this or [], source)
    _check_ids(contestants, pairs.ids)
    protocols = named or _fitting_protocols(pairs)
    if align is not None:
        protocols = [chosen.aligned(align) for chosen in protocols]  # type: ignore[arg-type]
    figures = None
    if html is not None:
        from onedepth.error_figures import ErrorFigures

        figures = ErrorFigures(protocols[0])
    with progress(len(pairs)) as (advance, say):
        reports = evaluate_all(
            {one.name: one.predictions for one in contestants},
            pairs,
            protocols,
            extras=extras,
            progress=lambda _done, _all: advance(),
            observe=figures,
        )
    evaluation = Evaluation(source, tuple(contestants), tuple(protocols), reports)
    say(evaluation.table())
    for path, text in ((json, evaluation.to_json), (csv, evaluation.to_csv)):
        if path is not None:
            with replacing(path) as temporary:
                temporary.write_text(text(), "utf-8")
    if html is not None and figures is not None:
        from onedepth.html_report import page

        text = page(evaluation, pairs, figures)
        with replacing(html) as temporary:
            temporary.write_text(text, "utf-8")
    return SOME_FAILED if evaluation.incomplete else DONE


def _check_targets(targets: Mapping[str, Path | None], source: Source) -> None:
    """Refuse files that cannot be written, or would take the place of another, before models run for minutes."""
    from onedepth.data.folder import INDEX_NAME
    from onedepth.outputs import check_place

    kept = {source.path, source.path / INDEX_NAME, source.path / (source.files or ""), Path(source.files or "")}
    taken = {path.resolve(): "the data" for path in kept if path.is_file()}
    for name, path in targets.items():
        if path is None:
            continue
        if path.resolve() in taken:
            raise OnedepthError(f"{name}: {path} is {taken[path.resolve()]} as well, expected another file")
        taken[path.resolve()] = f"what {name} names"
        check_place(path)


def _models(model: list[str] | None, predictions: list[Path] | None) -> Sequence[str | None]:
    """The model files to load: those named, or the default one where nothing else is evaluated."""
    if model:
        return model
    return [] if predictions else [None]


def _known_extras(names: list[str]) -> list[str]:
    from onedepth.extra_metrics import EXTRAS

    for name in names:
        if name not in EXTRAS:
            there = "; ".join(f"{key} ({extra.description})" for key, extra in EXTRAS.items())
            raise OnedepthError(f"--metrics: no such group {name!r}; there are {there}")
    return list(dict.fromkeys(names))


def _named_protocols(names: list[str]) -> list[Protocol]:
    import difflib

    from onedepth.protocols import PROTOCOLS

    for name in names:
        if name not in PROTOCOLS:
            close = difflib.get_close_matches(name, PROTOCOLS, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise OnedepthError(f"--protocol: no such protocol {name!r}{hint}; there are {', '.join(PROTOCOLS)}")
    return [PROTOCOLS[name] for name in dict.fromkeys(names)]


def _check_alignment(name: str | None) -> None:
    from onedepth.alignment import ALIGNMENTS

    if name is not None and name not in ALIGNMENTS:
        raise OnedepthError(f"--align: no such alignment {name!r}; there are {', '.join(ALIGNMENTS)}")


def _fitting_protocols(pairs: Sequence[Pair]) -> list[Protocol]:
    """All that the first readable picture fits; the others are of its size, or are named as failed."""
    from onedepth.errors import DataError
    from onedepth.protocols import PROTOCOLS, fitting

    for index in range(len(pairs)):
        try:
            height, width = pairs[index].depth_m.shape
        except DataError:
            continue
        return fitting((height, width))
    return [PROTOCOLS["full"]]


def _check_ids(contestants: Sequence[Contestant], ids: Sequence[str]) -> None:
    """Refuse a folder with no prediction for any pair before models run for minutes."""
    from onedepth.errors import DataError
    from onedepth.predictions import FilePredictions, MissingPredictionError

    for one in contestants:
        if not isinstance(one.predictions, FilePredictions):
            continue
        for name in ids:
            try:
                one.predictions.find(name)
            except MissingPredictionError:
                continue
            except DataError:
                break  # there are files; what is wrong with one is said beside its pair
            break
        else:
            raise DataError(
                f"{one.where}: no prediction for any of {len(ids)} pairs; expected files named by their ids, as in "
                f"{ids[0]}.npy (metres), {ids[0]}.png (16 bit, millimetres) or {ids[0]}.npz"
            )
