# Daily commands, the cheapest check first.

# Everything a change must pass
check: fmt clippy test deny

# Formatting
fmt:
    cargo fmt --all --check

# Lints, warnings denied
clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# All tests
test:
    cargo test --workspace --locked

# Bans, licences and sources of dependencies
deny:
    cargo deny check bans licenses sources

# pyarrow, pandas, a Python gRPC client and an OTLP collector against nrp; PYTHON needs
# `pip install pyarrow pandas grpcio-reflection opentelemetry-proto`
other-languages PYTHON="python3":
    NRP_TEST_PYTHON={{PYTHON}} cargo test --workspace --locked --features nrp/otlp --test end_to_end -- --nocapture other_languages

# The first sweep of the README
quickstart:
    cargo run -- run sweeps/quickstart.toml

# The numbers that tests compare with, from PyTorch, scikit-learn, Keras, xarray and Pillow (of two versions: `PILLOW_12`
# names a Python with Pillow 12)
fixtures PYTHON="python3":
    find . -name 'make_*.py' -not -path './target/*' -print -exec {{PYTHON}} {} \;

# Keras files of every ANN, as published, without a head and with another, against their weights; some 3 GB in
# DIRECTORY. PYTHON needs `pip install keras h5py jax keras-applications==1.0.8`
keras-files DIRECTORY PYTHON="python3":
    KERAS_BACKEND=jax {{PYTHON}} worker/src/ann/testdata/make_keras_anns.py {{DIRECTORY}}
    NRP_KERAS_FILES={{DIRECTORY}} cargo test -p nrp-worker --locked --lib -- --nocapture ann::keras::tests::anns

# Checkpoints of torchvision's ANNs at their full size in 23 wrappers and containers, against the plain state dict; some
# 8 GB in DIRECTORY. PYTHON needs `pip install torch torchvision safetensors`
torch-files DIRECTORY PYTHON="python3" *ANNS="":
    {{PYTHON}} worker/src/ann/testdata/make_torch_anns.py {{DIRECTORY}} {{ANNS}}
    NRP_TORCH_FILES={{DIRECTORY}} cargo test -p nrp-worker --locked --lib -- --nocapture ann::torch::tests::anns

# Networks that have an ANN's layers and names and may compute something else, told apart by what Keras answers; some
# 2 GB for each ANN in DIRECTORY. PYTHON needs `pip install keras h5py jax`
keras-disguises DIRECTORY PYTHON="python3" +ANNS="mobilenet mobilenet_v2 densenet121":
    KERAS_BACKEND=jax {{PYTHON}} worker/src/ann/testdata/make_keras_disguises.py {{DIRECTORY}} {{ANNS}}
    NRP_KERAS_DISGUISES={{DIRECTORY}} cargo test -p nrp-worker --locked --lib -- --nocapture ann::keras::tests::anns

# The coordinator in N simulated worlds with every fault; a failing seed prints how to run it alone
simulate N="2000":
    NRP_SIMULATE={{N}} cargo test -p nrp-coordinator --lib --locked -- --nocapture simulation::tests::nothing simulation::bad_sweeps

# N rounds of kill -9 of coordinator and workers; checks every acknowledged outcome
kill-rounds N="200":
    NRP_KILL_ROUNDS={{N}} cargo test --locked --test end_to_end -- --nocapture rounds::

# Tests that take too long for every day: all eight ANNs on real recordings
nightly:
    NRP_NIGHTLY=1 cargo test --workspace --locked -- --nocapture nightly

# Images per second through each ANN, compared with PyTorch; writes docs/performance.md
bench-extract PYTHON="python3":
    LIBTORCH_USE_PYTORCH=1 LD_LIBRARY_PATH="$({{PYTHON}} -c 'import glob, os, torch; t = os.path.dirname(torch.__file__); print(":".join([t + "/lib", *glob.glob(t + "/../nvidia/*/lib")]))')" \
        {{PYTHON}} worker/benches/extract.py

# Sweeps of NRP networks, compared with PyTorch, Optuna and Ray Tune; writes docs/performance.md
bench-train PYTHON="python3" *ARGUMENTS="":
    LIBTORCH_USE_PYTORCH=1 LD_LIBRARY_PATH="$({{PYTHON}} -c 'import glob, os, torch; t = os.path.dirname(torch.__file__); print(":".join([t + "/lib", *glob.glob(t + "/../nvidia/*/lib")]))')" \
        {{PYTHON}} worker/benches/train.py {{ARGUMENTS}}

# The training tests on LibTorch; run `deploy/libtorch.sh cpu` and source its `env` before
tch:
    NRP_TEST_DEVICE=tch:cpu cargo test --workspace --locked --features nrp-worker/tch --lib -- nrp:: device::

# A small job on Vulkan or Metal (Debian's mesa-vulkan-drivers suffice), compared with flex and PyTorch
wgpu:
    NRP_TEST_DEVICE=wgpu cargo test -p nrp-worker --features wgpu --locked --lib -- --nocapture the_engines_agree parity_tests gradients_match

# Durable outcomes per second and the cost of a trial, compared with Optuna and HyperQueue; writes docs/performance.md
bench-coordinator PYTHON="python3":
    {{PYTHON}} coordinator/benches/coordinator/coordinator.py

# Decoding of JPEGs, compared with the decoder of the `image` crate
bench-pictures:
    cargo test -p nrp-worker --locked --lib -- --ignored --nocapture speed_beside_the_decoder

# Memory of extraction with 200 and 1,200 stimuli, which must be the same (Linux)
bench-memory DATA="../shared/data/v4-201025":
    cargo build -p nrp-worker --example extract --locked
    cargo run -q -p nrp-worker --example extract --locked -- flex resnet50 conv2_block3_out 200 {{DATA}}
    cargo run -q -p nrp-worker --example extract --locked -- flex resnet50 conv2_block3_out 1200 {{DATA}}

# Memory of training on activations that do not fit into memory (Linux)
bench-train-memory LANES="8":
    cargo run -q -p nrp-worker --example train --locked -- flex 802816 {{LANES}}

# A million recorded trials: durable outcomes per second, sizes, and the time of a start
bench-store TRIALS="1000000":
    NRP_BENCH_TRIALS={{TRIALS}} cargo test -p nrp-coordinator --locked --lib --config 'profile.dev.package.nrp-coordinator.opt-level=3' --config 'profile.dev.package.nrp-proto.opt-level=3' -- --ignored --nocapture a_million_recorded

# Memory and time of a sweep of a million cells, from submission to rebuild (Linux); writes docs/performance.md
bench-million PYTHON="python3":
    cargo build --locked
    {{PYTHON}} coordinator/benches/coordinator/million.py target/debug/nrp

# What early stopping and random search save and miss; writes docs/results/early-stopping.md
bench-search PYTHON="python3" DATA="../shared/data":
    cargo build --locked
    {{PYTHON}} worker/benches/search.py target/debug/nrp {{DATA}}

# The cost of a batch in the index and the time of questions, at a million trials
bench-questions:
    cargo test -p nrp-coordinator --locked --lib --config 'profile.dev.package.nrp-coordinator.opt-level=3' -- --ignored --nocapture questions_at_a_million

# Ridge regression with Brain-Score's 99 α at the size of TVSD, compared with scikit-learn
bench-ridgecv PYTHON="python3" *ARGUMENTS="":
    cargo build --locked
    {{PYTHON}} worker/benches/ridgecv.py target/debug/nrp {{ARGUMENTS}}

# Ridge regression and PLS of one wide layer, compared with scikit-learn and himalaya; `--before BINARY` adds another nrp
bench-linear PYTHON="python3" *ARGUMENTS="":
    cargo build --locked
    {{PYTHON}} worker/benches/linear.py target/debug/nrp {{ARGUMENTS}}

# A Brain-Score benchmark on real recordings, compared with brainscore-vision; writes docs/results/brain-score.md
bench-brain-score PYTHON="python3" DATA="../shared/data":
    cargo build --locked
    {{PYTHON}} worker/benches/brain_score.py target/debug/nrp {{DATA}}
