"""What ONNX Runtime takes for a timestep of the networks of `crates/bptt/examples/05_live_data.rs`.

A session with one thread, the state fed back, called from Python, which is part of the time: once with `run`, once with
bound inputs and outputs that stay where they are, whichever is quicker. Medians of eleven runs of some 20 ms.
"""

import time
from types import SimpleNamespace

import numpy as np
import onnx_rnn
import onnxruntime

NETWORKS = [("elman", 3, 5), ("elman", 8, 32), ("gru", 8, 32), ("lstm", 8, 32), ("elman", 512, 512), ("lstm", 512, 512)]
GATES = {"elman": 1, "gru": 3, "lstm": 4}


def session(cell, inputs, hidden):
    rng = np.random.default_rng(1)
    rows = GATES[cell] * hidden
    shapes = {
        "weight_ih_l0": (rows, inputs),
        "weight_hh_l0": (rows, hidden),
        "bias_ih_l0": (rows,),
        "bias_hh_l0": (rows,),
        "fc.weight": (1, hidden),
        "fc.bias": (1,),
    }
    bound = hidden**-0.5
    weights = {name: rng.uniform(-bound, bound, shape).astype(np.float32) for name, shape in shapes.items()}
    task = SimpleNamespace(sizes=(inputs, hidden, 1), weights=weights, cell=cell, activation="tanh", batch_size=1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(onnx_rnn.model(task), options, providers=["CPUExecutionProvider"])


def with_run(net, names, x, start):
    state = dict(zip([f"{name}_0" for name in names], start, strict=True))

    def step():
        y, *new = net.run(None, {"x": x, **state})
        state.update(zip(state, new, strict=True))
        return y

    return step


def with_binding(net, names, x, start):
    value = onnxruntime.OrtValue.ortvalue_from_numpy
    # Two states, of which each is read to write the other.
    states = [[value(part.copy()) for part in start] for _ in range(2)]
    y = value(np.zeros((1, 1, 1, 1), np.float32))
    bindings = []
    for read, written in (states, states[::-1]):
        binding = net.io_binding()
        binding.bind_ortvalue_input("x", value(x))
        binding.bind_ortvalue_output("y", y)
        for name, before, after in zip(names, read, written, strict=True):
            binding.bind_ortvalue_input(f"{name}_0", before)
            binding.bind_ortvalue_output(f"{name}_n", after)
        bindings.append(binding)

    def step():
        bindings.reverse()
        net.run_with_iobinding(bindings[0])
        return y

    return step


def median_ns(step):
    def run(steps):
        begin = time.perf_counter_ns()
        for _ in range(steps):
            step()
        return (time.perf_counter_ns() - begin) / steps

    steps = int(2e7 / run(100)) + 1
    return sorted(run(steps) for _ in range(11))[5]


def main():
    print(f"onnxruntime {onnxruntime.__version__}\nnetwork                ns per timestep: run, bound")
    for cell, inputs, hidden in NETWORKS:
        net = session(cell, inputs, hidden)
        names = onnx_rnn.states(cell)
        x = np.full((1, 1, inputs), 0.5, np.float32)
        start = [np.zeros((1, 1, hidden), np.float32)] * len(names)
        plain, bound = with_run(net, names, x, start), with_binding(net, names, x, start)
        assert all(plain() == bound().numpy() for _ in range(5)), "both ways take the same steps"
        times = [median_ns(step) for step in (plain, bound)]
        print(f"{cell} {inputs} → {hidden}".ljust(24), *(f"{ns:12,.0f}" for ns in times))


if __name__ == "__main__":
    main()
