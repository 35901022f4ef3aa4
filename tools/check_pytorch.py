#!/usr/bin/env python3
"""Run docs/pytorch.md: what stands there is what happens.

The pieces of Python in the page are run as they stand, and with the other cells,
between runs of the tool, in a folder of their own, and then

- the network that PyTorch loads from a bptt file predicts what bptt does, on the
  data's own scale, in f32 (to 1e-6 of the label's scale) and in f64 (to 1e-12);
- a PyTorch network predicts what bptt does with the file imported from it;
- a model that goes to PyTorch and comes back with `--like` is the same, byte for
  byte.

    python tools/check_pytorch.py target/release/bptt

needs torch, safetensors and numpy.
"""

import csv
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs/pytorch.md"
MODULES = {"elman": "RNN", "gru": "GRU", "lstm": "LSTM"}


class Tool:
    def __init__(self, path):
        self.path = path

    def __call__(self, line):
        words = [self.path, *line.split()]
        result = subprocess.run(words, capture_output=True, text=True, check=False)
        if result.returncode:
            sys.exit(f"bptt {line}: {result.stderr}")
        return result.stdout


def commands(page):
    """The lines of the page that run the tool."""
    return re.findall(r"^    bptt (.*)$", page, re.MULTILINE)


def compare(what, found, expected, tolerance):
    found, expected = found.double(), expected.double()
    worst = ((found - expected).abs() / expected.abs().clamp(min=1.0)).max().item()
    if not worst <= tolerance:
        sys.exit(f"{what}: differs by {worst}")
    print(f"{what}: differs by {worst:.1e} at most")


def predictions(bptt, model, data, column):
    """One list per sequence of what `bptt predict` says."""
    found = {}
    for row in csv.DictReader(bptt(f"predict {model} {data}").splitlines()):
        found.setdefault(row[column], []).append([float(row["prediction"])])
    return {name: torch.tensor(rows, dtype=torch.float64) for name, rows in found.items()}


def features(data, names, column):
    found = {}
    with open(data) as file:
        for row in csv.DictReader(file):
            found.setdefault(row[column], []).append([float(row[name]) for name in names])
    return {name: torch.tensor(rows, dtype=torch.float64) for name, rows in found.items()}


def to_pytorch(bptt, page, blocks, cell, dtype, tolerance):
    train, *_ = commands(page)
    bptt(f"{train.replace('gru', cell)} --epochs 5 --dtype {dtype}")
    load, scale = blocks[:2]
    # The page shows a GRU.
    load = load.replace("torch.nn.GRU", f"torch.nn.{MODULES[cell]}")
    if dtype == "f64":
        # The page shows f32, the tool's default.
        load = load.replace("batch_first=True", "batch_first=True, dtype=torch.float64")
        load = load.replace("Linear(32, 1)", "Linear(32, 1, dtype=torch.float64)")
    scope = {}
    exec(load, scope)
    exec(scale, scope)
    bptt("example weather -o weather.csv")
    names = scope["json"].loads(scope["about"]["columns"])
    said = predictions(bptt, "model.safetensors", "weather.csv", names["sequence"])
    unit = scope["y_scale"]
    with torch.no_grad():
        for name, x in features("weather.csv", names["inputs"], names["sequence"]).items():
            found = scope["predict_unscaled"](x[None])[0]
            said[name] = torch.stack([found, said[name]]) / unit
    both = torch.cat(list(said.values()), dim=1)
    compare(f"bptt to PyTorch, {cell}, {dtype}", both[0], both[1], tolerance)
    # There and back again.
    weights = {("fc." if m is scope["fc"] else "rnn.") + name: value for m in (scope["rnn"], scope["fc"])
               for name, value in m.state_dict().items()}  # fmt: skip
    save_file(weights, "there.safetensors")
    bptt("import pytorch there.safetensors --like model.safetensors -o back.safetensors")
    if pathlib.Path("back.safetensors").read_bytes() != pathlib.Path("model.safetensors").read_bytes():
        sys.exit(f"{cell}, {dtype}: the model that came back is another")
    print(f"bptt to PyTorch and back, {cell}, {dtype}: the same bytes")


def from_pytorch(bptt, page, blocks, cell, dtype, tolerance):
    # The page shows an LSTM in f32.
    make = blocks[2].replace("torch.nn.LSTM", f"torch.nn.{MODULES[cell]}")
    relu = cell == "elman" and dtype == "f64"
    if relu:
        make = make.replace("batch_first=True", 'batch_first=True, nonlinearity="relu"')
    number = {"f32": torch.float32, "f64": torch.float64}[dtype]
    scope = {}
    exec(make.replace("net = Net()", f"net = Net().to({number})"), scope)
    _, take, *_ = [line for line in commands(page) if not line.startswith("inspect")]
    bptt(take + (" --activation relu" if relu else ""))
    x = torch.randn(4, 6, 3).to(number)
    rows = ["name,a,b,c"]
    for name, sequence in zip("pqrs", x):
        rows += [",".join([name, *(repr(value.item()) for value in row)]) for row in sequence]
    pathlib.Path("data.csv").write_text("\n".join(rows) + "\n")
    said = predictions(bptt, "imported.safetensors", "data.csv", "name")
    net = scope["net"].eval()
    with torch.no_grad():
        y = net.fc(net.rnn(x)[0])
    compare(f"PyTorch to bptt, {cell}, {dtype}", torch.stack(list(said.values())), y, tolerance)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    bptt = Tool(pathlib.Path(sys.argv[1]).resolve())
    page = PAGE.read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    if len(blocks) != 3 or any(len(block.strip().splitlines()) > 11 for block in blocks):
        sys.exit("expected three short pieces of Python in docs/pytorch.md")
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for cell in MODULES:
            for dtype, tolerance in [("f32", 1e-6), ("f64", 1e-12)]:
                to_pytorch(bptt, page, blocks, cell, dtype, tolerance)
                from_pytorch(bptt, page, blocks, cell, dtype, tolerance)
        os.chdir("/")


if __name__ == "__main__":
    main()
