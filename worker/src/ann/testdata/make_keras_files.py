"""Makes the files that `worker/src/ann` is tested with. Needs keras 3, torch, h5py and numpy:

    KERAS_BACKEND=torch python make_keras_files.py

* `tiny.json`          what a small Keras network answers, laid out like an ANN's fixture
* `tiny_legacy.h5`     its weights in the legacy layout, as Keras 2 named them, gzip and shuffle
* `tiny_model.h5`      the whole model as Keras 3 saves it to `.h5` (under `model_weights`)
* `tiny.keras`         the archive Keras 3 saves it to
* `tiny.weights.h5`    its weights as Keras 3 saves them
* `tiny_unnamed.weights.h5`  the same, without the layers' names
* `tiny_strings.h5`    the legacy layout with variable-length strings and split attributes
* `mobilenet_seed_7.json`    a fixture of the whole MobileNet at another seed

With words, it makes fixtures of whole ANNs at any seed, for `nrp ann verify` (NASNetMobile needs
`KERAS_BACKEND=jax`):

    KERAS_BACKEND=torch python make_keras_files.py SEED DIRECTORY mobilenet resnet50 ...
"""

import json
import math
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "torch")

import h5py
import keras
import numpy as np
from keras import layers

HERE = os.path.dirname(os.path.abspath(__file__))
MASK = (1 << 64) - 1


def draw(seed, ordinal, shape, low, high):
    """Element i of a tensor: SplitMix64 from a stream of its own, row-major."""
    count = int(np.prod(shape))
    start = ((seed << 32) + ordinal * 0x100000001) & MASK
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z ^= z >> np.uint64(30)
        z *= np.uint64(0xBF58476D1CE4E5B9)
        z ^= z >> np.uint64(27)
        z *= np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    u = (z >> np.uint64(40)).astype(np.float64) / 2.0**24
    return (low + (high - low) * u).astype(np.float32).reshape(shape)


def value(seed, ordinal, variable, shape):
    if variable in ("gamma", "moving_variance"):
        return draw(seed, ordinal, shape, 0.5, 1.5)
    if variable in ("beta", "moving_mean", "bias"):
        return draw(seed, ordinal, shape, -0.1, 0.1)
    fan_in = shape[0] * shape[1] if variable == "depthwise_kernel" else math.prod(shape[:-1])
    bound = math.sqrt(6.0 / fan_in)
    return draw(seed, ordinal, shape, -bound, bound)


def rebuild(model, seed):
    """Sets every weight by the recipe; returns the weight list."""
    weights = []
    for layer in model.layers:
        values = []
        for weight in layer.weights:
            variable = weight.name
            if isinstance(layer, layers.DepthwiseConv2D) and variable == "kernel":
                variable = "depthwise_kernel"
            shape = [int(n) for n in weight.shape]
            ordinal = len(weights)
            weights.append({"ordinal": ordinal, "layer": layer.name, "variable": variable, "shape": shape})
            values.append(value(seed, ordinal, variable, shape))
        if values:
            layer.set_weights(values)
    return weights


def fixture(model, name, seed):
    weights = rebuild(model, seed)
    listed = [l for l in model.layers if not isinstance(l, (layers.InputLayer, layers.Dropout))]
    probe = keras.Model(model.input, [l.output for l in listed])
    shape = [int(n) for n in model.input.shape[1:]]
    image = draw(seed, 0xFFFFFF, shape, -1.0, 1.0)
    answers = probe.predict(image[None], verbose=0)
    entries = []
    for layer, answer in zip(listed, answers):
        flat = np.asarray(answer[0], dtype=np.float64).reshape(-1)
        at = [int((37 * k + 345) * 7919 % flat.size) for k in range(4)]
        entries.append({
            "name": layer.name,
            "shape": [int(n) for n in answer.shape[1:]],
            "mean": float(flat.mean()),
            "std": float(flat.std()),
            "samples": [[i, float(flat[i])] for i in at],
        })
    return {
        "ann": name,
        "source": f"keras {keras.__version__}",
        "parameters": int(model.count_params()),
        "input": shape,
        "weights": weights,
        "layers": entries,
        "seed": seed,
    }


def save(name, document):
    with open(os.path.join(HERE, name), "w") as file:
        rows = {k: v for k, v in document.items()}
        lists = {k: rows.pop(k) for k in ("weights", "layers")}
        text = json.dumps(rows)[:-1]
        for key, items in lists.items():
            text += f', "{key}": [\n' + ",\n".join(json.dumps(item) for item in items) + "\n]"
        file.write(text + "}\n")


def tiny():
    image = keras.Input((9, 8, 3), name="input_layer")
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="stem")(image)
    x = layers.BatchNormalization(epsilon=1e-3, name="stem_bn")(x)
    stem = layers.ReLU(6.0, name="stem_relu")(x)
    x = layers.ZeroPadding2D(((0, 1), (1, 1)), name="pad")(stem)
    x = layers.DepthwiseConv2D(3, use_bias=False, name="depth")(x)
    x = layers.BatchNormalization(epsilon=1e-3, name="depth_bn")(x)
    # `side` is read twice, so its batch norm must not swallow it.
    side = layers.Conv2D(4, (1, 3), padding="same", use_bias=False, name="side")(stem)
    side_bn = layers.BatchNormalization(epsilon=1e-3, name="side_bn")(side)
    # 5 x 4 maps; `depth` gives 4 x 4, padded back.
    x = layers.ZeroPadding2D(((1, 0), (0, 0)), name="depth_pad")(x)
    x = layers.Add(name="sum")([x, side, side_bn])
    x = layers.Concatenate(name="both")([x, stem])
    x = layers.ReLU(name="both_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.BatchNormalization(epsilon=1e-3, name="pool_bn")(x)
    x = layers.Dense(5, name="dense")(x)
    x = layers.Activation("softmax", name="softmax")(x)
    return keras.Model(image, x, name="tiny")


def variables(layer):
    """The layer's weights as Keras 2 names them."""
    for weight in layer.weights:
        name = weight.name
        if isinstance(layer, layers.DepthwiseConv2D) and name == "kernel":
            name = "depthwise_kernel"
        yield name, np.asarray(weight.value.detach().cpu() if hasattr(weight.value, "detach") else weight.value)


def save_legacy(model, path):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([l.name.encode() for l in model.layers])
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.2.4"
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = []
            for name, array in variables(layer):
                names.append(f"{layer.name}/{name}:0".encode())
                # Kernels only: a chunk index is larger than these vectors.
                packed = {"compression": "gzip", "shuffle": True} if array.ndim > 1 else {}
                group.create_dataset(names[-1].decode(), data=array, **packed)
            # Keras 2 leaves an empty float64 array where a layer has no weights.
            group.attrs["weight_names"] = np.array(names) if names else np.zeros(0)


def save_strings(model, path):
    strings = h5py.string_dtype()
    with h5py.File(path, "w", libver="latest") as file:
        names = [l.name for l in model.layers]
        for part, chunk in enumerate((names[:7], names[7:])):
            file.attrs.create(f"layer_names{part}", chunk, dtype=strings)
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = []
            # Other names and f64: what cannot be told by name goes by order.
            for i, (_, array) in enumerate(variables(layer)):
                names.append(f"{layer.name}_W_{i}:0")
                group.create_dataset(names[-1], data=array.astype("f8"))
            group.attrs.create("weight_names", names, shape=(len(names),), dtype=strings)


def drop_names(source, path):
    with h5py.File(source) as old, h5py.File(path, "w", libver="latest") as new:
        for name, group in old["layers"].items():
            for i, data in group["vars"].items():
                new[f"layers/{name}/vars/{i}"] = data[()]


ANNS = {
    "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "nasnet_mobile": "NASNetMobile",
    "resnet50": "ResNet50",
    "xception": "Xception",
    "densenet121": "DenseNet121",
    "densenet169": "DenseNet169",
}


def main():
    if len(sys.argv) > 1:
        seed, directory, *anns = sys.argv[1:]
        for ann in anns:
            # Layers without a name of their own are numbered from here.
            keras.backend.clear_session()
            model = getattr(keras.applications, ANNS[ann])(weights=None)
            save(os.path.join(directory, f"{ann}_{seed}.json"), fixture(model, ann, int(seed)))
        return
    model = tiny()
    save("tiny.json", fixture(model, "tiny", 5))
    at = lambda name: os.path.join(HERE, name)
    save_legacy(model, at("tiny_legacy.h5"))
    save_strings(model, at("tiny_strings.h5"))
    model.save(at("tiny_model.h5"))
    model.save(at("tiny.keras"))
    model.save_weights(at("tiny.weights.h5"))
    drop_names(at("tiny.weights.h5"), at("tiny_unnamed.weights.h5"))
    mobilenet = keras.applications.MobileNet(weights=None)
    save("mobilenet_seed_7.json", fixture(mobilenet, "mobilenet", 7))


if __name__ == "__main__":
    main()
