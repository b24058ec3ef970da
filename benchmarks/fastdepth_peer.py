"""Predictions of FastDepth's int8 file as a folder that `onedepth evaluate --predictions` reads.

    python benchmarks/fastdepth_peer.py --data ../shared/data/nyu --split val --out fastdepth
    onedepth evaluate --data ../shared/data/nyu --split val --protocol fastdepth \
        --predictions fastdepth --trained-on-this fastdepth

A network that is not ours, run by a program that is not ours, measured through a door that any program can use: if the
numbers are those of an independent measurement, protocol and arithmetic are right. It needs ai-edge-litert
(`pip install ai-edge-litert`) and fast_depth_224.tflite (in openmv/openmv, lib/models). It was trained on NYU Depth
v2's scenes, so these numbers say nothing of how good it is.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from onedepth.data.folder import FolderData
from onedepth.errors import OnedepthError
from onedepth.protocols import PROTOCOLS

MODEL = Path("../shared/peers/fastdepth/fast_depth_224.tflite")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with index.csv")
    parser.add_argument("--split")
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--out", type=Path, required=True, help="folder for ID.npy, float32 metres, 224×224")
    arguments = parser.parse_args()
    try:
        from ai_edge_litert.interpreter import Interpreter  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError:
        sys.exit("needs ai-edge-litert, which is not installed: pip install ai-edge-litert")
    if not arguments.model.is_file():
        sys.exit(f"{arguments.model}: no such file; it is lib/models/fast_depth_224.tflite of openmv/openmv")
    geometry = PROTOCOLS["fastdepth"].geometry
    assert geometry is not None
    try:
        pairs = FolderData(arguments.data, split=arguments.split)
    except OnedepthError as error:
        sys.exit(str(error))
    interpreter = Interpreter(str(arguments.model), num_threads=1)
    interpreter.allocate_tensors()
    entry, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = result["quantization"]
    arguments.out.mkdir(parents=True, exist_ok=True)
    seconds = 0.0
    for pair in pairs:
        image = geometry.image(pair.image)
        started = time.perf_counter()
        interpreter.set_tensor(entry["index"], image[None])
        interpreter.invoke()
        levels = interpreter.get_tensor(result["index"])[0, ..., 0]
        seconds += time.perf_counter() - started
        # Level 0 stands for "nearer than one step", not for "unknown": the protocol clips it to its nearest depth.
        metres = np.maximum((levels.astype(np.float32) - zero) * np.float32(scale), np.float32(1e-3))
        np.save(arguments.out / f"{pair.id}.npy", metres)
    print(f"{len(pairs)} predictions in {arguments.out}/, {1000 * seconds / len(pairs):.1f} ms each on one thread")
    return 0


if __name__ == "__main__":
    sys.exit(main())
