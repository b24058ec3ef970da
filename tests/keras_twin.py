"""The original architecture in Keras, rebuilt from what is known of it, with random weights.

Run by `train/test_keras_weights.py` in a process of its own, since Keras warns on import and pytest turns warnings into
errors:

    KERAS_BACKEND=torch python tests/keras_twin.py FOLDER NAME BLOCKS WIDTH ACTIVATIONS UPSAMPLING …

writes NAME.h5 as `model.save` does, and NAME.npz with images and the network's answers. BLOCKS are the dense blocks'
layers, 6-12-32-32 for DenseNet-169.

Up-sampling is written out with indices and shares, so that torch's is compared with something else.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import torch
from keras import layers, ops
from keras.src.applications import densenet  # of which keras.applications has three depths only

SIZES = ((64, 96), (96, 128), (64, 224))  # two of about 4:3, one as long as KITTI's
TINY = 1e-6  # a variance beside which 1e-5 and 1.001e-5 are not the same


class BilinearUpSampling2D(layers.Layer):
    """Twice as many rows and columns."""

    def __init__(self, size=(2, 2), data_format="channels_last", upsampling="half_pixel", **kwargs):
        super().__init__(**kwargs)
        self.size, self.data_format, self.upsampling = size, data_format, upsampling

    def call(self, inputs):
        return self.stretch(self.stretch(inputs, 1), 2)

    def stretch(self, values, axis):
        count = values.shape[axis]
        if self.upsampling == "align_corners":  # first and last sample stay where they are
            place = np.arange(2 * count) * (count - 1) / (2 * count - 1)
        else:  # centres of pixels, beyond the border its own value
            place = np.clip((np.arange(2 * count) + 0.5) / 2 - 0.5, 0, count - 1)
        low = np.floor(place).astype(int)
        share = (place - low).astype("float32").reshape([-1 if i == axis else 1 for i in range(4)])
        share = ops.convert_to_tensor(share)
        high = np.minimum(low + 1, count - 1)
        return ops.take(values, low, axis=axis) * (1 - share) + ops.take(values, high, axis=axis) * share

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, height and 2 * height, width and 2 * width, channels)

    def get_config(self):  # as theirs: nothing on where the samples lie
        return super().get_config() | {"size": self.size, "data_format": self.data_format}


def build(blocks: str, width: int, activations: int, upsampling: str) -> keras.Model:
    encoder = densenet.DenseNet(
        [int(count) for count in blocks.split("-")], include_top=False, weights=None, input_shape=(None, None, 3)
    )
    x = layers.Conv2D(width, 1, padding="same", name="conv2")(encoder.output)
    for number, skip in enumerate(("pool3_pool", "pool2_pool", "pool1", "conv1_relu"), start=1):
        filters, name = width // 2**number, f"up{number}"
        x = BilinearUpSampling2D((2, 2), upsampling=upsampling, name=f"{name}_upsampling2d")(x)
        x = layers.Concatenate(name=f"{name}_concat")([x, encoder.get_layer(skip).output])
        x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_convA")(x)
        if activations == 2:
            x = layers.LeakyReLU(negative_slope=0.2)(x)
        x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_convB")(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    return keras.Model(encoder.input, layers.Conv2D(1, 3, padding="same", name="conv3")(x))


def randomise(model: keras.Model, image: np.ndarray) -> None:
    """Random numbers everywhere, such that values keep their order of magnitude and answers are from 1 to 100."""
    dice = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            count = layer.gamma.shape[0]
            variance = dice.uniform(0.5, 1.5, count)
            tiny = dice.random(count) < 0.2
            variance[tiny] = TINY
            gamma = dice.uniform(0.5, 1.5, count) * dice.choice([-1, 1], count) * np.where(tiny, TINY**0.5 * 3, 1)
            layer.set_weights([gamma, dice.normal(0, 0.3, count), dice.normal(0, 0.3, count), variance])
        elif isinstance(layer, layers.Conv2D):
            kernel, *bias = layer.get_weights()
            scale = (2 / np.prod(kernel.shape[:3])) ** 0.5
            values = [dice.standard_normal(kernel.shape, np.float32) * scale]
            layer.set_weights(values + [dice.normal(0, 0.3, b.shape) for b in bias])
    head = model.get_layer("conv3")
    answer = model(image[None] / np.float32(255))
    kernel, bias = head.get_weights()
    gain = 15 / float(ops.std(answer))
    head.set_weights([kernel * gain, bias * gain + 45 - gain * float(ops.mean(answer))])


def main(folder: Path, *orders: str) -> None:
    dice = np.random.default_rng(1)
    images = {}
    for height, width in SIZES:
        shade = np.linspace(60, 255, width)[:, None]  # structure of more than one size
        images[height, width] = (dice.random((height, width, 3)) ** 2 * shade).astype(np.uint8)
    for name, blocks, width, activations, upsampling in zip(*[iter(orders)] * 5, strict=True):
        model = build(blocks, int(width), int(activations), upsampling)
        randomise(model, images[SIZES[1]])
        model.save(folder / f"{name}.h5")
        arrays = {}
        for size, image in images.items():
            arrays[f"image {size[0]}×{size[1]}"] = image
            arrays[f"answer {size[0]}×{size[1]}"] = ops.convert_to_numpy(model(image[None] / np.float32(255)))[
                0, :, :, 0
            ]
        np.savez(folder / f"{name}.npz", **arrays)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main(Path(sys.argv[1]), *sys.argv[2:])
