"""What the README tells people to type is typed here."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from PIL import Image

from command_line import write_pairs
from layouts import write_nyu_zip
from onedepth import models
from onedepth.data.synthetic import render_scene
from onedepth.predictor import Predictor
from videos import write_video

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
INSTALL = "sh install.sh && .venv/bin/"
SHARED = ROOT.parent / "shared" / "data" / "nyu"

# Added to what the README says, so that twenty epochs of the default network fit into a test.
SMALLER = ["schedule.epochs=2", "network.size=[64,96]", "validation.protocol=full"]

# The archive's miniature, and a network that needs no weights from a server.
ARCHIVE = [
    *SMALLER, "data.train.val_scenes=1", "data.val.val_scenes=1", "schedule.batch_size=4",
    "network.encoder={name: test_resnet, weights: random}", "network.decoder.width=16",
]  # fmt: skip


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line]
    return [line.removeprefix(INSTALL) for line in lines]


def test_two_lines_do_all_the_set_up():
    assert f"{INSTALL}onedepth demo" in README and "\nbash .ci/run\n" in README
    # The first is no promise: CI installs by the same script.
    assert "sh install.sh" in (ROOT / ".ci" / "run").read_text("utf-8")


def run(code: str, place: Path, *arguments: str) -> str:
    """Standard output of Python code in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the commands name."""
    folder = tmp_path_factory.mktemp("readme")
    with resources.as_file(resources.files("onedepth") / "assets" / "garage.jpg") as photo:
        shutil.copy(photo, folder / "photo.jpg")
    for name in ("photos", "more"):
        (folder / name).mkdir()
        Image.fromarray(render_scene(1, 0, 60, 80).image).save(folder / name / f"{name}.png")
    write_pairs(folder / "my_pairs", splits=("train",) * 8 + ("val",))
    write_nyu_zip(folder / "nyu_data.zip", size=(64, 80))
    write_video(folder / "clip.mp4", audio="aac")
    return folder


@pytest.mark.parametrize("command", [line for line in commands() if line.startswith("onedepth ")])
def test_command(command, place):
    arguments = shlex.split(command)[1:]
    verb = arguments[0]
    if verb in {"train", "export", "info", "ablate"} and importlib.util.find_spec("torch") is None:
        pytest.skip("no torch here")
    if "tiny.onnx" in command and verb == "predict" and not (place / "tiny.onnx").exists():
        pytest.skip("no tiny.onnx: the training wing is not installed, or the command before failed")
    if verb == "camera":  # a video in the camera's place
        arguments += ["clip.mp4", "--show", "page", "--port", "0", "--range", "0.5:5"]
    if verb == "evaluate":
        if not SHARED.exists():
            pytest.skip("no ../shared/data/nyu here")
        arguments[arguments.index("../shared/data/nyu")] = str(SHARED)
    if "finetune" in arguments:
        arguments += SMALLER
    if "nyu-half" in arguments and verb == "train":
        arguments += ARCHIVE
    out = run("from onedepth.cli import main; main()", place, *arguments)
    if verb == "evaluate":
        bars(out)


def bars(table: str) -> None:
    """What the model in the package is held to on the val split."""
    names, values = (line.split() for line in table.splitlines()[2:4])
    measured = dict(zip(names, map(float, values), strict=True))
    assert measured["δ1"] >= 0.80 and measured["AbsRel"] <= 0.150, table
    numbers = [f"{measured[name]:.4f}".lstrip("0") for name in ("δ1", "δ2", "δ3", "AbsRel", "RMSE", "log10")]
    for document in (README, (ROOT / "docs" / "model_card.md").read_text("utf-8")):
        assert "| " + " | ".join(numbers) + " |" in document, f"not in the document: {numbers}"


@pytest.mark.parametrize("code", blocks("python"))
def test_python(code, place):
    run(code, place)


@pytest.mark.parametrize("name", models.shipped())
def test_the_documents_numbers_are_the_files(name):
    card = Predictor(name).card
    document = (ROOT / "docs" / "model_card.md").read_text("utf-8")
    assert f"# {card.title}\n" in document
    cells = [float(text) for text in re.findall(r"(?<=\| )\.\d{4}(?= \|)", document)]
    for key in ("delta1", "abs_rel", "rmse"):  # the card has five digits, so a tie may have been rounded either way
        assert min(abs(cell - card.metrics["mean"][key]) for cell in cells) < 5.1e-5, key


def test_links_lead_somewhere():
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text("utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"
