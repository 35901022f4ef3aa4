"""PyTorch eager: nn.RNN, nn.Linear, mean squared error, plain SGD."""

import protocol
import torch
from torch import nn

# Ways to write the update; the quickest of them on the task at hand takes part.
VARIANTS = ["SGD foreach", "SGD fused", "SGD one by one", "grad, _foreach_sub_"]


class PyTorch:
    def __init__(self, task):
        torch.set_num_threads(task.threads)
        self.task = task
        self.variants = VARIANTS
        # Batches are cut beforehand, time-major as nn.RNN works inside, so that no copy falls into the time.
        self.features = torch.from_numpy(task.features).unbind()
        self.labels = torch.from_numpy(task.labels).unbind()
        i, h, o = task.sizes
        dtype = {"f32": torch.float32, "f64": torch.float64}[task.dtype]
        self.rnn = nn.RNN(i, h, nonlinearity=task.activation, dtype=dtype)
        self.fc = nn.Linear(h, o, dtype=dtype)
        self.start = torch.zeros(1, task.batch_size, h, dtype=dtype)
        self.named = dict(self.rnn.named_parameters())
        self.named |= {f"fc.{name}": p for name, p in self.fc.named_parameters()}
        self.parameters = list(self.named.values())
        self.criterion = nn.MSELoss()
        self.choose(VARIANTS[0])

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
        return self.criterion(self.fc(states), y)

    def reset(self):
        with torch.no_grad():
            for name, values in self.task.weights.items():
                self.named[name].copy_(torch.from_numpy(values))

    def least_epochs(self, updates):
        """Epochs in the smallest piece worth timing."""
        return 1

    def losses(self, updates, epochs):
        return [sum(self.epoch(updates)) / updates for _ in range(epochs)]

    def epoch(self, updates):
        pairs = zip(self.features[:updates], self.labels[:updates], strict=True)
        return [self.update(x, y).item() for x, y in pairs]

    def train(self, updates, epochs):
        features, labels = self.features[:updates], self.labels[:updates]
        for _ in range(epochs):
            for x, y in zip(features, labels, strict=True):
                self.update(x, y)


if __name__ == "__main__":
    protocol.serve(PyTorch)
