"""Writes what tf_keras, which is Keras 2, says of the network `tiny`: `tiny_keras2.json`. Needs tf_keras:

    KERAS_BACKEND=tensorflow python make_keras2.py
"""

import json
import os

import make_keras_files
import tf_keras

make_keras_files.keras = tf_keras
make_keras_files.layers = tf_keras.layers
with open(os.path.join(make_keras_files.HERE, "tiny_keras2.json"), "w") as file:
    file.write(json.dumps(json.loads(make_keras_files.tiny().to_json())) + "\n")
