"""JAX: forward, backward and SGD update of whole epochs as one jitted program, with scans inside scans."""

from functools import partial

import jax
import jax.numpy as jnp
import protocol
from jax import lax

# Ways to write the forward pass; the quickest of them on the task at hand takes part.
VARIANTS = ["projected, unrolled", "step by step, unrolled", "projected"]
# Longer sequences are unrolled by this many steps at a time.
UNROLL = 16
# Timesteps in one call at least: a call costs tens of microseconds, which small epochs should not pay each.
CALL = 10_000

ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu}


def loss(variant, activation, p, x, y):
    """The mean squared error of a batch: x (T, B, I), y (T, B, O)."""
    w_ih, w_hh, b_ih, b_hh, w_ho, b_o = p
    unroll = min(len(x), UNROLL) if variant.endswith("unrolled") else 1
    start = jnp.zeros((x.shape[1], len(w_hh)), x.dtype)

    def project(x):
        return x @ w_ih.T + (b_ih + b_hh)

    def step(h, a):
        h = activation((a if projected else project(a)) + h @ w_hh.T)
        return h, h

    projected = variant.startswith("projected")
    _, states = lax.scan(step, start, project(x) if projected else x, unroll=unroll)
    return jnp.mean((states @ w_ho.T + b_o - y) ** 2)


def trainer(variant, activation, rate):
    """A program that trains whole epochs: (weights, x, y, epochs) to (weights, losses (epochs, updates))."""
    value_and_grad = jax.value_and_grad(partial(loss, variant, ACTIVATIONS[activation]))

    def update(p, batch):
        value, gradient = value_and_grad(p, *batch)
        return jax.tree.map(lambda p, g: p - rate * g, p, gradient), value

    @partial(jax.jit, static_argnames="epochs", donate_argnums=0)
    def train(p, x, y, epochs):
        return lax.scan(lambda p, _: lax.scan(update, p, (x, y)), p, None, length=epochs)

    return train


class Jax:
    def __init__(self, task):
        jax.config.update("jax_enable_x64", task.dtype == "f64")
        self.task = task
        self.variants = VARIANTS
        self.features, self.labels = jnp.asarray(task.features), jnp.asarray(task.labels)
        self.parts = {len(self.features): (self.features, self.labels)}
        self.trainers = {v: trainer(v, task.activation, task.learning_rate) for v in VARIANTS}
        self.variant = VARIANTS[0]
        self.reset()

    def about(self):
        return {"threads": self.task.threads, "version": f"jax {jax.__version__}", "variant": self.variant}

    def choose(self, variant):
        self.variant = variant

    def reset(self):
        self.weights = [jnp.array(values) for values in self.task.weights.values()]

    def least_epochs(self, updates):
        """Epochs in the smallest piece worth timing."""
        return -(-CALL // (updates * self.task.batch_size * self.task.steps))

    def part(self, updates):
        if updates not in self.parts:
            self.parts[updates] = (self.features[:updates], self.labels[:updates])
        return self.parts[updates]

    def call(self, updates):
        train, epochs = self.trainers[self.variant], self.least_epochs(updates)
        self.weights, losses = train(self.weights, *self.part(updates), epochs=epochs)
        return losses

    def losses(self, updates, epochs):
        curve = []
        while len(curve) < epochs:
            curve += self.call(updates).tolist()
        return [sum(losses) / updates for losses in curve[:epochs]]

    def train(self, updates, epochs):
        """`epochs` is a multiple of `least_epochs`."""
        for _ in range(epochs // self.least_epochs(updates)):
            self.call(updates)
        jax.block_until_ready(self.weights)


if __name__ == "__main__":
    protocol.serve(Jax)
