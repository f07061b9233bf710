"""The trials of a sweep as one would train them with PyTorch: one after another, under Optuna, under Ray
Tune, or (on a GPU) fused by torch.func.vmap. `train.py` runs it, each peer in a process of its own.

Same network, activations, split, scaling, batch size, epochs, first weights, orders and choice of the
best weights as nrp's, so that what comes out is the same but for rounding. Activations lie in memory,
scaled, and first weights are drawn, before the clock starts.
"""
import glob, json, os, sys, tempfile, time
import numpy as np
import torch
from torch import nn

BATCH = 64


class Data:
    """Inputs per layer, their coordinates in the row space if `projected`, targets, and the parts of the
    split, on `device`."""

    def __init__(self, prepared, cache, device="cpu", projected=False):
        part = lambda name: torch.tensor(prepared[name], device=device)
        self.train, self.validation, self.test = part("train"), part("validation"), part("test")
        self.sites, self.device = prepared["sites"], device
        self.responses = torch.tensor(prepared["responses"], dtype=torch.float32, device=device)
        self.responses = self.responses.view(-1, self.sites)
        seen = self.responses[self.train].double()
        self.mean, self.spread = seen.mean(0).float(), seen.std(0, correction=0).float()
        self.spread[self.spread == 0] = 1
        self.targets = (self.responses - self.mean) / self.spread
        layers = {layer for cell in prepared["trials"] for layer in cell["layers"]}
        self.inputs = {}
        for path in glob.glob(os.path.join(cache, "*.act")):
            with open(path, "rb") as file:
                header = read_header(file)
            if header["key"]["layer"] in layers and is_projection(header) == projected:
                layer, rows = read_layer(path)
                self.inputs[layer] = self.scaled(torch.from_numpy(rows).to(device))

    def scaled(self, rows):
        """Each unit less its mean, the layer divided by the root of the units' mean variance."""
        seen = rows[self.train]
        mean = seen.mean(0)
        return (rows - mean) / (seen - mean).square().mean().sqrt()


def read_layer(path):
    """A file of nrp's activation cache: header, rows, digest."""
    with open(path, "rb") as file:
        header = read_header(file)
        rows = np.fromfile(file, "<f4", header["stimuli"] * header["units"])
    return header["key"]["layer"], rows.reshape(header["stimuli"], header["units"])


def read_header(file):
    """Magic, length of the header, header (JSON)."""
    assert file.read(8) == b"NRPACT1\n", file.name
    return json.loads(file.read(int.from_bytes(file.read(4), "little")))


def is_projection(header):
    return bool(header.get("row_space") or header["key"].get("row_space"))


def words(seed, stream, count):
    """The first words of a trial's stream of draws: ChaCha8 with the seed as key."""
    blocks = -(-count // 16)
    key = [seed & 0xFFFFFFFF, seed >> 32, 0, 0, 0, 0, 0, 0]
    constants = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574]
    counter = np.arange(blocks, dtype=np.uint32)
    start = [np.full(blocks, word, np.uint32) for word in constants + key]
    start += [counter, np.zeros_like(counter), np.full_like(counter, stream), np.zeros_like(counter)]
    x = [word.copy() for word in start]

    def quarter(a, b, c, d):
        for to, by, turned, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[to] += x[by]
            mixed = x[turned] ^ x[to]
            x[turned] = mixed << np.uint32(bits) | mixed >> np.uint32(32 - bits)

    for _ in range(4):
        for at in range(4):
            quarter(at, at + 4, at + 8, at + 12)
        for at in range(4):
            quarter(at, 4 + (at + 1) % 4, 8 + (at + 2) % 4, 12 + (at + 3) % 4)
    return np.stack([a + b for a, b in zip(x, start)], 1).reshape(-1)[:count]


def orders(seed, train, epochs):
    """`[epochs, stimuli]`: the training stimuli as each epoch takes them, by Fisher and Yates."""
    drawn = words(seed, 0, 2 * epochs * (len(train) - 1)).astype(object).reshape(-1, 2)
    numbers, order, taken = iter(low | high << 32 for low, high in drawn), list(train), []
    for _ in range(epochs):
        for last in range(len(order) - 1, 0, -1):
            other = next(numbers) * (last + 1) >> 64
            order[last], order[other] = order[other], order[last]
        taken.append(list(order))
    return torch.tensor(taken)


def first_weights(cell, data):
    """Of each dense layer as `nn.Linear` has them: Glorot uniform."""
    units = [data.inputs[layer].shape[1] for layer in cell["layers"]]
    shapes = [(n, cell["l1"]) for n in units]
    shapes += [(cell["l1"] * len(units), cell["l2"]), (cell["l2"], data.sites)]
    weights = []
    for at, shape in enumerate(shapes):
        unit = (words(cell["seed"], 2 + at, shape[0] * shape[1]) >> 8).astype(np.float32) / (1 << 24)
        drawn = (2 * unit - 1) * np.float32((6 / sum(shape)) ** 0.5)
        weights.append(torch.from_numpy(drawn.reshape(shape)).T.contiguous().to(data.device))
    return weights


class Network(nn.Module):
    """NRP-L1 per ANN layer, NRP-L2, NRP-out, from their first weights."""

    def __init__(self, weights):
        super().__init__()
        dense = [nn.utils.skip_init(nn.Linear, w.shape[1], w.shape[0], device=w.device) for w in weights]
        self.blocks, self.l2, self.out = nn.ModuleList(dense[:-2]), dense[-2], dense[-1]
        with torch.no_grad():
            for layer, weight in zip(dense, weights):
                layer.weight.copy_(weight)
                layer.bias.zero_()

    def forward(self, *inputs):
        first = torch.cat([block(x) for block, x in zip(self.blocks, inputs)], 1).relu()
        return self.out(self.l2(first).relu())


def train(cell, data, fused=True):
    """The NRP-error of one trial; `fused` is the optimiser in one pass, which PyTorch does not take by itself."""
    net, inputs = Network(cell["weights"]), [data.inputs[layer] for layer in cell["layers"]]
    optimiser = torch.optim.Adam(net.parameters(), lr=cell["learning_rate"], fused=fused or None)
    loss_of, predict = nn.functional.mse_loss, lambda part: net(*(x[part] for x in inputs))
    best, kept = float("inf"), [torch.empty_like(p) for p in net.parameters()]
    for order in cell["orders"]:
        for rows in order.split(BATCH):
            loss = loss_of(predict(rows), data.targets[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            loss = loss_of(predict(data.validation), data.targets[data.validation]).item()
            if loss < best:
                best = loss
                torch._foreach_copy_(kept, list(net.parameters()))
    with torch.no_grad():
        torch._foreach_copy_(list(net.parameters()), kept)
        return nrp_error(predict(data.test), data)


def nrp_error(predicted, data):
    predicted = predicted * data.spread + data.mean
    return (predicted - data.responses[data.test]).abs().mean().item()


def pytorch(cells, data, fused=True):
    torch.set_num_threads(os.cpu_count())
    train(cells[0], data, fused)
    begun = time.perf_counter()
    errors = [train(cell, data, fused) for cell in cells]
    return time.perf_counter() - begun, errors


def shuffled(cells, data):
    """PyTorch, with the units of each layer in another order: but for rounding the same networks."""
    torch.manual_seed(0)
    order = {layer: torch.randperm(rows.shape[1]).to(rows.device) for layer, rows in data.inputs.items()}
    data.inputs = {layer: rows[:, order[layer]] for layer, rows in data.inputs.items()}
    for cell in cells:
        for at, layer in enumerate(cell["layers"]):
            cell["weights"][at] = cell["weights"][at][:, order[layer]]
    return pytorch(cells, data)


def optuna(cells, data):
    import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(os.cpu_count())
    train(cells[0], data)
    names = ["layers", "l1", "l2", "learning_rate", "seed"]
    choices = {name: sorted({json.dumps(cell[name]) for cell in cells}) for name in names}
    asked = {json.dumps([cell[name] for name in names]): cell for cell in cells}

    def objective(trial):
        axes = [json.loads(trial.suggest_categorical(name, choices[name])) for name in names]
        return train(asked[json.dumps(axes)], data)

    begun = time.perf_counter()
    study = optuna.create_study()
    for cell in cells:
        study.enqueue_trial({name: json.dumps(cell[name]) for name in names})
    study.optimize(objective, n_trials=len(cells))
    return time.perf_counter() - begun, [trial.value for trial in study.trials]


def ray(cells, data):
    """As many trials at a time as there are cores, a thread each. From the first trial's start to the
    last one's end: what Ray takes to start counts for nothing."""
    from ray import tune
    import ray

    ray.init(num_cpus=os.cpu_count(), include_dashboard=False, log_to_driver=False)
    arrays = {layer: rows.numpy() for layer, rows in data.inputs.items()}
    data.inputs = {}
    weights = [ray.put([weight.numpy() for weight in cell.pop("weights")]) for cell in cells]
    shared = ray.put((data, arrays))

    def trainable(config):
        import warnings
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        data, arrays = ray.get(shared)
        # Memory shared among Ray's workers, not copied.
        data.inputs = {layer: torch.from_numpy(rows) for layer, rows in arrays.items()}
        first = [torch.from_numpy(weight) for weight in ray.get(weights[config["at"]])]
        begun = time.time()
        error = train({**cells[config["at"]], "weights": first}, data)
        return {"at": config["at"], "nrp_error": error, "begun": begun, "ended": time.time()}

    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"at": tune.grid_search(list(range(len(cells))))},
        tune_config=tune.TuneConfig(reuse_actors=True),
        run_config=tune.RunConfig(verbose=0, storage_path=tempfile.mkdtemp()),
    )
    results = [result.metrics for result in tuner.fit()]
    seconds = max(r["ended"] for r in results) - min(r["begun"] for r in results)
    ray.shutdown()
    return seconds, [r["nrp_error"] for r in sorted(results, key=lambda r: r["at"])]


def vmap(cells, data):
    """Trials of one shape as lanes of one network: torch.func.vmap over forward and backward, Adam on
    all lanes' stacked weights. Their orders must be the same."""
    groups = {}
    for at, cell in enumerate(cells):
        groups.setdefault((*cell["layers"], cell["l1"], cell["l2"]), []).append((at, cell))
    errors = [0.0] * len(cells)
    lanes_of(list(groups.values())[0], data)
    begun = time.perf_counter()
    for group in groups.values():
        for (at, _), error in zip(group, lanes_of(group, data)):
            errors[at] = error
    return time.perf_counter() - begun, errors


def lanes_of(group, data):
    cells = [cell for _, cell in group]
    nets = [Network(cell["weights"]) for cell in cells]
    weights, _ = torch.func.stack_module_state(nets)
    weights = {name: weight.detach() for name, weight in weights.items()}
    inputs = [data.inputs[layer] for layer in cells[0]["layers"]]
    predict = lambda weights, *x: torch.func.functional_call(nets[0], weights, x)
    loss_of = lambda weights, y, *x: nn.functional.mse_loss(predict(weights, *x), y)
    over = (0,) + (None,) * len(inputs)
    gradients = torch.func.vmap(torch.func.grad(loss_of), (0, None, *over[1:]))
    rate = torch.tensor([cell["learning_rate"] for cell in cells], device=data.device)
    first, second = ({n: torch.zeros_like(w) for n, w in weights.items()} for _ in range(2))
    best = torch.full((len(cells),), float("inf"), device=data.device)
    kept, step = {n: w.clone() for n, w in weights.items()}, 0
    for order in cells[0]["orders"]:
        for rows in order.split(BATCH):
            step += 1
            found = gradients(weights, data.targets[rows], *(x[rows] for x in inputs))
            for name, weight in weights.items():
                lane = (-1,) + (1,) * (weight.dim() - 1)
                m, v, g = first[name], second[name], found[name]
                m.lerp_(g, 0.1)
                v.mul_(0.999).addcmul_(g, g, value=0.001)
                root = (v / (1 - 0.999 ** step)).sqrt_().add_(1e-8)
                weight.sub_(m.mul(rate.view(lane) / (1 - 0.9 ** step)).div_(root))
        seen = torch.func.vmap(predict, over)(weights, *(x[data.validation] for x in inputs))
        loss = (seen - data.targets[data.validation]).square().mean((1, 2))
        for name, weight in weights.items():
            lane = (-1,) + (1,) * (weight.dim() - 1)
            kept[name] = torch.where((loss < best).view(lane), weight, kept[name])
        best = torch.minimum(best, loss)
    seen = torch.func.vmap(predict, over)(kept, *(x[data.test] for x in inputs))
    return [nrp_error(lane, data) for lane in seen]


def peak():
    """GFLOP/s of a matrix product, and GB/s of a = b + s·c as STREAM counts them; the best of some."""
    torch.set_num_threads(os.cpu_count())
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    x, y, z = (torch.rand(1 << 25) for _ in range(3))
    products = best_of(lambda: torch.mm(a, b))
    triad = best_of(lambda: torch.add(y, z, alpha=3.0, out=x))
    return 2 * 2048 ** 3 / products / 1e9, 3 * 4 * x.numel() / triad / 1e9


def best_of(work, times=15):
    work()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def main():
    if sys.argv[1] == "peak":
        return print(json.dumps(peak()))
    peer, prepared, cache, projection, epochs, device, cells = sys.argv[1:]
    torch.set_flush_denormal(True)
    prepared = json.load(open(prepared))
    cells = [prepared["trials"][at] for at in json.loads(cells)]
    data = Data(prepared, cache, device, projection != "none")
    taken = {seed: orders(seed, prepared["train"], int(epochs)).to(device) for seed in {c["seed"] for c in cells}}
    for cell in cells:
        cell["weights"], cell["orders"] = first_weights(cell, data), taken[cell["seed"]]
    peers = {
        "PyTorch": pytorch,
        "PyTorch as it comes": lambda *trials: pytorch(*trials, fused=False),
        "PyTorch on shuffled units": shuffled,
        "Optuna": optuna,
        "Ray Tune": ray,
        "vmap": vmap,
    }
    seconds, errors = peers[peer](cells, data)
    print(json.dumps({"seconds": seconds, "errors": errors}))


if __name__ == "__main__":
    main()
