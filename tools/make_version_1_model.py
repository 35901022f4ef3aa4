"""Writes crates/bptt/tests/data/releases/0.0.1: model files in the first version of the format, as the tool wrote them before
there were other cells (one Elman layer; no `bidirectional`, `dropout`, `loss` or `classes`), and what they predict, computed in
double precision from the definition. Needs numpy."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent.parent / "crates/bptt/tests/data/releases/0.0.1"
I, H = 3, 4


def checksum(entries, tensors):
    covered = struct.pack("<Q", len(entries))
    text = lambda data: struct.pack("<Q", len(data)) + data
    for key in sorted(entries):
        covered += text(key.encode()) + text(entries[key].encode())
    covered += struct.pack("<Q", len(tensors))
    for name in sorted(tensors):
        value = tensors[name]
        tag = {"float32": b"F32", "float64": b"F64"}[value.dtype.name]
        covered += text(name.encode()) + text(tag) + struct.pack("<Q", value.ndim)
        covered += b"".join(struct.pack("<Q", size) for size in value.shape) + text(value.tobytes())
    return f"{zlib.crc32(covered):08x}"


def container(entries, tensors):
    entries = entries | {"crc32": checksum(entries, tensors)}
    header, data = {"__metadata__": dict(sorted(entries.items()))}, b""
    for name in sorted(tensors):
        value = tensors[name]
        tag = {"float32": "F32", "float64": "F64"}[value.dtype.name]
        end = len(data) + value.nbytes
        header[name] = {"dtype": tag, "shape": list(value.shape), "data_offsets": [len(data), end]}
        data += value.tobytes()
    header = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + data


def predict(tensors, activation):
    f = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0), "sigmoid": lambda x: 1 / (1 + np.exp(-x))}[activation]
    w = {name: value.astype(np.float64) for name, value in tensors.items()}
    rows = np.array([k * 5 % 11 / 8.0 - 0.5 for k in range(3 * 7)]).reshape(7, 3)
    outputs = []
    for start, end in [(0, 3), (3, 7)]:
        h = np.zeros(H)
        for x in rows[start:end]:
            h = f(w["weight_ih_l0"] @ x + w["bias_ih_l0"] + w["weight_hh_l0"] @ h + w["bias_hh_l0"])
            outputs += (w["fc.weight"] @ h + w["fc.bias"]).tolist()
    return outputs


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    expected = {}
    for activation, dtype, task in [("tanh", "float32", "regression"), ("relu", "float64", "binary"),
                                    ("sigmoid", "float32", "regression")]:
        draw = lambda *shape: rng.uniform(-0.5, 0.5, shape).astype(dtype)
        tensors = {"weight_ih_l0": draw(H, I), "weight_hh_l0": draw(H, H), "bias_ih_l0": draw(H),
                   "bias_hh_l0": draw(H), "fc.weight": draw(1, H), "fc.bias": draw(1)}
        columns = {"inputs": ["a", "b", "c"], "labels": ["y"], "sequence": "name", "time": "t"}
        scaling = {"kind": "zscore", "offset": [0.5, -1.0, 2.0], "scale": [1.0, 0.25, 4.0]}
        entries = {
            "format": "bptt", "format_version": "1", "cell": "elman", "num_layers": "1", "activation": activation,
            "dtype": dtype, "input_size": str(I), "hidden_size": str(H), "output_size": "1",
            "columns": json.dumps(columns, separators=(",", ":")), "training": '{"epochs":"10"}',
            "input_normalization": json.dumps(scaling, separators=(",", ":")), "task": task, "threshold": "0.5",
        }
        name = f"{activation}.safetensors"
        (FOLDER / name).write_bytes(container(entries, tensors))
        expected[name] = {
            "cell": "elman", "activation": activation, "num_layers": 1, "bidirectional": False, "dropout": 0.0,
            "dtype": dtype, "input_columns": ["a", "b", "c"], "label_columns": ["y"], "sequence_column": "name",
            "time_column": "t", "window": None, "task": task, "loss": None, "classes": [], "threshold": 0.5,
            "input_normalizer": scaling, "label_normalizer": None, "training": {"epochs": "10"},
            "outputs": predict(tensors, activation),
        }
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=2, sort_keys=True) + "\n")


main()
