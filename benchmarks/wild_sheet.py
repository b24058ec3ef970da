"""A sheet of photos of all kinds beside their depth, to be looked at: nothing inverted, no checkerboard, no frame.

    python benchmarks/wild_sheet.py OUT.png [FOLDER_OR_PHOTO ...] [--model MODEL] [--free]

Freely licensed photos come from scikit-image and scikit-learn (pip install --no-deps scikit-image scikit-learn) and
the demo; those named on the command line are added, unless `--free` leaves them to a second sheet. Each cell has the
photo, its depth with a legend in metres, and, where the model knows it, how far off the metres may be (black: 0 %,
white: 100 % and more). The demo's photo also comes as a portrait, a panorama and a small picture.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import onedepth
from onedepth.inputs import find_images

FREE = {
    "skimage": ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "camera.png", "motorcycle_left.png"],
    "sklearn": ["china.jpg", "flower.jpg"],
}
FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}
HEIGHT, COLUMNS = 220, 2


def free_photos() -> Iterator[tuple[str, Image.Image]]:
    """Name and picture of what is installed."""
    with resources.as_file(resources.files("onedepth") / "assets" / "garage.jpg") as photo:
        garage = Image.open(photo).convert("RGB")
    yield "garage", garage
    width, height = garage.size
    yield "garage, portrait", garage.crop((width // 3, 0, width // 3 + height * 3 // 4, height))
    yield "garage, panorama", garage.crop((0, height // 3, width, height // 3 + width // 3))
    yield "garage, small", garage.resize((width // 6, height // 6))
    for package, names in FREE.items():
        found = find_spec(package)
        if found is None or found.origin is None:
            print(f"{package} is not installed: its photos are left out")
            continue
        for name in names:
            yield name, Image.open(Path(found.origin).parent / FOLDERS[package] / name).convert("RGB")


def cell(name: str, photo: Image.Image, predictor: onedepth.Predictor) -> Image.Image:
    """Photo, depth and expected error side by side, under a line of text."""
    depth = predictor.predict(photo)
    width = max(1, round(photo.width * HEIGHT / photo.height))
    parts = [photo.resize((width, HEIGHT)), depth.colorize()]
    if depth.uncertainty is not None:
        percent = np.clip(np.expm1(depth.uncertainty), 0, 1)
        parts.append(Image.fromarray((255 * percent).astype(np.uint8)).convert("RGB").resize((width, HEIGHT)))
    parts[1] = parts[1].resize((max(1, round(parts[1].width * HEIGHT / parts[1].height)), HEIGHT))
    sheet = Image.new("RGB", (sum(part.width + 4 for part in parts), HEIGHT + 16), "white")
    left = 0
    for part in parts:
        sheet.paste(part, (left, 16))
        left += part.width + 4
    low, middle, high = np.percentile(depth.depth_m, (5, 50, 95))
    text = f"{name}  {photo.width}×{photo.height}  {low:.1f} / {middle:.1f} / {high:.1f} m"
    ImageDraw.Draw(sheet).text((2, 2), text, fill="black")
    return sheet


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description="Photos of all kinds beside their depth.")
    parser.add_argument("out", type=Path)
    parser.add_argument("inputs", nargs="*")
    parser.add_argument("--model")
    parser.add_argument("--free", action="store_true", help="only the freely licensed ones")
    given = parser.parse_args()
    photos = list(free_photos())
    if not given.free and given.inputs:
        photos += [(path.name, Image.open(path).convert("RGB")) for path in find_images(given.inputs)]
    predictor = onedepth.load(given.model)
    cells = [cell(name, photo, predictor) for name, photo in photos]
    column = max(one.width for one in cells)
    rows = math.ceil(len(cells) / COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * column, rows * cells[0].height), "white")
    for number, one in enumerate(cells):
        sheet.paste(one, ((number % COLUMNS) * column, (number // COLUMNS) * one.height))
    sheet.save(given.out)
    print(f"{given.out}: {len(cells)} photos by {predictor.card.title}")


if __name__ == "__main__":
    main()
