"""Furniture archives: a small one made here, and Debian's where it is installed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="the extra `train` brings it")

from furniture_archive import PIECES, members, read_one, write_archive
from onedepth.data.furnished.catalogue import DEBIAN_FOLDER, LARGEST_BYTES, LARGEST_FACES, Catalogue
from onedepth.data.furnished.obj import NoModelError, read_obj
from onedepth.data.furnished.textures import Textures
from onedepth.errors import DataError


def test_a_model_as_it_is_written(tmp_path: Path):
    mesh, materials, textures = read_one(write_archive(tmp_path / "a.sh3f"), "models/cube.obj")
    assert mesh.faces.shape == (10, 3)  # five quads; the sixth is glass
    assert mesh.bounds[0].tolist() == [-1, 0, -1] and mesh.bounds[1].tolist() == [1, 2, 1]
    painted, red = materials[0], materials[1]
    assert painted.texture == 0 and textures[0].shape == (8, 16, 3)
    assert red.colour == (1.0, 0.0, 0.0) and red.gloss == 50
    corners = mesh.vertices[mesh.faces]
    assert sorted(mesh.materials.tolist()) == [0] * 4 + [1] * 6
    upper = (corners[..., 1] == 2).all(axis=1)
    assert upper.sum() == 2 and (mesh.normals[upper] == [0, 1, 0]).all()  # "-4//1": the last four corners
    lower = (corners[..., 1] == 0).all(axis=1)
    expected = (corners[lower][..., [0, 2]] + 1) / 2
    np.testing.assert_allclose(mesh.uvs[lower], expected)  # its corners' texture coordinates
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize("text", ["v 0 0 0\n", "v 0 0 0\nv 1 0 0\nf 1 2\n", "v 0 0 0\nf 1 1 1\n"])
def test_nothing_to_draw(tmp_path: Path, text: str):
    path = write_archive(tmp_path / "a.sh3f", {"models/cube.obj": text.encode()})
    with pytest.raises(NoModelError):
        read_one(path, "models/cube.obj")
    catalogue = Catalogue(tmp_path, Textures())
    assert catalogue.model(catalogue.pieces[0]) is None


def test_pieces_have_their_parts_and_sizes(tmp_path: Path):
    write_archive(tmp_path / "a.sh3f")
    catalogue = Catalogue(tmp_path, Textures())
    parts = {piece.name: piece.part for piece in catalogue.pieces}
    assert parts == {
        "Wooden bed": "bed", "Sofa": "sofa", "Square table": "table", "Chair": "chair", "Desk": "desk",
        "Armchair": "office_chair", "Bookcase": "shelf", "Fridge": "fridge", "Toilets unit": "toilet",
        "Teapot": "small",
    }  # fmt: skip
    for piece, (_, _, width, depth, height) in zip(catalogue.pieces, PIECES, strict=True):
        model = catalogue.model(piece)
        assert model is not None
        low, high = model[0].bounds
        size = np.array([width, height, depth]) / 100
        np.testing.assert_allclose(high - low, size, rtol=1e-6)
        np.testing.assert_allclose((low + high) / 2, [0, size[1] / 2, 0], atol=1e-6)  # stands on the floor


def test_no_furniture_names_debians_package(tmp_path: Path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError, match=rf"^{folder}: .*sweethome3d-furniture") as error:
            Catalogue(folder, Textures())
        assert "\n" not in str(error.value)


def damaged(path: Path, how: str) -> Path:
    """An archive that is no ZIP, cut short, without its list, or with other bytes in a member."""
    content = write_archive(path).read_bytes()
    if how == "text":
        content = b"not a ZIP"
    elif how == "cut":
        content = content[: len(content) // 2]
    elif how == "no list":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("models/cube.obj", members()["models/cube.obj"])
        return path
    else:
        inner = members()[how]
        content = content.replace(inner, inner[:20] + b"#" + inner[21:])
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "how",
    ["text", "cut", "no list", "PluginFurnitureCatalog.properties", "models/cube.obj", "models/things.mtl",
     "models/pictures/grain.png"],
)  # fmt: skip
def test_a_damaged_archive_is_named(tmp_path: Path, how: str):
    path = damaged(tmp_path / "broken.sh3f", how)
    with pytest.raises(DataError, match=rf"^{path}: ") as error:
        catalogue = Catalogue(tmp_path, Textures())
        catalogue.model(catalogue.pieces[0])
    assert "\n" not in str(error.value)


EVERY = 20  # of Debian's pieces; 1 takes minutes


@pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="Debian's package sweethome3d-furniture is not installed")
def test_debians_furniture():
    catalogue = Catalogue(None, Textures())
    archives: dict[Path, zipfile.ZipFile] = {}
    assert len(catalogue.pieces) > 500
    for piece in catalogue.pieces[::EVERY]:
        archive = archives.setdefault(piece.archive, zipfile.ZipFile(piece.archive))
        model = catalogue.model(piece)
        if model is None:
            if archive.getinfo(piece.model).file_size <= LARGEST_BYTES:
                with pytest.raises(NoModelError, match="all glass"):
                    read_obj(archive, piece.model, lambda _: 0)
            continue
        mesh, materials = model
        assert 0 < len(mesh.faces) <= LARGEST_FACES and mesh.materials.max() < len(materials)
        assert np.isfinite(mesh.vertices).all() and np.isfinite(mesh.normals).all() and np.isfinite(mesh.uvs).all()
        assert mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)
