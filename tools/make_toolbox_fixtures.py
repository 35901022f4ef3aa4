#!/usr/bin/env python3
"""Writes crates/bptt/tests/data/toolbox/*.txt: what PyTorch computes for every cell, target, loss and optimizer.

Needs torch (CPU build) and numpy. Usage, from anywhere:

    python tools/make_toolbox_fixtures.py

One file per element type. Inputs are not in it: parameters, features, labels, states and weights follow the formula of
`value` below, which the test repeats. A line is a comment (`# ...`) or `name: v v v ...`; `case: ...` starts a case:

    cell, activation, layers, bidirectional, sizes (I H O), lengths     the network and its sequences
    targets: all|last|masked|washout N       which elements are labelled
    loss, delta, reduction, class_weights, sample_weights (yes)         what is made small
    initial: yes                             the states come from the formula; else they are 0
    dropout: P SEED                          with the masks of the library's generator
    optimizer: NAME k=v ..., learning_rate, batch_size, clip_norm, clip_value, schedule: NAME k=v ..., warmup, truncate, accumulate
    outputs, h_n, c_n                        (rows, O); (layers * directions, B, H)
    loss_value, grad.NAME                    of all sequences as one batch
    learning_rates, epoch_losses             of EPOCHS epochs in file order, each batch's loss taken before its update

With weights and `mean`, a loss is sum(w * l) / sum(w) over the labelled elements, as in torch.nn.CrossEntropyLoss(weight).
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

OUT = Path(__file__).resolve().parent.parent / "crates/bptt/tests/data/toolbox"
LENGTHS = [4, 1, 7, 2, 3]
EPOCHS = 20
MASK = (1 << 64) - 1


def value(stream, count, scale=1.0):
    """Numbers in (-scale, scale) that look random and are the same everywhere."""
    k = np.arange(count, dtype=np.int64)
    return ((k * 7919 + stream * 104729 + 12345) % 2003 / 2003 * 2 - 1) * scale


class Rng:
    """crates/bptt/src/rng.rs."""

    def __init__(self, seed):
        self.s = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & MASK
            z = seed
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
            self.s.append(z ^ (z >> 31))

    def next(self):
        def rotl(x, n):
            return ((x << n) | (x >> (64 - n))) & MASK

        a, b, c, d = self.s
        result = (rotl((a + d) & MASK, 23) + a) & MASK
        c ^= a
        d ^= b
        self.s = [a ^ d, b ^ c, c ^ ((b << 17) & MASK), rotl(d, 45)]
        return result

    def uniform(self):
        return (self.next() >> 11) / (1 << 53)


def dropout_mask(p, seed, step, layer, row, units):
    def mix(x):
        return Rng(x).next()

    rng = Rng(mix(mix(seed) ^ step) ^ (layer << 48) ^ row)
    return [0.0 if rng.uniform() < p else 1.0 / (1.0 - p) for _ in range(units)]


class ResetBefore(nn.Module):
    """torch.nn.GRU, but the reset gate acts before the product; written out, as PyTorch does not have it.

    Takes one sequence (T, I) and a state (layers * directions, H)."""

    def __init__(self, inputs, hidden, num_layers=1, bidirectional=False):
        super().__init__()
        self.hidden = hidden
        directions = ["", "_reverse"][: 2 if bidirectional else 1]
        self.layers = [[f"l{layer}{direction}" for direction in directions] for layer in range(num_layers)]
        for layer, suffixes in enumerate(self.layers):
            size = inputs if layer == 0 else hidden * len(directions)
            for suffix in suffixes:
                for name, *shape in [("weight_ih", size), ("weight_hh", hidden), ("bias_ih",), ("bias_hh",)]:
                    self.register_parameter(f"{name}_{suffix}", nn.Parameter(torch.empty(3 * hidden, *shape)))

    def step(self, suffix, x, h):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weight_ih, weight_hh, bias_ih, bias_hh = (getattr(self, f"{name}_{suffix}") for name in names)
        x_r, x_z, x_n = (weight_ih @ x + bias_ih + bias_hh).chunk(3)
        w_r, w_z, w_n = weight_hh.chunk(3)
        r, z = torch.sigmoid(x_r + w_r @ h), torch.sigmoid(x_z + w_z @ h)
        return (1 - z) * torch.tanh(x_n + w_n @ (r * h)) + z * h

    def forward(self, x, state=None):
        if state is None:
            state = torch.zeros(sum(map(len, self.layers)), self.hidden, dtype=x.dtype)
        last = []
        for suffixes in self.layers:
            outputs = []
            for suffix in suffixes:
                turn = (lambda rows: rows.flip(0)) if suffix.endswith("_reverse") else (lambda rows: rows)
                h, steps = state[len(last)], []
                for row in turn(x):
                    h = self.step(suffix, row, h)
                    steps.append(h)
                last.append(h)
                outputs.append(turn(torch.stack(steps)))
            x = torch.cat(outputs, 1)
        return x, torch.stack(last)


class Model(nn.Module):
    """The whole network; one module per layer where masks come between."""

    def __init__(self, case):
        super().__init__()
        self.case = case
        i, h, o = case["sizes"]
        self.directions = 2 if case["bidirectional"] else 1
        kinds = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM, "gru-reset-before": ResetBefore}
        extra = {"nonlinearity": case["activation"]} if case["cell"] == "elman" else {}
        args = {"bidirectional": case["bidirectional"], **extra}
        if "dropout" in case:
            inputs = [i] + [h * self.directions] * (case["layers"] - 1)
            self.rnn = nn.ModuleList(kinds[case["cell"]](size, h, **args) for size in inputs)
        else:
            self.rnn = kinds[case["cell"]](i, h, num_layers=case["layers"], **args)
        self.fc = nn.Linear(h * self.directions, o)
        with torch.no_grad():
            for number, parameter in enumerate(self.named().values()):
                flat = value(number, parameter.numel(), 0.6 / h**0.5)
                parameter.copy_(torch.from_numpy(flat).reshape(parameter.shape))

    def named(self):
        """PyTorch's names, as of one module of all layers."""
        out = {}
        for name, parameter in self.named_parameters():
            parts = name.split(".")
            if parts[0] == "rnn" and len(parts) == 3:
                out[parts[2].replace("_l0", f"_l{parts[1]}")] = parameter
            else:
                out[name.removeprefix("rnn.")] = parameter
        return out

    def forward(self, x, state=None, row=0, step=0):
        """One sequence (T, I); `row` is its first row in the data set."""
        if "dropout" not in self.case:
            hidden, state = self.rnn(x, state)
            return self.fc(hidden), state
        p, seed = self.case["dropout"]
        for layer, rnn in enumerate(self.rnn):
            x, _ = rnn(x)
            if layer + 1 < len(self.rnn):
                masks = [dropout_mask(p, seed, step, layer, row + t, x.shape[1]) for t in range(x.shape[0])]
                x = x * torch.tensor(masks, dtype=x.dtype)
        return self.fc(x), None


def make_data(case, dtype):
    i, _, o = case["sizes"]
    lengths = case.get("lengths", LENGTHS)
    rows = sum(lengths)
    features = torch.from_numpy(value(100, rows * i)).to(dtype).reshape(rows, i)
    raw = torch.from_numpy(value(101, rows * o)).to(dtype).reshape(rows, o)
    labelled = torch.ones(rows, o, dtype=torch.bool)
    kind, *rest = case.get("targets", "all").split()
    start = 0
    for length in lengths:
        if kind == "last":
            labelled[start : start + length - 1] = False
        if kind == "washout":
            labelled[start : start + int(rest[0])] = False
        start += length
    if kind == "masked":
        if case["loss"] == "cross-entropy":
            labelled[::3] = False
        else:
            labelled.view(-1)[::3] = False
    if case["loss"] == "bce":
        raw = (raw > 0).to(dtype)
    if case["loss"] == "cross-entropy":
        raw = F.one_hot(torch.arange(rows) * 7 % o, o).to(dtype)
    weights = torch.ones(rows, dtype=dtype)
    if "sample_weights" in case:
        weights = torch.from_numpy(np.abs(value(102, rows)) + 0.25).to(dtype)
    offsets = np.cumsum([0, *lengths])
    return features, raw, labelled, weights, offsets


def loss_parts(case, outputs, labels, labelled, weights):
    """Sum of w * l and sum of w over the labelled elements."""
    classes = case.get("class_weights")
    if case["loss"] == "cross-entropy":
        rows = labelled[:, 0]
        target = labels.argmax(1)
        vector = torch.tensor(classes, dtype=outputs.dtype) if classes else None
        per = F.cross_entropy(outputs, target, weight=vector, reduction="none")
        w = weights if vector is None else weights * vector[target]
        return (per * weights)[rows].sum(), w[rows].sum()
    if case["loss"] == "mse":
        per = F.mse_loss(outputs, labels, reduction="none")
    elif case["loss"] == "mae":
        per = F.l1_loss(outputs, labels, reduction="none")
    elif case["loss"] == "huber":
        per = F.huber_loss(outputs, labels, reduction="none", delta=case["delta"])
    else:
        per = F.binary_cross_entropy_with_logits(outputs, labels, reduction="none")
    w = weights[:, None].expand_as(per)
    if classes:
        w = w * torch.where(labels > 0.5, classes[1], classes[0]).to(w.dtype)
    return (w * per)[labelled].sum(), w[labelled].sum()


def reduced(case, total, weight):
    return total / weight if case["reduction"] == "mean" else total


def line(name, values):
    values = np.atleast_1d(values.detach().numpy() if isinstance(values, torch.Tensor) else np.asarray(values))
    return f"{name}: {' '.join(str(v) for v in values.ravel())}"


def states(case, dtype):
    """(h, c) of all sequences, (layers * directions, B, H)."""
    shape = (case["layers"] * (2 if case["bidirectional"] else 1), len(case.get("lengths", LENGTHS)), case["sizes"][1])
    size = int(np.prod(shape))
    if "initial" in case:
        return [torch.from_numpy(value(s, size)).to(dtype).reshape(shape) for s in (103, 104)]
    return [torch.zeros(shape, dtype=dtype) for _ in range(2)]


def whole_batch(case, model, data, dtype):
    """Outputs, final states, loss and gradients, through packed sequences where PyTorch has them."""
    features, labels, labelled, weights, offsets = data
    sequences = [features[a:b] for a, b in zip(offsets, offsets[1:])]
    lines = []
    if "dropout" in case:
        outputs = torch.cat([model(x, row=int(a))[0] for x, a in zip(sequences, offsets)])
    elif case["cell"] == "gru-reset-before":
        h, _ = states(case, dtype)
        results = [model.rnn(x, h[:, s]) for s, x in enumerate(sequences)]
        outputs = torch.cat([model.fc(hidden) for hidden, _ in results])
        lines = [line("h_n", torch.stack([last for _, last in results], 1))]
    else:
        h, c = states(case, dtype)
        packed = nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
        hidden, last = model.rnn(packed, (h, c) if case["cell"] == "lstm" else h)
        padded, lengths = nn.utils.rnn.pad_packed_sequence(hidden)
        outputs = torch.cat([model.fc(padded[:length, s]) for s, length in enumerate(lengths)])
        last = last if isinstance(last, tuple) else (last,)
        lines = [line(name, state) for name, state in zip(("h_n", "c_n"), last)]
    lines.insert(0, line("outputs", outputs))
    loss = reduced(case, *loss_parts(case, outputs, labels, labelled, weights))
    loss.backward()
    lines.append(line("loss_value", loss))
    return lines + [line(f"grad.{name}", p.grad) for name, p in model.named().items()]


def make_optimizer(case, parameters):
    name, *options = case.get("optimizer", "sgd").split()
    options = {k: eval(v) for k, v in (option.split("=") for option in options)}  # ours, not a user's
    if "beta1" in options:
        options["betas"] = (options.pop("beta1"), options.pop("beta2"))
    kinds = {
        "sgd": torch.optim.SGD,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop,
        "adagrad": torch.optim.Adagrad,
    }
    return kinds[name](parameters, lr=case["learning_rate"], foreach=False, **options)


def make_schedules(case, optimizer):
    from torch.optim import lr_scheduler as lrs

    name, *options = case.get("schedule", "constant").split()
    options = {k: eval(v) for k, v in (option.split("=") for option in options)}
    kinds = {
        "step": lrs.StepLR,
        "exponential": lrs.ExponentialLR,
        "plateau": lrs.ReduceLROnPlateau,
    }
    made = []
    if name == "cosine":
        made.append(lrs.CosineAnnealingLR(optimizer, T_max=options["t_max"], eta_min=options["eta_min"]))
    elif name != "constant":
        made.append(kinds[name](optimizer, **options))
    if "warmup" in case:
        n = case["warmup"]
        made.append(lrs.LinearLR(optimizer, start_factor=1 / (n + 1), total_iters=n))
    return made


def train(case, model, data):
    features, labels, labelled, weights, offsets = data
    optimizer = make_optimizer(case, model.parameters())
    schedules = make_schedules(case, optimizer)
    count = len(offsets) - 1
    accumulate, truncate = case.get("accumulate", 1), case.get("truncate", 10**9)
    losses, rates, step = [], [], 0

    def update():
        if "clip_value" in case:
            nn.utils.clip_grad_value_(model.parameters(), case["clip_value"])
        if "clip_norm" in case:
            nn.utils.clip_grad_norm_(model.parameters(), case["clip_norm"])
        optimizer.step()
        optimizer.zero_grad()

    optimizer.zero_grad()
    for _ in range(EPOCHS):
        total, mass, pending = 0.0, 0.0, 0
        rates.append(optimizer.param_groups[0]["lr"])
        for start in range(0, count, case["batch_size"]):
            members = range(start, min(start + case["batch_size"], count))
            carried = {s: None for s in members}
            longest = max(offsets[s + 1] - offsets[s] for s in members)
            for t in range(0, longest, truncate):
                parts = []
                for s in members:
                    a, b = offsets[s] + t, min(offsets[s] + t + truncate, offsets[s + 1])
                    if a < b:
                        out, state = model(features[a:b], carried[s], row=int(a), step=step)
                        if state is not None:
                            carried[s] = tuple(x.detach() for x in state) if isinstance(state, tuple) else state.detach()
                        parts.append((out, slice(a, b)))
                step += 1
                outputs = torch.cat([out for out, _ in parts])
                pick = [torch.cat([x[rows] for _, rows in parts]) for x in (labels, labelled, weights)]
                window, weight = loss_parts(case, outputs, *pick)
                total, mass = total + window.item(), mass + weight.item()
                if weight.item() > 0:
                    (reduced(case, window, weight) / accumulate).backward()
                    pending += 1
                if pending == accumulate:
                    update()
                    pending = 0
        if pending:
            update()
        loss = total / mass if case["reduction"] == "mean" else total
        losses.append(loss)
        for schedule in schedules:
            if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
                schedule.step(loss)
            else:
                schedule.step()
    return [line("learning_rates", rates), line("epoch_losses", losses)]


def cases():
    base = {
        "cell": "gru",
        "activation": "tanh",
        "layers": 1,
        "bidirectional": False,
        "sizes": (3, 5, 2),
        "loss": "mse",
        "reduction": "mean",
        "learning_rate": 0.1,
        "batch_size": 2,
    }
    cells = [("elman", "tanh"), ("elman", "relu"), ("gru", "tanh"), ("lstm", "tanh")]
    for cell, activation in cells:
        kind = {**base, "cell": cell, "activation": activation}
        for layers in (1, 2):
            for both in (False, True):
                for sizes in ((1, 1, 1), (3, 5, 2)):
                    yield {**kind, "layers": layers, "bidirectional": both, "sizes": sizes}
        yield {**kind, "layers": 2, "bidirectional": True, "sizes": (6, 9, 1)}
        yield {**kind, "sizes": (4, 17, 3), "batch_size": 5}
        yield {**kind, "layers": 3, "sizes": (2, 4, 1), "batch_size": 1}
        yield {**kind, "layers": 2, "bidirectional": True, "sizes": (2, 3, 1), "initial": "yes"}
        yield {**kind, "layers": 2, "dropout": (0.3, 11)}
        yield {**kind, "layers": 3, "sizes": (2, 4, 1), "bidirectional": True, "dropout": (0.5, 7)}
    for targets in ("last", "masked", "washout 2"):
        for cell in ("gru", "lstm", "elman"):
            yield {**base, "cell": cell, "targets": targets}
    losses = [{"loss": "mse"}, {"loss": "mae"}, {"loss": "huber", "delta": 0.3}, {"loss": "bce"}]
    for loss in losses + [{"loss": "cross-entropy", "sizes": (3, 5, 4)}]:
        classes = {"bce": [0.5, 3.0], "cross-entropy": [1.0, 0.25, 2.0, 1.5]}.get(loss["loss"])
        for reduction in ("mean", "sum"):
            kind = {**base, **loss, "reduction": reduction, "learning_rate": 0.05 if reduction == "mean" else 0.005}
            yield kind
            yield {**kind, "sample_weights": "yes", "targets": "masked"}
            if classes:
                yield {**kind, "class_weights": classes}
                yield {**kind, "class_weights": classes, "sample_weights": "yes", "targets": "masked", "cell": "lstm"}
    whole = {**base, "loss": "cross-entropy", "targets": "last", "sizes": (2, 3, 3), "layers": 2, "bidirectional": True}
    yield whole
    yield {**whole, "cell": "lstm", "bidirectional": False, "class_weights": [0.5, 2.0, 1.0], "optimizer": "adam"}
    small = {**base, "sizes": (2, 3, 1)}
    for optimizer in (
        "sgd momentum=0.9",
        "sgd momentum=0.9 dampening=0.3",
        "sgd momentum=0.9 nesterov=True",
        "sgd weight_decay=0.1",
        "sgd momentum=0.8 nesterov=True weight_decay=0.05",
        "adam",
        "adam beta1=0.8 beta2=0.9",
        "adam eps=0.01",
        "adam weight_decay=0.1",
        "adam amsgrad=True",
        "adam amsgrad=True weight_decay=0.02 beta1=0.7 beta2=0.95",
        "adamw",
        "adamw weight_decay=0.3",
        "adamw weight_decay=0.3 amsgrad=True eps=0.001",
        "rmsprop",
        "rmsprop alpha=0.8 eps=0.01",
        "rmsprop weight_decay=0.1",
        "rmsprop momentum=0.5",
        "rmsprop centered=True",
        "rmsprop centered=True momentum=0.6 weight_decay=0.02",
        "adagrad",
        "adagrad lr_decay=0.1",
        "adagrad weight_decay=0.1",
        "adagrad initial_accumulator_value=0.2 eps=0.01",
    ):
        rate = 0.05 if optimizer.startswith("sgd") else 0.01
        yield {**small, "optimizer": optimizer, "learning_rate": rate}
    for schedule in (
        "step step_size=4 gamma=0.5",
        "exponential gamma=0.9",
        "cosine t_max=20 eta_min=0.01",
        "plateau factor=0.3 patience=1 threshold=0.05 min_lr=0.001",
    ):
        yield {**small, "schedule": schedule}
    for schedule in ("constant", "step step_size=6 gamma=0.3", "exponential gamma=0.8"):
        yield {**small, "schedule": schedule, "warmup": 4}
    yield {**small, "clip_norm": 0.05}
    yield {**small, "clip_norm": 100.0}
    yield {**small, "clip_value": 0.02}
    yield {**small, "clip_value": 0.03, "clip_norm": 0.04, "optimizer": "adam"}
    long = {**base, "lengths": [8, 5, 3, 10], "truncate": 3, "batch_size": 4}
    yield long
    yield {**long, "cell": "lstm", "layers": 2, "batch_size": 2}
    yield {**long, "cell": "elman", "targets": "masked"}
    yield {**long, "cell": "lstm", "targets": "last", "optimizer": "adam", "learning_rate": 0.01}
    yield {**base, "accumulate": 2, "batch_size": 1}
    yield {**base, "accumulate": 3, "batch_size": 2, "loss": "bce"}
    kind = {**base, "cell": "gru-reset-before"}
    for layers in (1, 2):
        for both in (False, True):
            yield {**kind, "layers": layers, "bidirectional": both}
    yield {**kind, "sizes": (4, 17, 3), "batch_size": 5}
    yield {**kind, "layers": 2, "bidirectional": True, "sizes": (2, 3, 1), "initial": "yes"}
    yield {**kind, "layers": 3, "sizes": (2, 4, 1), "bidirectional": True, "dropout": (0.5, 7)}
    yield {**long, "cell": "gru-reset-before", "targets": "masked", "optimizer": "adam", "learning_rate": 0.01}


def head(case):
    def shown(v):
        return " ".join(map(str, v)) if isinstance(v, (tuple, list)) else str(v).lower() if isinstance(v, bool) else str(v)

    title = f"{case['cell']} {case['layers']} {case['sizes']} {case['loss']} {case.get('optimizer', 'sgd')}"
    lines = [f"case: {title}"]
    return lines + [f"{key}: {shown(v)}" for key, v in case.items()]


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    OUT.mkdir(parents=True, exist_ok=True)
    for dtype in (torch.float32, torch.float64):
        torch.set_default_dtype(dtype)
        lines = [
            f"# Written by tools/make_toolbox_fixtures.py with torch {torch.__version__}; do not edit.",
            "# The format is documented there.",
        ]
        for case in cases():
            model, data = Model(case), make_data(case, dtype)
            lines += head(case) + whole_batch(case, model, data, dtype) + train(case, model, data)
        name = str(dtype).removeprefix("torch.")
        path = OUT / f"{name}.txt"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
