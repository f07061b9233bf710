"""Makes weights files of the ANNs in the layouts and with the heads that people have, for the nightly
test `ann::keras::tests::anns`. They are too large to be committed:

    pip install keras h5py torch keras-applications==1.0.8
    KERAS_BACKEND=torch python make_keras_anns.py DIRECTORY [ANN ...]
    NRP_KERAS_FILES=DIRECTORY cargo test -p nrp-worker --lib ann::keras::tests::anns

Per ANN: without its head (`no_top`) and with a head for ten classes (`ten`), each as `.h5`,
`.weights.h5` and `.keras`; and `published.h5`, laid out as Keras 2.2.4 did with the names of
keras-applications 1.0.8, of the DenseNets also `tf_keras.h5`, with tf_keras's head, and of the others
`published_whole.h5`, the same network saved as a whole. `resnet50_old.h5` is the ResNet50 of
keras-applications before 1.0.7, another network.
Every weight is the recipe's (`make_keras_files.py`) of seed 5.
"""

import contextlib
import importlib
import os
import sys
import types

os.environ.setdefault("KERAS_BACKEND", "torch")

import h5py
import keras
import numpy as np
from keras import layers

from make_keras_files import ANNS, rebuild, variables

SEED = 5
# Keras 3 allows no slash in a layer's name, so it is this while the network is built.
SLASH = "@"


@keras.saving.register_keras_serializable()
class LocalResponseNorm(layers.Layer):
    """Stands for AlexNet's; nothing is computed here."""

    def call(self, x):
        return x


def alexnet(classes=1000, include_top=True):
    def conv(filters, size, name, **options):
        return layers.Conv2D(filters, size, activation="relu", name=name, **options)

    image = keras.Input((227, 227, 3), name="data")
    x = conv(96, 11, "conv1", strides=4)(image)
    x = LocalResponseNorm(name="norm1")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    x = conv(256, 5, "conv2", padding="same", groups=2)(x)
    x = LocalResponseNorm(name="norm2")(x)
    x = layers.MaxPooling2D(3, 2, name="pool2")(x)
    x = conv(384, 3, "conv3", padding="same")(x)
    x = conv(384, 3, "conv4", padding="same", groups=2)(x)
    x = conv(256, 3, "conv5", padding="same", groups=2)(x)
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)
    if include_top:
        x = layers.Flatten(name="flatten")(x)
        x = layers.Dense(4096, activation="relu", name="fc6")(x)
        x = layers.Dense(4096, activation="relu", name="fc7")(x)
        x = layers.Dense(classes, name="fc8")(x)
        x = layers.Softmax(name="prob")(x)
    return keras.Model(image, x, name="alexnet")


def build(ann, **options):
    if ann == "alexnet":
        return alexnet(**options)
    return getattr(keras.applications, ANNS[ann])(weights=None, **options)


def published(ann, module=None):
    """The network as keras-applications 1.0.8 builds it."""

    def slashless(make):
        def made(*arguments, **options):
            if "name" in options and options["name"]:
                options["name"] = options["name"].replace("/", SLASH)
            if make is layers.SeparableConv2D:
                # Keras 2 ignored it.
                options.pop("kernel_initializer", None)
            return make(*arguments, **options)

        return made

    wrapped = types.SimpleNamespace(**{name: slashless(getattr(layers, name)) for name in dir(layers) if name[0] != "_"})
    backend = types.SimpleNamespace(
        image_data_format=lambda: "channels_last",
        is_keras_tensor=keras.backend.is_keras_tensor,
        int_shape=lambda x: x.shape,
        name_scope=lambda name: contextlib.nullcontext(),
        backend=lambda: "tensorflow",
    )
    modules = {
        "mobilenet": "mobilenet",
        "mobilenet_v2": "mobilenet_v2",
        "nasnet_mobile": "nasnet",
        "resnet50": "resnet",
        "xception": "xception",
        "densenet121": "densenet",
        "densenet169": "densenet",
    }
    module = importlib.import_module(f"keras_applications.{module or modules[ann]}")
    make = getattr(module, ANNS[ann])
    return make(weights=None, backend=backend, layers=wrapped, models=keras.models, utils=keras.utils)


def save_published(model, path, rename=None):
    """As Keras 2.2.4 saved weights."""
    rename = rename or {}
    with h5py.File(path, "w") as file:
        names = [rename.get(l.name, l.name).replace(SLASH, "/") for l in model.layers]
        file.attrs["layer_names"] = np.array([name.encode() for name in names])
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.2.4"
        for layer, name in zip(model.layers, names):
            group = file.create_group(name)
            own = []
            for variable, array in variables(layer):
                own.append(f"{name}/{variable}:0".encode())
                group.create_dataset(own[-1].decode(), data=array)
            group.attrs["weight_names"] = np.array(own) if own else np.zeros(0)


def main():
    if len(sys.argv) < 2:
        print("no directory, no files")
        return
    directory, *anns = sys.argv[1:]
    for ann in anns or [*ANNS, "alexnet"]:
        at = lambda name: os.path.join(directory, f"{ann}_{name}")
        for head, options in (("no_top", {"include_top": False}), ("ten", {"classes": 10})):
            keras.backend.clear_session()
            model = build(ann, **options)
            rebuild(model, SEED)
            model.save(at(f"{head}.h5"))
            model.save(at(f"{head}.keras"))
            model.save_weights(at(f"{head}.weights.h5"))
        if ann == "alexnet":
            continue
        keras.backend.clear_session()
        model = published(ann)
        rebuild(model, SEED)
        save_published(model, at("published.h5"))
        if ann.startswith("densenet"):
            save_published(model, at("tf_keras.h5"), {"fc1000": "predictions"})
        else:
            model.save(at("published_whole.h5"))
        if ann == "resnet50":
            # Another ResNet50: its shortcuts come behind the third convolutions.
            keras.backend.clear_session()
            model = published(ann, "resnet50")
            rebuild(model, SEED)
            save_published(model, at("old.h5"))


if __name__ == "__main__":
    main()
