"""Makes whole-model files whose networks have an ANN's layers under their own names and may compute something
else, for the test `ann::keras::tests::anns::networks_in_the_same_clothes_are_told_apart` (`just keras-disguises`).
They are too large to be committed:

    pip install keras h5py jax
    KERAS_BACKEND=jax python make_keras_disguises.py DIRECTORY [ANN[:WHAT,WHAT] ...]
    NRP_KERAS_DISGUISES=DIRECTORY cargo test -p nrp-worker --lib ann::keras::tests::anns

Each network is built by Keras from its own description, changed in one place, and gets the weights of the
unchanged one. The last layer of both answers one image as in `predict`: where the answers are equal, the file is
called `ANN.same.WHAT`, otherwise `ANN.other.WHAT`. What Keras refuses to build or to save is left out.
"""

import copy
import json
import logging
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import layers

from make_keras_anns import ANNS, build
from make_keras_files import draw, rebuild

SEED = 5


@keras.saving.register_keras_serializable("mine")
class ReLU(layers.ReLU):
    """A ReLU that is none."""

    def call(self, x):
        return super().call(x) * 1.1


@keras.saving.register_keras_serializable("mine")
class Net(keras.Model):
    """A model that does what its layers do."""


def find(config, test):
    return [of for of in config["layers"] if test(of)]


def of_class(config, *classes):
    return find(config, lambda of: of["class_name"] in classes)


def middle(found):
    return found[len(found) // 2]


def setting(*classes, **values):
    """The layer in the middle of these classes gets other settings."""

    def change(config):
        middle(of_class(config, *classes))["config"].update(values)

    return change


def call(*classes, **values):
    def change(config):
        middle(of_class(config, *classes))["inbound_nodes"][0]["kwargs"].update(values)

    return change


def history(value):
    """Every tensor in a call."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        yield value["config"]
    elif isinstance(value, dict):
        for inner in value.values():
            yield from history(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from history(inner)


def between(*described):
    """Further layers before the middle convolution or its like; each reads the one before."""

    def change(config):
        # One that reads nothing but a ReLU's value.
        relus = {of["name"] for of in of_class(config, "ReLU", "Activation")}
        reader = middle(find(config, lambda of: [t["keras_history"][0] in relus for t in history(of["inbound_nodes"])] == [True]))
        read = next(history(reader["inbound_nodes"]))
        shape = read["shape"]
        for at, make in enumerate(described):
            layer = make(shape)
            nodes = copy.deepcopy(reader["inbound_nodes"])
            if isinstance(layer, tuple):
                layer, options = layer
                nodes[0]["kwargs"].update(options)
            layer = keras.saving.serialize_keras_object(layer)
            layer["name"] = layer["config"]["name"] = f"between_{at}"
            layer["inbound_nodes"] = nodes
            config["layers"].append(layer)
            read["keras_history"] = [layer["name"], 0, 0]

    return change


def swapped(config):
    """A sum or concatenation reads its inputs in the other order."""
    of = middle(of_class(config, "Add", "Concatenate"))
    args = of["inbound_nodes"][0]["args"][0]
    args[0], args[1] = args[1], args[0]


def rewired(config):
    """A layer reads another map of the same shape."""
    seen = {}
    for of in config["layers"]:
        tensors = list(history(of["inbound_nodes"]))
        for read in tensors:
            key = json.dumps(read["shape"])
            others = [t for t in seen.get(key, []) if t != read["keras_history"]]
            if len(others) > 6 and of["class_name"] != "InputLayer":
                read["keras_history"] = others[-3]
                return
            seen.setdefault(key, []).append(read["keras_history"])


def twice(*classes, read=1):
    """A layer is called again on its own result, and the next layers read that."""

    def change(config):
        of = middle(find(config, lambda of: of["class_name"] in classes and one_shape(config, of)))
        second = copy.deepcopy(of["inbound_nodes"][0])
        next(history(second))["keras_history"] = [of["name"], 0, 0]
        of["inbound_nodes"].append(second)
        for other in config["layers"]:
            for tensor in history(other["inbound_nodes"]):
                if tensor["keras_history"][0] == of["name"] and other is not of:
                    tensor["keras_history"] = [of["name"], read, 0]

    return change


def one_shape(config, of):
    reads = [t["shape"] for t in history(of["inbound_nodes"])]
    for other in config["layers"]:
        for t in history(other["inbound_nodes"]):
            if t["keras_history"][0] == of["name"] and other is not of:
                return reads and t["shape"] == reads[0]
    return False


def another_class(name, *classes, keep=()):
    def change(config):
        of = middle(of_class(config, *classes))
        made = keras.saving.serialize_keras_object(getattr(layers, name)(*[2] * name.endswith("Pooling2D"), name=of["name"]))
        made["config"].update({key: of["config"][key] for key in keep})
        of.update({key: made[key] for key in ("module", "class_name", "config", "registered_name")})

    return change


def own_relu(config):
    of = middle(of_class(config, "ReLU", "Activation"))
    made = keras.saving.serialize_keras_object(ReLU(name=of["name"]))
    made["config"]["max_value"] = of["config"].get("max_value")
    of.update({key: made[key] for key in ("module", "class_name", "config", "registered_name")})


CONVS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")
RELUS = ("ReLU", "Activation")

CHANGES = {
    "nothing": lambda config: None,
    "stride": setting(*CONVS, strides=(2, 2)),
    "padding": setting("DepthwiseConv2D", "SeparableConv2D", padding="valid"),
    "dilation": setting("DepthwiseConv2D", "SeparableConv2D", dilation_rate=(2, 2)),
    "conv_relu": setting(*CONVS, activation="relu"),
    "conv_linear_object": setting(*CONVS, activation=keras.saving.serialize_keras_object(keras.activations.linear)),
    "conv_slope": setting(*CONVS, activation=keras.saving.serialize_keras_object(layers.LeakyReLU(name="relu"))),
    "conv_no_bias": setting(*CONVS, use_bias=True),
    "channels_first_pool": setting("MaxPooling2D", "AveragePooling2D", data_format="channels_first"),
    "channels_first_pad": setting("ZeroPadding2D", data_format="channels_first"),
    "epsilon": setting("BatchNormalization", epsilon=0.01),
    "momentum": setting("BatchNormalization", momentum=0.5),
    "untrainable": setting("BatchNormalization", trainable=False),
    "renorm": setting("BatchNormalization", renorm=True),
    "norm_training": call("BatchNormalization", training=True),
    "norm_inference": call("BatchNormalization", training=False),
    "no_center": setting("BatchNormalization", center=False),
    "relu_max": setting("ReLU", max_value=5.0),
    "relu_no_max": setting("ReLU", max_value=None),
    "relu_slope": setting("ReLU", negative_slope=0.1),
    "relu_threshold": setting("ReLU", threshold=0.2),
    "elu": setting("Activation", activation="elu"),
    "relu6": setting("Activation", activation="relu6"),
    "relu_object": setting("Activation", activation=keras.saving.serialize_keras_object(layers.ReLU(name="relu"))),
    "relu_object_slope": setting("Activation", activation=keras.saving.serialize_keras_object(layers.ReLU(negative_slope=0.1, name="relu"))),
    "leaky": another_class("LeakyReLU", *RELUS),
    "own_relu": own_relu,
    "pads": setting("ZeroPadding2D", padding=((1, 0), (1, 0))),
    "pool_size": setting("MaxPooling2D", "AveragePooling2D", pool_size=(4, 4)),
    "pool_strides": setting("MaxPooling2D", "AveragePooling2D", strides=(1, 1)),
    "pool_padding": setting("MaxPooling2D", "AveragePooling2D", padding="same"),
    "pool_kind": another_class("MaxPooling2D", "AveragePooling2D", keep=("pool_size", "strides", "padding")),
    "pool_kind_2": another_class("AveragePooling2D", "MaxPooling2D", keep=("pool_size", "strides", "padding")),
    "maximum": another_class("Maximum", "Add"),
    "average": another_class("Average", "Add"),
    "swapped": swapped,
    "rewired": rewired,
    "norm_twice": twice("BatchNormalization"),
    "norm_twice_unread": twice("BatchNormalization", read=0),
    "reshaped": between(lambda shape: layers.Reshape((shape[1] // 2, shape[2] * 2, shape[3]))),
    "reshaped_channels": between(lambda shape: layers.Reshape((shape[1], shape[3], shape[2])), lambda shape: layers.Permute((1, 3, 2))),
    "reshaped_back": between(lambda shape: layers.Flatten(), lambda shape: layers.Reshape(shape[1:])),
    "flattened_first": between(lambda shape: layers.Flatten(data_format="channels_first"), lambda shape: layers.Reshape(shape[1:])),
    "permuted": between(lambda shape: layers.Permute((2, 1, 3))),
    "shifted": between(lambda shape: layers.ZeroPadding2D(((1, 0), (1, 0))), lambda shape: layers.Cropping2D(((0, 1), (0, 1)))),
    "dropout": between(lambda shape: layers.Dropout(0.5)),
    "dropout_training": between(lambda shape: (layers.Dropout(0.5), {"training": True})),
    "noise_training": between(lambda shape: (layers.GaussianNoise(0.5), {"training": True})),
    "identity": between(lambda shape: layers.Identity()),
    "activity": between(lambda shape: layers.ActivityRegularization(l1=0.1)),
    "rescaled_inside": between(lambda shape: layers.Rescaling(2.0)),
    "flipped_inside": between(lambda shape: (layers.RandomFlip(), {"training": True})),
    "unit_norm": between(lambda shape: layers.UnitNormalization()),
    "depth_norm": between(lambda shape: layers.LayerNormalization(center=False, scale=False)),
    "float16": setting(*CONVS, dtype="float16"),
    "mixed": setting(*CONVS, dtype="mixed_float16"),
    "relu_float16": setting(*RELUS, dtype="float16"),
    "input_uint8": setting("InputLayer", dtype="uint8"),
    "input_open": setting("InputLayer", batch_shape=(None, None, None, 3)),
    "input_smaller": setting("InputLayer", batch_shape=(None, 192, 192, 3)),
}


def in_front(net, size):
    """Networks with further layers in front, each with what it does to the image of the test."""
    image = lambda **options: keras.Input((size, size, 3), **options)

    def after(*chain, training=None, **options):
        first = image(**options)
        x = first
        for layer in chain:
            layer, arguments = layer if isinstance(layer, tuple) else (layer, {})
            x = layer(x, **arguments)
        return keras.Model(first, net(x, training=training))

    yield "nested", lambda: after()
    yield "sequence", lambda: keras.Sequential([image(), net])
    yield "sequence_rescaled", lambda: keras.Sequential([image(), layers.Rescaling(1 / 255), net])
    yield "rescaled_one", lambda: after(layers.Rescaling(1.0))
    yield "rescaled_list", lambda: after(layers.Rescaling([1.0, 1.0, 1.0], [0.1, 0.2, 0.3]))
    yield "normalized", lambda: after(layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 1.1, 1.2]))
    yield "resized", lambda: after(layers.Resizing(64, 64), layers.Resizing(size, size))
    yield "cropped", lambda: after(layers.ZeroPadding2D(3), layers.CenterCrop(size, size))
    yield "cropped_shift", lambda: after(layers.ZeroPadding2D(((2, 0), (2, 0))), layers.Cropping2D(((0, 2), (0, 2))))
    yield "flip", lambda: after(layers.RandomFlip(seed=1))
    yield "flip_training", lambda: after((layers.RandomFlip(seed=1), {"training": True}))
    yield "contrast_training", lambda: after((layers.RandomContrast(0.5, seed=1), {"training": True}))
    yield "augmented", lambda: after(keras.Sequential([image(), layers.RandomFlip(), layers.RandomRotation(0.1)]))
    yield "augmented_shift", lambda: after(keras.Sequential([image(), layers.RandomFlip(), layers.Rescaling(1.0, 0.5)]))
    yield "augmented_training", lambda: after((keras.Sequential([image(), layers.GaussianNoise(0.5)]), {"training": True}))
    yield "training", lambda: after(training=True)
    yield "inference", lambda: after(training=False)
    yield "uint8", lambda: after(dtype="uint8")
    yield "padded", lambda: keras.Model((x := keras.Input((size - 2, size - 2, 3))), net(layers.ZeroPadding2D(1)(x)))
    yield "reversed", lambda: after(layers.Lambda(lambda x: x[..., ::-1]))
    yield "negative", lambda: (lambda x: keras.Model(x, net(-x)))(image())
    yield "one_minus", lambda: (lambda x: keras.Model(x, net(1.0 - x)))(image())
    yield "less_none", lambda: (lambda x: keras.Model(x, net(x - 0.0)))(image())
    yield "times_list", lambda: (lambda x: keras.Model(x, net(x * np.array([1.0, 2.0, 3.0], "float32"))))(image())
    yield "squared", lambda: (lambda x: keras.Model(x, net(x * x)))(image())
    yield "clipped", lambda: (lambda x: keras.Model(x, net(keras.ops.clip(x, 0.0, 0.5))))(image())
    yield "two_images", lambda: (lambda a, b: keras.Model([a, b], net((a + b) / 2)))(image(), image())


def main():
    if len(sys.argv) < 2:
        print("no directory, no files")
        return
    directory, *anns = sys.argv[1:]
    logging.disable(logging.WARNING)
    for ann in anns or ANNS:
        ann, _, chosen = ann.partition(":")
        keras.backend.clear_session()
        size = 299 if ann == "xception" else 224
        original = build(ann, include_top=False, input_shape=(size, size, 3))
        rebuild(original, SEED)
        weights = {layer.name: layer.get_weights() for layer in original.layers}
        image = draw(SEED, 0xFFFFFF, [1, size, size, 3], -1.0, 1.0)
        expected = np.asarray(original(image))
        print(ann, expected.shape, float(expected.std()))

        def keep(what, model, given=None):
            given = image if given is None else given
            if "uint8" in what:
                given = np.clip(given, 0, 1).astype("uint8")
            try:
                answer = np.asarray(model(given, training=False))
                near = answer.shape == expected.shape and np.abs(answer - expected).max() < 1e-3 * expected.std()
            except Exception as error:
                print(f"{ann} {what} answers nothing: {str(error)[:80]!r}")
                near = False
            kind = "same" if near else "other"
            print(ann, kind, what, flush=True)
            for form in ("keras", "h5"):
                try:
                    model.save(os.path.join(directory, f"{ann}.{kind}.{what}.{form}"))
                except Exception as error:
                    print(f"{ann} {what} is not saved as {form}: {str(error)[:80]!r}")

        is_chosen = lambda what: not chosen or what in chosen.split(",")
        for what, change in CHANGES.items():
            if not is_chosen(what):
                continue
            config = json.loads(json.dumps(original.get_config()))
            try:
                change(config)
                model = keras.Model.from_config(config)
                for layer in model.layers:
                    own = weights.get(layer.name)
                    if own and len(own) == len(layer.weights):
                        layer.set_weights(own)
            except Exception as error:
                print(f"{ann} {what} is not built: {type(error).__name__} {str(error)[:80]!r}")
                continue
            keep(what, model)
        for what, make in in_front(original, size):
            if not is_chosen(what):
                continue
            # A call as in training has changed the statistics.
            rebuild(original, SEED)
            try:
                model = make()
            except Exception as error:
                print(f"{ann} {what} is not built: {type(error).__name__} {str(error)[:80]!r}")
                continue
            given = image[:, 1:-1, 1:-1] if what == "padded" else [image, image] if what == "two_images" else None
            keep(what, model, given)
        if is_chosen("own_model"):
            rebuild(original, SEED)
            keep("own_model", Net(original.inputs, original.outputs))


if __name__ == "__main__":
    main()
