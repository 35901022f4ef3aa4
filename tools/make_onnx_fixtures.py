#!/usr/bin/env python3
"""Write the fixtures of crates/bptt/tests/onnx.rs and tests/state_dict.rs.

Needs torch, onnx, onnxscript, onnxruntime, safetensors and numpy; the versions
that were used are in the file `versions.txt` beside the fixtures.

data/onnx/node/NAME/    ONNX's own tests of RNN, GRU and LSTM nodes, as its
                        backend tests have them: model.onnx, and the graph's
                        inputs and outputs, input_0.pb, output_0.pb, ...
data/onnx/graph/NAME/   graphs that torch.onnx.export makes (both exporters) or
                        that are made here by hand: model.onnx, x.pb of
                        (batch, time, features), y.pb of (batch, time, outputs)
data/onnx/refused/NAME/ graphs that are no stack of recurrent layers
data/state_dict/NAME/   state dicts of PyTorch modules: weights.safetensors, and
                        x.pb and y.pb as above

Names, source lines and the like, which torch.onnx.export writes too, are taken
out of its files, so that they say nothing about the machine.
"""

import pathlib
import shutil
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases
from safetensors.torch import save_file
from torch import nn

DATA = pathlib.Path(__file__).resolve().parent.parent / "crates/bptt/tests/data"


def write_tensor(path, values):
    path.write_bytes(numpy_helper.from_array(np.asarray(values)).SerializeToString())


def folder(*names):
    path = DATA.joinpath(*names)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


# ONNX's own node tests.


def node_tests():
    np.random.seed(0)
    with warnings.catch_warnings(action="ignore"):
        cases = collect_testcases(None)
    for case in cases:
        operators = [node.op_type for node in case.model.graph.node]
        if case.kind != "node" or operators not in [["RNN"], ["GRU"], ["LSTM"]]:
            continue
        path = folder("onnx", "node", case.name.removesuffix("_cpu"))
        (path / "model.onnx").write_bytes(clean(case.model).SerializeToString())
        [(inputs, outputs)] = case.data_sets
        for kind, values in [("input", inputs), ("output", outputs)]:
            for at, value in enumerate(values):
                write_tensor(path / f"{kind}_{at}.pb", value)


# Graphs from PyTorch.


class Net(nn.Module):
    def __init__(self, cell, sizes, layers=1, both=False, first=True, **options):
        super().__init__()
        inputs, hidden, outputs = sizes
        options |= {"batch_first": first, "bidirectional": both}
        self.rnn = cell(inputs, hidden, layers, **options)
        self.fc = nn.Linear(hidden * (1 + both), outputs)

    def forward(self, x):
        return self.fc(self.rnn(x)[0])


class WithState(Net):
    """Takes and returns the state; says a probability."""

    def forward(self, x, h):
        y, h = self.rnn(x, h)
        return torch.sigmoid(self.fc(y)), h


def clean(model):
    del model.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    del model.graph.metadata_props[:], model.graph.value_info[:]
    for part in [*model.graph.node, *model.graph.initializer]:
        del part.metadata_props[:]
        part.doc_string = ""
    for value in [*model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
        value.doc_string = ""
    return model


def from_torch(name, net, x, dynamo, dynamic=True, arguments=(), kind="graph", **options):
    path = folder("onnx", kind, name)
    net = net.eval()
    batch, time = (0, 1) if net.rnn.batch_first else (1, 0)
    names = {batch: "batch", time: "time"}
    if dynamic and dynamo:
        dims = {axis: torch.export.Dim(name) for axis, name in names.items()}
        options["dynamic_shapes"] = (dims, *({1: dims[batch]} for _ in arguments))
    elif dynamic:
        options["dynamic_axes"] = {"x": names, "h": {1: "batch"}}
    inputs = ["x", "h"][: 1 + len(arguments)]
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            net, (x, *arguments), path / "model.onnx", input_names=inputs,
            dynamo=dynamo, external_data=False, verbose=False, **options
        )  # fmt: skip
    model = clean(onnx.load(path / "model.onnx"))
    onnx.checker.check_model(model, full_check=True)
    (path / "model.onnx").write_bytes(model.SerializeToString())
    with torch.no_grad():
        y = net(x, *arguments)
    y = y[0] if arguments else y
    order = (0, 1, 2) if net.rnn.batch_first else (1, 0, 2)
    write_tensor(path / "x.pb", x.permute(order).numpy())
    write_tensor(path / "y.pb", y.permute(order).numpy())


def torch_graphs():
    torch.manual_seed(0)
    x = torch.randn(2, 5, 3)
    lstm = Net(nn.LSTM, (3, 4, 2), layers=2, both=True)
    gru = Net(nn.GRU, (3, 5, 1), layers=2, first=False)
    relu = WithState(nn.RNN, (3, 4, 2), nonlinearity="relu")
    for dynamo in [False, True]:
        kind = "dynamo" if dynamo else "script"
        from_torch(f"torch-lstm-2-both-{kind}", lstm, x, dynamo)
        from_torch(f"torch-gru-2-{kind}", gru, x, dynamo)
    from_torch("torch-rnn-state-script", relu, x, False, arguments=(torch.zeros(1, 2, 4),))
    fixed = Net(nn.RNN, (3, 4, 2), layers=2, both=True)
    from_torch("torch-rnn-2-both-fixed-script", fixed, x[:1], False, dynamic=False)
    # The newer exporter makes single steps of an nn.RNN, which are no layer any more.
    from_torch("torch-rnn-unrolled", fixed, x[:1], True, dynamic=False, kind="refused")
    # Weights as they are in the module, rearranged by nodes.
    from_torch("torch-gru-unfolded", gru, x, False, do_constant_folding=False)


# Graphs made by hand.


def by_hand(name, nodes, constants, x, opset=14, inputs=(), feeds=(), fixed=False):
    """A graph from `x` (batch, time, features) to `y`, run by ONNX Runtime."""
    path = folder("onnx", "graph", name)
    shape = x.shape if fixed else ["b", "t", x.shape[2]]
    declared = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", "t", None])
    graph = helper.make_graph(nodes, name, declared + list(inputs), [output], constants)
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    (path / "model.onnx").write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(model.SerializeToString())
    [y] = session.run(["y"], {"x": x, **dict(feeds)})
    write_tensor(path / "x.pb", x)
    write_tensor(path / "y.pb", y)


def typed(name, values):
    """A tensor whose numbers are in the field of their type, not in `raw_data`."""
    kind = helper.np_dtype_to_tensor_dtype(values.dtype)
    return helper.make_tensor(name, kind, values.shape, values.ravel().tolist())


def hand_made_graphs():
    rng = np.random.default_rng(0)
    numbers = lambda *shape: rng.standard_normal(shape).astype(np.float32) * 0.5
    node, raw = helper.make_node, numpy_helper.from_array
    x = numbers(2, 6, 3)
    turn = lambda a, b: node("Transpose", [a], [b], perm=[1, 0, 2])

    # Backwards only, then forwards; states of a size of their own; Gemm on rows.
    weights = {"W0": (1, 12, 3), "R0": (1, 12, 4), "W1": (1, 12, 4), "R1": (1, 12, 4)}
    weights |= {"B1": (1, 24), "F": (2, 4), "f": (2,)}
    constants = [typed(name, numbers(*shape)) for name, shape in weights.items()]
    shapes = {"one": [1], "rows": [-1, 4], "lengths": [6, 2, 2]}
    constants += [typed(name, np.array(value, np.int64)) for name, value in shapes.items()]
    gru = dict(hidden_size=4, linear_before_reset=1)
    by_hand("hand-gru-reverse-gemm", [
        turn("x", "a"),
        node("GRU", ["a", "W0", "R0"], ["b"], direction="reverse", **gru),
        node("Squeeze", ["b", "one"], ["c"]),
        node("GRU", ["c", "W1", "R1", "B1"], ["d"], **gru),
        node("Squeeze", ["d", "one"], ["e"]),
        node("Reshape", ["e", "rows"], ["g"]),
        node("Gemm", ["g", "F", "f"], ["h"], transB=1),
        node("Reshape", ["h", "lengths"], ["i"]),
        turn("i", "y"),
    ], constants, x, fixed=True)  # fmt: skip

    # Weights from Constant nodes, scaling, lengths, softmax, and no biases.
    constant = lambda name, value: node("Constant", [], [name], value=raw(value, name))
    lengths = helper.make_tensor_value_info("lengths", TensorProto.INT32, ["b"])
    by_hand("hand-lstm-scaled-softmax", [
        constant("offset", np.array([[0.5, 0, -1]], np.float32)),
        constant("scale", np.array([2, 1, 0.25], np.float32)),
        node("Sub", ["x", "offset"], ["shifted"]),
        node("Div", ["shifted", "scale"], ["scaled"]),
        turn("scaled", "a"),
        constant("W", numbers(1, 20, 3)),
        constant("R", numbers(1, 20, 5)),
        node("LSTM", ["a", "W", "R", "", "lengths"], ["b", "h", "c"], hidden_size=5),
        node("Squeeze", ["b"], ["d"], axes=[1]),
        constant("F", numbers(5, 3)),
        node("MatMul", ["d", "F"], ["e"]),
        node("Softmax", ["e"], ["g"], axis=2),
        turn("g", "y"),
    ], [], x, 11, [lengths], [("lengths", np.array([6, 6], np.int32))])  # fmt: skip

    # A sigmoid network, its labels scaled.
    by_hand("hand-rnn-sigmoid-labels", [
        turn("x", "a"),
        constant("W", numbers(1, 4, 3)),
        constant("R", numbers(1, 4, 4)),
        constant("B", numbers(1, 8)),
        node("RNN", ["a", "W", "R", "B"], ["b"], hidden_size=4, activations=["Sigmoid"]),
        node("Squeeze", ["b", "one"], ["c"]),
        turn("c", "d"),
        constant("F", numbers(4, 2)),
        node("MatMul", ["d", "F"], ["e"]),
        constant("f", numbers(2)),
        node("Add", ["f", "e"], ["g"]),
        constant("stretch", np.array([100, 3], np.float32)),
        node("Mul", ["g", "stretch"], ["h"]),
        constant("shift", np.array([20, -7], np.float32)),
        node("Add", ["h", "shift"], ["y"]),
    ], [typed("one", np.array([1], np.int64))], x)  # fmt: skip

    # GRUs as ONNX has them where nothing else is said: the reset gate acts before the product.
    weights = {"W0": (2, 12, 3), "R0": (2, 12, 4), "B0": (2, 24), "W1": (2, 12, 8), "R1": (2, 12, 4)}
    weights |= {"B1": (2, 24), "F": (8, 2), "f": (2,)}
    constants = [typed(name, numbers(*shape)) for name, shape in weights.items()]
    constants.append(typed("joined", np.array([0, 0, 8], np.int64)))
    both = dict(hidden_size=4, direction="bidirectional")
    by_hand("hand-gru-reset-before-2-both", [
        turn("x", "a"),
        node("GRU", ["a", "W0", "R0", "B0"], ["b"], **both),
        node("Transpose", ["b"], ["c"], perm=[0, 2, 1, 3]),
        node("Reshape", ["c", "joined"], ["d"]),
        node("GRU", ["d", "W1", "R1", "B1"], ["e"], linear_before_reset=0, **both),
        node("Transpose", ["e"], ["g"], perm=[0, 2, 1, 3]),
        node("Reshape", ["g", "joined"], ["h"]),
        node("MatMul", ["h", "F"], ["i"]),
        node("Add", ["i", "f"], ["j"]),
        turn("j", "y"),
    ], constants, x)  # fmt: skip

    weights = {"W0": (1, 15, 3), "R0": (1, 15, 5), "B0": (1, 30), "W1": (1, 15, 5), "R1": (1, 15, 5)}
    constants = [typed(name, numbers(*shape)) for name, shape in (weights | {"F": (5, 1)}).items()]
    constants.append(typed("one", np.array([1], np.int64)))
    by_hand("hand-gru-reset-before-reverse", [
        turn("x", "a"),
        node("GRU", ["a", "W0", "R0", "B0"], ["b"], hidden_size=5),
        node("Squeeze", ["b", "one"], ["c"]),
        node("GRU", ["c", "W1", "R1"], ["d"], hidden_size=5, direction="reverse"),
        node("Squeeze", ["d", "one"], ["e"]),
        node("MatMul", ["e", "F"], ["g"]),
        turn("g", "y"),
    ], constants, x)  # fmt: skip


# State dicts.


class Named(nn.Module):
    def __init__(self, recurrent, linear):
        super().__init__()
        self.encoder, self.head = recurrent, linear


def state_dict(name, recurrent, linear, tensors):
    path = folder("state_dict", name)
    save_file({key: value.detach().clone() for key, value in tensors.items()}, path / "weights.safetensors")
    kind = linear.weight.dtype
    x = torch.randn(3, 7, recurrent.input_size, dtype=kind)
    with torch.no_grad():
        y = linear(recurrent(x)[0])
    write_tensor(path / "x.pb", x.numpy())
    write_tensor(path / "y.pb", y.numpy())


def state_dicts():
    torch.manual_seed(1)
    for kind, dtype in [("f32", torch.float32), ("f64", torch.float64)]:
        options = dict(batch_first=True, dtype=dtype)
        rnn = nn.RNN(3, 5, nonlinearity="relu", **options)
        fc = nn.Linear(5, 1, dtype=dtype)
        plain = {**rnn.state_dict(), **{f"fc.{k}": v for k, v in fc.state_dict().items()}}
        state_dict(f"rnn-relu-{kind}", rnn, fc, plain)
        gru = nn.GRU(2, 4, 2, bidirectional=True, **options)
        fc = nn.Linear(8, 3, dtype=dtype)
        state_dict(f"gru-2-both-{kind}", gru, fc, Named(gru, fc).state_dict())
        lstm = nn.LSTM(1, 6, 3, bias=False, **options)
        fc = nn.Linear(6, 2, bias=False, dtype=dtype)
        state_dict(f"lstm-3-unbiased-{kind}", lstm, fc, Named(lstm, fc).state_dict())


def main():
    node_tests()
    torch_graphs()
    hand_made_graphs()
    state_dicts()
    versions = f"torch {torch.__version__}, onnx {onnx.__version__}, ONNX Runtime {onnxruntime.__version__}"
    for name in ["onnx", "state_dict"]:
        (DATA / name / "versions.txt").write_text(f"Made by tools/make_onnx_fixtures.py with {versions}.\n")


if __name__ == "__main__":
    main()
