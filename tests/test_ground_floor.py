"""The ground floor runs where nothing of the training wing is installed."""

import subprocess
import sys
import textwrap

BLOCKED = (
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "h5py",
    "numba",
    "onnx",
    "onnxscript",
    "pydantic",
    "yaml",
    "safetensors",
    "tensorboard",
    "h5py",
    "scipy",
)
PRELUDE = f"""
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def run(code: str) -> str:
    """Standard output of code in a process that has no training wing."""
    command = [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_block_works():
    run("""
        try:
            import torch
        except ModuleNotFoundError:
            pass
        else:
            raise SystemExit("torch was imported all the same")
    """)


def test_every_ground_floor_module_imports():
    out = run("""
        import importlib, pkgutil
        import onedepth
        from onedepth.errors import MissingExtraError

        for module in pkgutil.walk_packages(onedepth.__path__, "onedepth."):
            if module.name.startswith("onedepth.train"):
                continue
            try:
                importlib.import_module(module.name)
            except MissingExtraError:
                assert module.name == "onedepth.runtimes.openvino", module.name
            except ModuleNotFoundError as error:
                assert error.name == "numba" and module.name.startswith("onedepth.data.furnished."), module.name
                continue
            print(module.name)
    """)
    assert {"onedepth.cli", "onedepth.predictor", "onedepth.evaluate", "onedepth.data.synthetic"} <= set(out.split())


def test_predicts_without_the_training_wing():
    run("""
        import numpy as np, onedepth
        depth = onedepth.load().predict(np.full((48, 64, 3), 128, np.uint8))
        assert depth.depth_m.shape == (48, 64)
    """)


def test_training_names_the_extra_that_brings_it():
    out = run("""
        import contextlib, io, sys
        from onedepth.cli import main
        with contextlib.redirect_stderr(io.StringIO()) as said:
            try:
                main(["train", "tiny"])
            except SystemExit as end:
                print(end.code, said.getvalue())
    """)
    assert out.startswith("2 ") and "pip install 'onedepth[train]'" in out and out.strip().count("\n") == 0


def test_info_of_a_model_needs_no_training_wing():
    out = run("""
        import contextlib, io
        from onedepth.cli import main

        for arguments in (["info"], ["info", "onedepth-small"], ["info", "tiny"], ["info", "tyni"]):
            with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()) as out:
                try:
                    main(arguments)
                except SystemExit as end:
                    status = end.code
            print(status, "tf_efficientnet_lite2 encoder" in out.getvalue(), said.getvalue().strip())
    """)
    default, named, recipe, unknown = out.splitlines()
    assert default == named == "0 True "  # the recipe of the same name is left out
    assert recipe.startswith("2 False ") and "pip install 'onedepth[train]'" in recipe
    assert unknown.startswith("2 False ") and "did you mean tiny?" in unknown


def test_the_command_line_loads_no_video_library():
    out = run("""
        import sys, onedepth.cli
        print([name for name in ("av", "onnxruntime") if name in sys.modules])
    """)
    assert out.strip() == "[]"


def test_import_is_light():
    out = run("""
        import sys, onedepth
        print([name for name in ("numpy", "PIL", "onnxruntime", "cyclopts", "rich", "av") if name in sys.modules])
    """)
    assert out.strip() == "[]"


def test_rendering_rooms_names_the_extra_that_brings_numba():
    out = run("""
        import contextlib, io
        from onedepth.cli import main
        with contextlib.redirect_stderr(io.StringIO()) as said:
            try:
                main(["render-rooms", "never-made", "--count", "1"])
            except SystemExit as end:
                print(end.code, said.getvalue())
    """)
    assert out.startswith("2 ") and "numba" in out and "pip install 'onedepth[train]'" in out
