"""PyTorch eager: nn.RNN, nn.GRU or nn.LSTM, nn.Linear, mean squared error, plain SGD; and its predictions."""

import time

import protocol
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

# Ways to write the update; the quickest of them on the task at hand takes part.
UPDATES = ["SGD foreach", "SGD fused", "SGD one by one", "grad, _foreach_sub_"]
# Ways to write a single timestep.
STEPS = ["layer", "cell"]

TYPES = {"f32": torch.float32, "f64": torch.float64}
LAYERS = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
CELLS = {"elman": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
# Products that are timed to find the best one.
PRODUCTS = 5


class PyTorch:
    def __init__(self, task):
        torch.set_num_threads(task.threads)
        self.task = task
        self.variants = {"train": UPDATES, "predict": ["inference_mode"], "step": STEPS}[task.work]
        # Batches are cut beforehand, time-major as the layers work inside, so that no copy falls into the time.
        self.features = self.batches(task.features)
        self.labels = self.batches(task.labels)
        i, h, o = task.sizes
        dtype = TYPES[task.dtype]
        options = {"nonlinearity": task.activation} if task.cell == "elman" else {}
        self.rnn = LAYERS[task.cell](i, h, dtype=dtype, **options)
        self.cell = CELLS[task.cell](i, h, dtype=dtype, **options)
        self.fc = nn.Linear(h, o, dtype=dtype)
        self.start = self.state(torch.zeros(1, task.batch_size, h, dtype=dtype))
        self.named = dict(self.rnn.named_parameters())
        self.named |= {f"fc.{name}": p for name, p in self.fc.named_parameters()}
        self.parameters = list(self.named.values())
        self.criterion = nn.MSELoss()
        self.choose(self.variants[0])

    @staticmethod
    def product(size, dtype, threads):
        """The seconds of the quickest of some products of square matrices."""
        torch.set_num_threads(threads)
        a, b, c = (torch.rand(size, size, dtype=TYPES[dtype]) for _ in range(3))
        best = float("inf")
        for _ in range(PRODUCTS):
            start = time.perf_counter()
            torch.mm(a, b, out=c)
            best = min(best, time.perf_counter() - start)
        return best

    def batches(self, array):
        """A tensor (T, B, n) for each batch; packed where sequences have lengths of their own."""
        tensors = torch.from_numpy(array).unbind()
        if self.task.lengths is None:
            return tensors
        lengths = torch.from_numpy(self.task.lengths)
        return [pack_padded_sequence(x, n) for x, n in zip(tensors, lengths, strict=True)]

    def state(self, zeros):
        return (zeros, zeros) if self.task.cell == "lstm" else zeros

    def about(self):
        version = f"torch {torch.__version__}"
        return {"threads": torch.get_num_threads(), "version": version, "variant": self.variant}

    def choose(self, variant):
        self.variant = variant
        options = {
            "SGD foreach": {"foreach": True},
            "SGD fused": {"fused": True},
            "SGD one by one": {"foreach": False},
        }.get(variant)
        rate = self.task.learning_rate
        sgd = options and torch.optim.SGD(self.parameters, lr=rate, **options)
        self.update = self.with_optimizer(sgd) if sgd else self.by_hand(rate)

    def with_optimizer(self, sgd):
        def update(x, y):
            loss = self.loss(x, y)
            sgd.zero_grad(set_to_none=True)
            loss.backward()
            sgd.step()
            return loss

        return update

    def by_hand(self, rate):
        def update(x, y):
            loss = self.loss(x, y)
            gradients = torch.autograd.grad(loss, self.parameters)
            with torch.no_grad():
                torch._foreach_sub_(self.parameters, gradients, alpha=rate)
            return loss

        return update

    def loss(self, x, y):
        states, _ = self.rnn(x, self.start)
        if self.task.lengths is None:
            return self.criterion(self.fc(states), y)
        return self.criterion(self.fc(states.data), y.data)

    def reset(self):
        cell = dict(self.cell.named_parameters())
        with torch.no_grad():
            for name, values in self.task.weights.items():
                self.named[name].copy_(torch.from_numpy(values))
                if name.endswith("_l0"):
                    cell[name.removesuffix("_l0")].copy_(torch.from_numpy(values))

    def least_epochs(self, updates):
        """Epochs in the smallest piece worth timing."""
        return 1

    def losses(self, updates, epochs):
        """The loss of each epoch; of predictions the error of each sequence."""
        if self.task.work != "train":
            return self.task.errors(self.outputs(updates))
        return [self.epoch(updates) for _ in range(epochs)]

    def epoch(self, updates):
        pairs = zip(self.features[:updates], self.labels[:updates], strict=True)
        losses = [self.update(x, y).item() for x, y in pairs]
        # A batch weighs as much as it has rows.
        rows = [self.task.batch_size] * updates if self.task.lengths is None else self.task.lengths.sum(axis=1)
        return sum(loss * int(n) for loss, n in zip(losses, rows[:updates], strict=True)) / int(sum(rows[:updates]))

    def run(self, updates, epochs):
        features, labels = self.features[:updates], self.labels[:updates]
        if self.task.work == "train":
            for _ in range(epochs):
                for x, y in zip(features, labels, strict=True):
                    self.update(x, y)
            return
        with torch.inference_mode():
            for _ in range(epochs):
                for x in features:
                    self.predict(x)

    def predict(self, x):
        """The outputs of a batch, in one call or timestep by timestep."""
        if self.task.work == "predict":
            states, _ = self.rnn(x, self.start)
            return self.fc(states if self.task.lengths is None else states.data)
        return self.by_layer(x) if self.variant == "layer" else self.by_cell(x)

    def by_layer(self, x):
        found, state = [], self.start
        for row in x.unsqueeze(1):
            states, state = self.rnn(row, state)
            found.append(self.fc(states))
        return found

    def by_cell(self, x):
        found, state = [], self.state(torch.zeros_like(self.start[0][0] if self.task.cell == "lstm" else self.start[0]))
        for row in x:
            state = self.cell(row, state)
            found.append(self.fc(state[0] if self.task.cell == "lstm" else state))
        return found

    def outputs(self, updates):
        """(T, B, O) for each batch."""
        with torch.inference_mode():
            for x in self.features[:updates]:
                found = self.predict(x)
                if self.task.work == "step":
                    found = torch.stack([y.reshape(self.task.batch_size, -1) for y in found])
                elif self.task.lengths is not None:
                    packed = x._replace(data=found)
                    found, _ = nn.utils.rnn.pad_packed_sequence(packed, total_length=self.task.steps)
                yield found.numpy()


if __name__ == "__main__":
    protocol.serve(PyTorch)
