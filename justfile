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

# Bans, licences, sources and, where their database can be reached, advisories
deny:
    cargo deny check bans licenses sources

# What pyarrow, pandas, a Python gRPC client and an OTLP collector make of nrp; PYTHON needs
# `pip install pyarrow pandas grpcio-reflection opentelemetry-proto`
other-languages PYTHON="python3":
    NRP_TEST_PYTHON={{PYTHON}} cargo test --workspace --locked --features nrp/otlp --test end_to_end -- --nocapture other_languages

# The first sweep of the README
quickstart:
    cargo run -- run sweeps/quickstart.toml

# Numbers from PyTorch, scikit-learn, Keras, xarray and Pillow that tests compare with
fixtures PYTHON="python3":
    find . -name 'make_*.py' -not -path './target/*' -print -exec {{PYTHON}} {} \;

# Worlds that fail in every way, N of them; a seed that fails says how to run it alone
simulate N="2000":
    NRP_SIMULATE={{N}} cargo test -p nrp-coordinator --lib --locked -- --nocapture simulation::tests::nothing simulation::bad_sweeps

# kill -9 of coordinator and workers, N rounds, with acknowledged outcomes checked
kill-rounds N="200":
    NRP_KILL_ROUNDS={{N}} cargo test --locked --test end_to_end -- --nocapture rounds::

# What takes too long for every day: all eight ANNs on real recordings
nightly:
    NRP_NIGHTLY=1 cargo test --workspace --locked -- --nocapture nightly

# Images per second through each ANN, beside PyTorch on the same graph; writes docs/performance.md
bench-extract PYTHON="python3":
    LIBTORCH_USE_PYTORCH=1 LD_LIBRARY_PATH="$({{PYTHON}} -c 'import glob, os, torch; t = os.path.dirname(torch.__file__); print(":".join([t + "/lib", *glob.glob(t + "/../nvidia/*/lib")]))')" \
        {{PYTHON}} worker/benches/extract.py

# Sweeps of NRP networks, beside PyTorch, Optuna and Ray Tune; writes docs/performance.md
bench-train PYTHON="python3" *ARGUMENTS="":
    LIBTORCH_USE_PYTORCH=1 LD_LIBRARY_PATH="$({{PYTHON}} -c 'import glob, os, torch; t = os.path.dirname(torch.__file__); print(":".join([t + "/lib", *glob.glob(t + "/../nvidia/*/lib")]))')" \
        {{PYTHON}} worker/benches/train.py {{ARGUMENTS}}

# The training tests on LibTorch, which `deploy/libtorch.sh cpu` has brought and whose `env` is sourced
tch:
    NRP_TEST_DEVICE=tch:cpu cargo test --workspace --locked --features nrp-worker/tch --lib -- nrp:: device::

# A small job on Vulkan or Metal (Debian's mesa-vulkan-drivers will do), held against flex and PyTorch; a cold build first
wgpu:
    NRP_TEST_DEVICE=wgpu cargo test -p nrp-worker --features wgpu --locked --lib -- --nocapture the_engines_agree parity_tests gradients_match

# Durable outcomes per second and what a trial costs, beside Optuna and HyperQueue; writes docs/performance.md
bench-coordinator PYTHON="python3":
    {{PYTHON}} coordinator/benches/coordinator/coordinator.py

# Memory of extraction, which must not grow with the stimuli: 200 against 1,200 of them (Linux)
bench-memory DATA="../shared/data/v4-201025":
    cargo build -p nrp-worker --example extract --locked
    cargo run -q -p nrp-worker --example extract --locked -- flex resnet50 conv2_block3_out 200 {{DATA}}
    cargo run -q -p nrp-worker --example extract --locked -- flex resnet50 conv2_block3_out 1200 {{DATA}}

# Memory of training on activations that do not fit in it, beside weights and moments (Linux)
bench-train-memory LANES="8":
    cargo run -q -p nrp-worker --example train --locked -- flex 802816 {{LANES}}

# A million recorded trials: durable outcomes per second, sizes, and how long a start takes
bench-store TRIALS="1000000":
    NRP_BENCH_TRIALS={{TRIALS}} cargo test -p nrp-coordinator --locked --lib --config 'profile.dev.package.nrp-coordinator.opt-level=3' --config 'profile.dev.package.nrp-proto.opt-level=3' -- --ignored --nocapture a_million_recorded

# Memory and time of a sweep of a million cells, from submission to rebuild (Linux); writes docs/performance.md
bench-million PYTHON="python3":
    cargo build --locked
    {{PYTHON}} coordinator/benches/coordinator/million.py target/debug/nrp

# What early stopping and random search spare, and what they miss; writes docs/results/early-stopping.md
bench-search PYTHON="python3" DATA="../shared/data":
    cargo build --locked
    {{PYTHON}} worker/benches/search.py target/debug/nrp {{DATA}}

# What a batch costs the index and how long questions take, at a million trials
bench-questions:
    cargo test -p nrp-coordinator --locked --lib --config 'profile.dev.package.nrp-coordinator.opt-level=3' -- --ignored --nocapture questions_at_a_million
