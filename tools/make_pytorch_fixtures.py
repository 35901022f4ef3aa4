"""Writes crates/bptt/tests/data/pytorch/*.txt, the values that tests/pytorch_parity.rs compares with.

Needs numpy and torch (written with 2.15; any CPU build). Usage, from anywhere:

    python tools/make_pytorch_fixtures.py

One file per shape and element type. A line is a comment (`# ...`) or `name: v v v ...`. The head holds what
all cases of the file share; each `activation` line starts a case, which lasts until the next one.

    sizes: I H O                    head: inputs, hidden units, outputs
    dtype: float32|float64
    lengths: T T T ...              timesteps of each sequence, in file order
    features: ...                   (rows, I), labels: (rows, O), row-major, rows of all sequences joined
    init.NAME: ...                  parameters before training, PyTorch's names and order of elements
    activation: tanh|relu|sigmoid
    reduction: mean|sum
    batch_size: N
    learning_rate: X
    outputs: ...                    (rows, O) with the initial parameters, each sequence from h_0 = 0
    loss: X                         of all sequences as one batch
    grad.NAME: ...                  the gradient of that loss
    epoch_losses: X X X ...         plain SGD in file order: over all elements of the epoch, each squared error
                                    taken before its batch's update; summed in float64
    final.NAME: ...                 parameters after those epochs

Numbers are the shortest text that reads back as the same value of the file's element type; epoch losses
are always float64. tanh and relu are torch.nn.RNN; sigmoid, which it lacks, is written out below.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

OUT = Path(__file__).resolve().parent.parent / "crates/bptt/tests/data/pytorch"
SHAPES = [(1, 1, 1), (3, 5, 1), (29, 10, 1), (7, 33, 4)]
LENGTHS = [5, 1, 3, 7, 2]
EPOCHS = 20
LEARNING_RATE = {"mean": 0.1, "sum": 0.004}


class SigmoidRnn(nn.Module):
    """torch.nn.RNN with a logistic activation, for one unbatched sequence; same parameter names."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(hidden_size, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(hidden_size))
        self.bias_hh_l0 = nn.Parameter(torch.empty(hidden_size))

    def forward(self, x):
        h = x.new_zeros(self.bias_hh_l0.shape)
        states = []
        for row in x:
            a = self.weight_ih_l0 @ row + self.bias_ih_l0 + self.weight_hh_l0 @ h + self.bias_hh_l0
            h = torch.sigmoid(a)
            states.append(h)
        return torch.stack(states), h


class Model(nn.Module):
    def __init__(self, activation, shape):
        super().__init__()
        i, h, o = shape
        self.rnn = SigmoidRnn(i, h) if activation == "sigmoid" else nn.RNN(i, h, nonlinearity=activation)
        self.fc = nn.Linear(h, o)

    def forward(self, sequences):
        """Every sequence from h_0 = 0; rows of all outputs joined."""
        return torch.cat([self.fc(self.rnn(x)[0]) for x in sequences])

    def named(self):
        return {name.removeprefix("rnn."): value for name, value in self.named_parameters()}


def line(name, values):
    values = np.atleast_1d(values.detach().numpy() if isinstance(values, torch.Tensor) else np.asarray(values))
    return f"{name}: {' '.join(str(v) for v in values.ravel())}"


def train(model, sequences, labels, reduction, batch_size):
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE[reduction])
    criterion = nn.MSELoss(reduction=reduction)
    elements = sum(y.numel() for y in labels)
    losses = []
    for _ in range(EPOCHS):
        total = 0.0
        for start in range(0, len(sequences), batch_size):
            batch = slice(start, start + batch_size)
            outputs, expected = model(sequences[batch]), torch.cat(labels[batch])
            total += (outputs.detach().double() - expected.double()).square().sum().item()
            optimizer.zero_grad()
            criterion(outputs, expected).backward()
            optimizer.step()
        losses.append(total / elements if reduction == "mean" else total)
    return losses


def case(activation, reduction, batch_size, shape, init, sequences, labels):
    model = Model(activation, shape).to(init["fc.bias"].dtype)
    with torch.no_grad():
        for name, value in model.named().items():
            value.copy_(init[name])
    outputs = model(sequences)
    loss = nn.MSELoss(reduction=reduction)(outputs, torch.cat(labels))
    loss.backward()
    lines = [
        f"activation: {activation}",
        f"reduction: {reduction}",
        f"batch_size: {batch_size}",
        f"learning_rate: {LEARNING_RATE[reduction]}",
        line("outputs", outputs),
        line("loss", loss),
    ]
    lines += [line(f"grad.{name}", value.grad) for name, value in model.named().items()]
    losses = train(model, sequences, labels, reduction, batch_size)
    assert losses[-1] < losses[0], (activation, reduction, shape, losses)
    lines.append(line("epoch_losses", losses))
    return lines + [line(f"final.{name}", value) for name, value in model.named().items()]


def file(shape, dtype):
    i, _, o = shape
    torch.manual_seed(sum(shape))
    init = {name: value.detach().to(dtype) for name, value in Model("tanh", shape).named().items()}
    sequences = [torch.randn(t, i).to(dtype) for t in LENGTHS]
    labels = [torch.randn(t, o).to(dtype) for t in LENGTHS]
    lines = [
        f"# Written by tools/make_pytorch_fixtures.py with torch {torch.__version__}; do not edit.",
        "# The format is documented there.",
        line("sizes", shape),
        f"dtype: {str(dtype).removeprefix('torch.')}",
        line("lengths", LENGTHS),
        line("features", torch.cat(sequences)),
        line("labels", torch.cat(labels)),
    ]
    lines += [line(f"init.{name}", value) for name, value in init.items()]
    for a, activation in enumerate(["tanh", "relu", "sigmoid"]):
        for r, reduction in enumerate(["mean", "sum"]):
            # 5 sequences in batches of 1, 2 and 3: the last batch is smaller.
            batch_size = (a + r) % 3 + 1
            lines += case(activation, reduction, batch_size, shape, init, sequences, labels)
    return lines


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    OUT.mkdir(parents=True, exist_ok=True)
    for shape in SHAPES:
        for dtype in (torch.float32, torch.float64):
            path = OUT / f"{'-'.join(map(str, shape))}_{str(dtype).removeprefix('torch.')}.txt"
            path.write_text("\n".join(file(shape, dtype)) + "\n", encoding="utf-8", newline="\n")
            print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
