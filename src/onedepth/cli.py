"""The command line: one function per verb. Heavy imports stand inside the functions."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from onedepth import __version__
from onedepth.cli_camera import camera
from onedepth.cli_data import app as data_app
from onedepth.cli_evaluate import evaluate
from onedepth.cli_import import import_keras
from onedepth.cli_options import Focal, Fov, Model, Runtime, Threads
from onedepth.cli_rooms import render_rooms
from onedepth.cli_steadiness import evaluate_video
from onedepth.cli_video import video
from onedepth.errors import MissingExtraError, OnedepthError, OutputError
from onedepth.progress import progress

if TYPE_CHECKING:
    from onedepth.depth import Depth
    from onedepth.predictor import Predictor

app = App(name="onedepth", help="Metric depth from one image.", version=__version__, help_on_error=False)
app.command(import_keras)
app.command(render_rooms)
app.command(data_app)

Inputs = Annotated[list[str], Parameter(help="Pictures, folders of pictures, or quoted glob patterns.", negative=())]
Megapixels = Annotated[
    float | None, Parameter(help="Refuse larger pictures before they are decoded.", show_default="120")
]

PICTURE, MILLIMETRES, EVERYTHING = "_depth.png", "_depth_mm.png", "_depth.npz"
LARGEST_PNG_M = 65.535  # uint16 millimetres
DONE, SOME_FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

app.command(evaluate)
app.command(evaluate_video)
app.command(video)
app.command(camera)


@app.command
def predict(
    inputs: Inputs,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="Folder for the results.")] = Path("depth"),
    focal: Focal = None,
    fov: Fov = None,
    npz: Annotated[
        bool, Parameter(negative=(), help="Also write NAME_depth.npz: float32 metres, image, camera.")
    ] = False,
    side_by_side: Annotated[
        bool, Parameter(negative=(), help="Put the photo beside its depth in the picture.")
    ] = False,
    colormap: Annotated[
        str | None, Parameter(help="Any name of the cmap catalogue.", show_default="cmocean:thermal")
    ] = None,
    near: Annotated[float | None, Parameter(help="Metres at the warm end of the colours.")] = None,
    far: Annotated[float | None, Parameter(help="Metres at the cold end of the colours.")] = None,
    within: Annotated[
        float | None,
        Parameter(help="Leave out depths that may be off by more than so many percent (one in ten is, all the same)."),
    ] = None,
    recursive: Annotated[bool, Parameter(negative=(), help="Look into folders within folders.")] = False,
    model: Model = None,
    runtime: Runtime = "onnxruntime",
    threads: Threads = None,
    max_megapixels: Megapixels = None,
) -> int:
    """Depth in metres for every pixel of photos.

    Writes for each picture NAME_depth_mm.png (16-bit, millimetres, 0 = unknown) and NAME_depth.png (colours with
    a legend in metres), and prints one line: size, near, median and far depth (5th, 50th and 95th percentile),
    how the focal length is known, time.
    """
    from onedepth import outputs
    from onedepth.inputs import find_images, result_names

    _check_camera(focal, fov)
    paths = find_images(inputs, recursive=recursive)
    predictor = _predictor(model, runtime, threads, max_megapixels)
    _check_range(near, far, colormap)
    _check_within(within, predictor)
    names = result_names(paths)
    _keep_inputs(paths, [out / f"{name}{end}" for name in names.values() for end in (PICTURE, MILLIMETRES, EVERYTHING)])
    new_folder = not out.exists()
    _make_folder(out)
    failed = 0
    with progress(len(paths)) as (advance, say):
        for path in paths:
            started = time.perf_counter()
            try:
                depth = predictor.predict(path, focal_px=focal, fov_deg=fov)
                if within is not None:
                    depth = depth.within(within / 100)
                outputs.save_picture(
                    depth,
                    out / f"{names[path]}{PICTURE}",
                    near_m=near,
                    far_m=far,
                    colormap=colormap,
                    side_by_side=side_by_side,
                )
                outputs.save(depth, out / f"{names[path]}{MILLIMETRES}")
                if npz:
                    outputs.save(depth, out / f"{names[path]}{EVERYTHING}")
                say(_line(str(path), depth, time.perf_counter() - started))
                _warn_of_clipping(path, depth)
            except OutputError:
                raise  # the next picture would fail in the same place
            except OnedepthError as error:
                failed += 1
                _complain(str(error))
            advance()
    if failed < len(paths):
        say(f"{len(paths) - failed} of {len(paths)} done, in {out}/")
    else:
        if new_folder:
            out.rmdir()
        return WRONG_INPUT if failed == 1 else SOME_FAILED
    return SOME_FAILED if failed else DONE


@app.command
def demo(
    *, out: Annotated[Path, Parameter(name=["--out", "-o"], help="Folder for the results.")] = Path("depth")
) -> int:
    """Depth of a photo that ships with the package."""
    from importlib import resources

    with resources.as_file(resources.files("onedepth") / "assets" / "garage.jpg") as photo:
        status = predict([str(photo)], out=out, side_by_side=True)
    if status == DONE:
        print(f"Now look at {out / 'garage_depth.png'}: the photo beside its depth, near is warm, far is cold.")
        print(f"The metres themselves are in {out / 'garage_depth_mm.png'}, 16 bit, in millimetres.")
    return status


@app.command
def info(
    name: Annotated[
        str | None, Parameter(help="Model (name or file), recipe (name or YAML file), or folder of a run.")
    ] = None,
    overrides: Annotated[
        list[str] | None, Parameter(help="Single values of a recipe, as in network.decoder.width=128.", negative=())
    ] = None,
) -> int:
    """What a model file, a recipe or a training run is.

    Without a name, the model in the package. Of a recipe's network: parameters and multiply-accumulates of encoder,
    decoder and head, how much of the image each feature map sees, where the weights come from.
    """
    from onedepth import cli_info

    with _wing():
        sections = cli_info.sections(name, overrides or [])
    print("\n\n".join("\n".join(f"{key:>16}  {value}".rstrip() for key, value in rows) for rows in sections))
    return DONE


@app.command
def train(
    recipe: Annotated[str, Parameter(help="Name of a recipe in the package, or a YAML file.")],
    overrides: Annotated[
        list[str] | None, Parameter(help="Single values, as in schedule.epochs=10.", negative=())
    ] = None,
    *,
    run: Annotated[Path | None, Parameter(help="Folder of the run.", show_default="runs/NAME")] = None,
    resume: Annotated[bool, Parameter(negative=(), help="Go on from the run's last checkpoint.")] = False,
) -> int:
    """Train a network by a recipe."""
    with _wing():
        from onedepth.train import recipe as recipes
        from onedepth.train.processes import is_first
        from onedepth.train.run import train as start
    chosen = recipes.load(recipe, overrides or [])
    folder = run or Path("runs") / chosen.name
    try:
        module = start(chosen, folder, resume=resume)
    except KeyboardInterrupt:
        _complain(f"interrupted; the same command with --run {folder} --resume goes on from the last checkpoint")
        return INTERRUPTED
    if not is_first():
        return DONE
    if module.report is not None:
        print(module.report.table())
    print(f"Run in {folder}/: `onedepth export {folder} -o {chosen.name}.onnx` makes a model file of it,")
    print(f"`tensorboard --logdir {folder}` shows its course.")
    return DONE


@app.command
def ablate(
    recipe: Annotated[str, Parameter(help="Name of a recipe in the package, or a YAML file.")],
    overrides: Annotated[
        list[str] | None,
        Parameter(help="As for train; a list is an axis: 'network.decoder.width=[32, 64]'.", negative=()),
    ] = None,
    *,
    folder: Annotated[Path | None, Parameter(help="Folder of all rows.", show_default="ablations/NAME")] = None,
    limit_rows: Annotated[int | None, Parameter(help="Train no more than so many rows now.")] = None,
    dry_run: Annotated[
        bool, Parameter(negative=(), help="Only print the rows, with parameters and multiply-accumulates.")
    ] = False,
) -> int:
    """Train a recipe over a grid of overrides, and print the table.

    Every override whose value is a list is an axis (for a key that is a list itself, a list of lists). Each row is an
    ordinary run; the same command goes on where it was broken off, and another grid adds its rows to the table.
    """
    with _wing():
        from onedepth.train import ablate as ablation
        from onedepth.train.ablation_table import FAILED, to_markdown
    if limit_rows is not None and limit_rows < 1:
        raise OnedepthError(f"--limit-rows: expected 1 or more, got {limit_rows}")
    rows = ablation.grid(recipe, overrides or [])
    if dry_run:
        print(to_markdown(ablation.measured(rows), trained=False), end="")
        return DONE
    place = folder or Path("ablations") / rows[0].recipe.name
    try:
        records = ablation.Ablation(place, rows, progress=sys.stderr.isatty()).run(limit_rows)
    except KeyboardInterrupt:
        _complain(f"interrupted; the same command goes on, with the finished rows in {place}/")
        return INTERRUPTED
    print(f"{ablation.status_of(records)}; {place}/table.md and table.csv")
    return SOME_FAILED if any(record.status == FAILED for record in records) else DONE


@app.command
def export(
    run: Annotated[Path, Parameter(help="Folder of a training run.")],
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="The model file to write.")],
    checkpoint: Annotated[
        Literal["best", "last", "mean"],
        Parameter(help="Which epoch's weights; mean is that of the recipe's kept epochs, else of best and last."),
    ] = "best",
    epoch: Annotated[
        list[int] | None, Parameter(help="Of mean: a kept epoch; may be repeated.", show_default="all", negative=())
    ] = None,
    measure: Annotated[
        bool, Parameter(help="Measure the file on the recipe's val data and write it on its card.")
    ] = True,
) -> int:
    """Make a model file of a run, and prove that it answers the run's metres."""
    with _wing():
        from onedepth.train import export as exporter
        from onedepth.train.run import BEST, LAST, load_mean
        from onedepth.train.run import load as load_run
    if out.suffix != ".onnx":
        raise OutputError(f"{out}: a model file's name ends in .onnx")
    if epoch and checkpoint != "mean":
        raise OnedepthError(f"--epoch names epochs for --checkpoint mean, got --checkpoint {checkpoint}; give mean")
    module = (
        load_mean(run, epoch or ()) if checkpoint == "mean" else load_run(run, BEST if checkpoint == "best" else LAST)
    )
    card, agreements, report = exporter.export_run(module, out, measure=measure)
    for item in agreements:
        print(f"{item.relative_error:9.1e} relative to the torch network: {item.name}")
    if report is not None:
        print(report.table())
    print(f"{out}: {card.title}, {out.stat().st_size / 1e6:.1f} MB")
    return DONE


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: a user's mistake is one line on standard error and exit status 2."""
    try:
        status = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        _complain(" ".join(str(error).split()))
        print(f"onedepth: `onedepth {_verb(error)}--help` shows what it takes", file=sys.stderr)
        status = WRONG_INPUT
    except OnedepthError as error:
        _complain(str(error))
        status = WRONG_INPUT
    except KeyboardInterrupt:
        _complain("interrupted")
        status = INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has gone; Python would complain a second time when it closes stdout.
        sys.stderr.close()
        status = SOME_FAILED
    sys.exit(status if isinstance(status, int) else DONE)


def _predictor(model: str | None, runtime: str, threads: int | None, max_megapixels: float | None) -> Predictor:
    from onedepth.images import DEFAULT_MAX_PIXELS
    from onedepth.predictor import Predictor

    if max_megapixels is not None and not max_megapixels > 0:
        raise OnedepthError(f"--max-megapixels: expected a number above 0, got {max_megapixels}")
    pixels = DEFAULT_MAX_PIXELS if max_megapixels is None else int(max_megapixels * 1e6)
    return Predictor(model, runtime=runtime, threads=threads, max_pixels=pixels)


def _check_within(percent: float | None, predictor: Predictor) -> None:
    if percent is None:
        return
    if not 0 < percent < float("inf"):
        raise OnedepthError(f"--within: expected percent above 0, got {percent:g}")
    if not predictor.card.interval:
        raise OnedepthError(f"--within: {predictor.card.title} says nothing of its errors; use another model")


def _line(name: str, depth: Depth, seconds: float) -> str:
    import numpy as np

    height, width = depth.depth_m.shape
    some = depth.depth_m[::4, ::4]
    known = some[np.isfinite(some)]
    near, median, far = np.percentile(known, (5, 50, 95)) if len(known) else (np.nan,) * 3
    left_out = 1 - len(known) / some.size
    sources = {
        "given": "given",
        "exif": "from EXIF",
        "assumed": "assumed: metres may be off by a constant factor",
    }
    return (
        f"{name}  {width}×{height}  near {near:.2f}  median {median:.2f}  far {far:.2f} m  "
        + (f"left out {left_out:.0%}  " if left_out else "")
        + f"focal {depth.intrinsics.focal_px:.0f} px ({sources[depth.focal_source]})  {seconds:.2f} s"
    )


def _check_camera(focal: float | None, fov: float | None) -> None:
    """Refuse a camera that cannot be before the first picture is worked on."""
    from onedepth.predictor import given_focal

    given_focal(focal, fov, width=1)


def _check_range(near: float | None, far: float | None, colormap: str | None) -> None:
    """Refuse a colour range or map before the first picture is worked on."""
    import numpy as np

    from onedepth import render

    for name, value in (("--near", near), ("--far", far)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise OnedepthError(f"{name}: expected metres above 0, got {value}")
    if near is not None and far is not None and near >= far:
        raise OnedepthError(f"--near {near:g} is not below --far {far:g}")
    if colormap is not None:
        render.colorize(np.ones((1, 1), np.float32), 0.5, 2.0, colormap)


def _keep_inputs(inputs: Sequence[Path], results: Sequence[Path]) -> None:
    """Refuse to write over a picture that is to be read."""
    sources = {path.resolve() for path in inputs}
    for result in results:
        if result.resolve() in sources:
            raise OutputError(f"{result}: is one of the pictures named; choose another folder with --out")


def _warn_of_clipping(path: Path, depth: Depth) -> None:
    share = float((depth.depth_m > LARGEST_PNG_M).mean())
    if share:
        _complain(f"{path}: {share:.0%} lies beyond {LARGEST_PNG_M} m, where {MILLIMETRES} ends; --npz keeps it")


def _make_folder(folder: Path) -> None:
    import os

    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; --out needs a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: permission denied; choose another folder with --out")


@contextmanager
def _wing() -> Iterator[None]:
    """Name the extra where the training wing's libraries are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"training needs {error.name}, which is not installed: pip install 'onedepth[train]'"
        ) from error


def _verb(error: CycloptsError) -> str:
    chain = error.command_chain or ()
    return f"{chain[0]} " if chain else ""


def _complain(message: str) -> None:
    print(f"onedepth: {message}", file=sys.stderr)
