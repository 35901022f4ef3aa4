"""JAX: whole epochs of training as one jitted program, with scans inside scans; predictions as a jitted call each."""

from functools import partial

import jax
import jax.numpy as jnp
import protocol
from jax import lax

# Ways to write the forward pass; the quickest of them on the task at hand takes part.
VARIANTS = ["projected, unrolled", "step by step, unrolled", "projected"]
# Longer sequences are unrolled by this many steps at a time.
UNROLL = 16
# A call costs tens of microseconds, which small epochs should not pay each: timesteps in one call at least, or
# multiply-adds of them.
CALL, CALL_PRODUCTS = 10_000, 10**8
# Multiply-adds of a step from which on a loop around it costs nothing, so that unrolling, which takes seconds to
# compile, need not be tried.
LARGE = 10_000
# Timesteps up to which everything is tried, for it compiles quickly.
SHORT = 8

ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu}


def elman(activation, state, a, w_hh, b_hh):
    """The next state from the projected inputs `a`, which have `b_ih` in them."""
    (h,) = state
    return (ACTIVATIONS[activation](a + h @ w_hh.T + b_hh),)


def gru(_, state, a, w_hh, b_hh):
    (h,) = state
    a_r, a_z, a_n = jnp.split(a, 3, axis=-1)
    c_r, c_z, c_n = jnp.split(h @ w_hh.T + b_hh, 3, axis=-1)
    r, z = jax.nn.sigmoid(a_r + c_r), jax.nn.sigmoid(a_z + c_z)
    n = jnp.tanh(a_n + r * c_n)
    return (n + z * (h - n),)


def lstm(_, state, a, w_hh, b_hh):
    h, c = state
    i, f, g, o = jnp.split(a + h @ w_hh.T + b_hh, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


CELLS = {"elman": elman, "gru": gru, "lstm": lstm}


def zeros(kind, p, x):
    """The initial state of a batch x (…, B, I)."""
    zero = jnp.zeros((x.shape[-2], p[1].shape[1]), x.dtype)
    return (zero, zero) if kind[0] == "lstm" else (zero,)


def outputs(variant, kind, p, x):
    """The outputs (T, B, O) of a batch x (T, B, I); `kind` is the cell and its activation."""
    w_ih, w_hh, b_ih, b_hh, w_ho, b_o = p
    unroll = min(len(x), UNROLL) if variant.endswith("unrolled") else 1
    projected = variant.startswith("projected")
    # Both biases of an Elman or LSTM layer belong to one sum, so that one addition is enough.
    early, late = (b_ih, b_hh) if kind[0] == "gru" else (b_ih + b_hh, 0)

    def project(x):
        return x @ w_ih.T + early

    def step(state, a):
        state = CELLS[kind[0]](kind[1], state, a if projected else project(a), w_hh, late)
        return state, state[0]

    _, states = lax.scan(step, zeros(kind, p, x), project(x) if projected else x, unroll=unroll)
    return states @ w_ho.T + b_o


def loss(variant, kind, p, x, y, mask=None):
    """The mean squared error of a batch: x (T, B, I), y (T, B, O); over the rows that `mask` has 1 for."""
    squares = (outputs(variant, kind, p, x) - y) ** 2
    return jnp.mean(squares) if mask is None else jnp.sum(squares * mask) / (jnp.sum(mask) * y.shape[-1])


def trainer(variant, kind, rate):
    """A program that trains whole epochs: (weights, batches, epochs) to (weights, losses (epochs, updates))."""
    value_and_grad = jax.value_and_grad(partial(loss, variant, kind))

    def update(p, batch):
        value, gradient = value_and_grad(p, *batch)
        return jax.tree.map(lambda p, g: p - rate * g, p, gradient), value

    @partial(jax.jit, static_argnames="epochs", donate_argnums=0)
    def train(p, batches, epochs):
        return lax.scan(lambda p, _: lax.scan(update, p, batches), p, None, length=epochs)

    return train


def stepper(kind):
    """A program for one timestep: (weights, state, x (1, I)) to (state, y (1, O))."""

    @jax.jit
    def step(p, state, x):
        w_ih, w_hh, b_ih, b_hh, w_ho, b_o = p
        state = CELLS[kind[0]](kind[1], state, x @ w_ih.T + b_ih, w_hh, b_hh)
        return state, state[0] @ w_ho.T + b_o

    return step


class Jax:
    def __init__(self, task):
        jax.config.update("jax_enable_x64", task.dtype == "f64")
        self.task = task
        kind = (task.cell, task.activation)
        self.variants = variants(task)
        arrays = [task.features, task.labels] + ([] if task.lengths is None else [task.mask()])
        self.arrays = [jnp.asarray(array) for array in arrays]
        self.parts = {}
        self.trainers = {v: trainer(v, kind, task.learning_rate) for v in self.variants}
        self.predictors = {v: jax.jit(partial(outputs, v, kind)) for v in self.variants}
        self.step = stepper(kind)
        self.variant = self.variants[0]
        self.reset()
        self.start = zeros(kind, self.weights, self.arrays[0])

    @staticmethod
    def product(size, dtype, threads):
        raise protocol.Skip("the product of matrices is PyTorch's")

    def about(self):
        return {"threads": self.task.threads, "version": f"jax {jax.__version__}", "variant": self.variant}

    def choose(self, variant):
        self.variant = variant

    def reset(self):
        self.weights = [jnp.array(values) for values in self.task.weights.values()]

    def least_epochs(self, updates):
        """Epochs in the smallest piece worth timing."""
        if self.task.work != "train":
            return 1
        least = min(CALL, -(-CALL_PRODUCTS // products(self.task)))
        return -(-least // self.task.timesteps(updates))

    def part(self, updates):
        """The first batches: one array of all for training; of predictions a list, a call each."""
        if updates not in self.parts:
            part = [array[:updates] for array in self.arrays]
            if self.task.work == "predict":
                part = list(part[0])
            elif self.task.work == "step":
                part = [list(x) for x in part[0]]
            self.parts = {updates: part}
        return self.parts[updates]

    def call(self, updates):
        train, epochs = self.trainers[self.variant], self.least_epochs(updates)
        self.weights, losses = train(self.weights, self.part(updates), epochs=epochs)
        return losses

    def losses(self, updates, epochs):
        """The loss of each epoch; of predictions the error of each sequence."""
        if self.task.work != "train":
            return self.task.errors(jnp.stack(y) if self.task.work == "step" else y for y in self.predict(updates))
        curve = []
        while len(curve) < epochs:
            curve += self.call(updates).tolist()
        # A batch weighs as much as it has rows.
        rows = [1] * updates if self.task.lengths is None else self.task.lengths[:updates].sum(axis=1).tolist()
        return [sum(a * n for a, n in zip(losses, rows, strict=True)) / sum(rows) for losses in curve[:epochs]]

    def predict(self, updates):
        """The outputs of each batch; of timesteps a list for each sequence."""
        if self.task.work == "predict":
            return [self.predictors[self.variant](self.weights, x) for x in self.part(updates)]
        found = []
        for rows in self.part(updates):
            state, ys = self.start, []
            for x in rows:
                state, y = self.step(self.weights, state, x)
                ys.append(y)
            found.append(ys)
        return found

    def run(self, updates, epochs):
        """`epochs` is a multiple of `least_epochs`."""
        if self.task.work != "train":
            for _ in range(epochs):
                jax.block_until_ready(self.predict(updates))
            return
        for _ in range(epochs // self.least_epochs(updates)):
            self.call(updates)
        jax.block_until_ready(self.weights)


def variants(task):
    """The variants worth a try at the task's sizes."""
    if task.work == "step":
        return ["one step"]
    if task.steps <= SHORT:
        return VARIANTS
    return VARIANTS[2:] if products(task) * task.batch_size > LARGE else VARIANTS[::2]


def products(task):
    """Multiply-adds of a timestep in the recurrent layer, forward."""
    i, h, _ = task.sizes
    return protocol.GATES[task.cell] * h * (i + h)


if __name__ == "__main__":
    protocol.serve(Jax)
