"""ONNX Runtime: predictions only, of a model that is the operator RNN, GRU or LSTM and a product of matrices."""

import numpy as np
import onnx
import onnxruntime
import protocol
from onnx import TensorProto, helper, numpy_helper

OPERATORS = {"elman": "RNN", "gru": "GRU", "lstm": "LSTM"}
# Where ONNX has which of PyTorch's gates: GRU z r n, LSTM i o f g.
ORDER = {"elman": [0], "gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}
OPSET = 17


def reorder(cell, values, hidden):
    blocks = values.reshape(-1, hidden, *values.shape[1:])
    return blocks[ORDER[cell]].reshape(values.shape)


def model(task):
    """The network as a file in memory: x (T, B, I), states (1, B, H) to y (T, 1, B, O), states."""
    i, h, o = task.sizes
    w = task.weights
    gates = {name: reorder(task.cell, values, h) for name, values in w.items() if name.endswith("_l0")}
    constants = {
        "W": gates["weight_ih_l0"][None],
        "R": gates["weight_hh_l0"][None],
        "B": np.concatenate([gates["bias_ih_l0"], gates["bias_hh_l0"]])[None],
        "fc_weight": w["fc.weight"].T,
        "fc_bias": w["fc.bias"],
    }
    names = states(task.cell)
    options = {"hidden_size": h}
    if task.cell == "elman":
        options["activations"] = [task.activation.capitalize()]
    if task.cell == "gru":
        options["linear_before_reset"] = 1
    layer = helper.make_node(
        OPERATORS[task.cell],
        ["x", "W", "R", "B", "", *[f"{name}_0" for name in names]],
        ["states", *[f"{name}_n" for name in names]],
        **options,
    )
    nodes = [
        layer,
        helper.make_node("MatMul", ["states", "fc_weight"], ["product"]),
        helper.make_node("Add", ["product", "fc_bias"], ["y"]),
    ]
    shape = [1, task.batch_size, h]

    def info(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "network",
        [info("x", ["T", task.batch_size, i]), *[info(f"{name}_0", shape) for name in names]],
        [info("y", ["T", 1, task.batch_size, o]), *[info(f"{name}_n", shape) for name in names]],
        [numpy_helper.from_array(np.ascontiguousarray(values), name) for name, values in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def states(cell):
    return ["h", "c"] if cell == "lstm" else ["h"]


class OnnxRuntime:
    def __init__(self, task):
        if task.work == "train" or task.dtype != "f32" or task.lengths is not None:
            raise protocol.Skip("ONNX Runtime predicts in f32, sequences of equal lengths")
        self.task = task
        self.variants = ["run"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = task.threads
        options.inter_op_num_threads = 1
        # Without it, its threads keep the others waiting for a processor.
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if task.threads > 1 else "0")
        self.session = onnxruntime.InferenceSession(model(task), options, providers=["CPUExecutionProvider"])
        self.names = states(task.cell)
        self.start = [np.zeros((1, task.batch_size, task.sizes[1]), np.float32)] * len(self.names)

    @staticmethod
    def product(size, dtype, threads):
        raise protocol.Skip("the product of matrices is PyTorch's")

    def about(self):
        version = f"onnxruntime {onnxruntime.__version__}"
        return {"threads": self.task.threads, "version": version, "variant": "run"}

    def choose(self, variant):
        pass

    def reset(self):
        pass

    def least_epochs(self, updates):
        return 1

    def call(self, x, state):
        inputs = {f"{name}_0": value for name, value in zip(self.names, state, strict=True)}
        y, *state = self.session.run(None, {"x": x, **inputs})
        return y, state

    def predict(self, x):
        """The outputs of a batch: a list of arrays, in one call or one for each timestep."""
        if self.task.work == "predict":
            return [self.call(x, self.start)[0]]
        found, state = [], self.start
        for row in x[:, None]:
            y, state = self.call(row, state)
            found.append(y)
        return found

    def losses(self, updates, epochs):
        """The error of each sequence."""
        outputs = (np.concatenate(self.predict(x))[:, 0] for x in self.task.features[:updates])
        return self.task.errors(outputs)

    def run(self, updates, epochs):
        for _ in range(epochs):
            for x in self.task.features[:updates]:
                self.predict(x)


if __name__ == "__main__":
    protocol.serve(OnnxRuntime)
