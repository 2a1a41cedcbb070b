#!/usr/bin/env python3
"""Speed and memory of Kestrel beside PyTorch: resident processes, called in turn, on the same weights and inputs.

Example:
  bench/compare_torch.py --kestrel build/release/bench/kestrel_bench_server --peer /usr/bin/python3 --out /tmp/compare

Sides: Kestrel's server (--kestrel), this Python's PyTorch, and one more PyTorch per --peer PYTHON (for instance Debian's
python3-torch). For each task every side gets a process of its own, so that its peak RSS is that task's. Processes stay
resident; after the warm-up rounds each round asks every side once, in an order that rotates. Reported are the medians and
minima over the rounds, the median of the per-round ratios to Kestrel, and peak RSS. Only the ratios mean something on a
shared machine.

Tasks: infer <dtype> <height> <width>             one image, preprocessed already, to detections after NMS; no gradients
       train <dtype> <images> <height> <width>    forward in train mode, losses, backward, SGD step (momentum, weight decay)
       nms <boxes>                                class-agnostic NMS at IoU 0.5 of random boxes
The model is torchvision's retinanet_resnet50_fpn (91 classes, FrozenBatchNorm2d, every convolution trained), with the
weights of tests/golden/retinanet_torchvision.py, so that a few hundred scores pass the threshold. bf16 means autocast with
float32 weights on PyTorch's side.

The protocol of a server (one line in, one line out, on stdin and stdout; anything may go to stderr):
  setup <directory> <threads>       ->  ok <name and version, free text>
      the directory holds model.safetensors: torchvision's names, float32, OIHW;
      inputs.safetensors: boxes (20000, 4) and scores (20000), float32; images_<n>_<h>_<w> (n, 3, h, w) float32, normalised;
      gt_boxes_<n>_<h>_<w> (n, 8, 4) float32 and gt_labels_<n>_<h>_<w> (n, 8) int64 (each image's eight objects)
  infer <fp32|bf16> <h> <w>         ->  ms <milliseconds> <number of detections>    (image: images_1_<h>_<w>)
  train <fp32|bf16> <n> <h> <w>     ->  ms <milliseconds> <loss before the step>
  nms <count>                       ->  ms <milliseconds> <number kept>             (the first `count` boxes)
  rss                               ->  mib <peak resident memory of the process so far>
  quit                              ->  (the process ends)
A line that cannot be served is answered by: error <text>
The last value of an answer lets the script check that all sides did the same work.
"""
import argparse
import json
import os
import platform
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TASKS = ("infer fp32 800 1344", "infer bf16 800 1344", "train fp32 2 320 320", "train bf16 2 320 320",
         "train fp32 1 800 1344", "train bf16 1 800 1344", "nms 20000")
SGD = dict(lr=1e-4, momentum=0.9, weight_decay=1e-4)
DTYPES = {"F32": "float32", "I64": "int64"}


def golden():
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "golden"))
    import retinanet_torchvision
    return retinanet_torchvision


def write_safetensors(path, tensors):
    """tensors: {name: numpy array}. Written here because an old Python may lack the package."""
    header, offset = {}, 0
    for name, array in tensors.items():
        dtype = next(key for key, value in DTYPES.items() if value == str(array.dtype))
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(array.tobytes())


def read_safetensors(path):
    import numpy
    data = Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    result = {}
    for name, item in header.items():
        first, last = (8 + length + x for x in item["data_offsets"])
        result[name] = numpy.frombuffer(data[first:last], DTYPES[item["dtype"]]).reshape(item["shape"]).copy()
    return result


def write_inputs(directory, tasks):
    """The files of `setup`. Needs PyTorch; runs in a process of its own."""
    import numpy
    reference = golden()
    case = reference.CASES["r50_frozen"]
    model = reference.build(case)
    reference.fill(model, case)
    write_safetensors(directory / "model.safetensors", {k: v.numpy() for k, v in model.state_dict().items()})
    random = numpy.random.default_rng(20261121)
    corners = random.uniform(0, 1000, (20000, 2))
    inputs = {"boxes": numpy.concatenate((corners, corners + random.uniform(8, 128, (20000, 2))), 1).astype("float32"),
              "scores": random.permutation(20000).astype("float32") / 20000}
    shapes = set()
    for task in tasks:
        words = task.split()
        if words[0] != "nms":
            shapes.add(tuple(int(x) for x in (["1"] + words[2:] if words[0] == "infer" else words[2:])))
    for n, h, w in sorted(shapes):
        size = random.uniform(0.1, 0.5, (n, 8, 2)) * [w, h]
        corner = random.uniform(0, 1, (n, 8, 2)) * ([w, h] - size)
        boxes = numpy.concatenate((corner, corner + size), 2).round().astype("float32")
        images = random.standard_normal((n, 3, h, w), "float32") * numpy.float32(0.5)
        for image, objects in zip(images, boxes.astype(int)):
            for x1, y1, x2, y2 in objects:
                image[:, y1:y2, x1:x2] += random.uniform(-2, 2, (3, 1, 1)).astype("float32")
        name = f"{n}_{h}_{w}"
        inputs.update({f"images_{name}": images, f"gt_boxes_{name}": boxes,
                       f"gt_labels_{name}": random.integers(0, case["classes"], (n, 8))})
    write_safetensors(directory / "inputs.safetensors", inputs)


class TorchServer:
    """PyTorch's side of the protocol."""

    def setup(self, directory, threads):
        import torch
        import torchvision
        self.torch, self.torchvision = torch, torchvision
        torch.set_num_threads(int(threads))
        self.directory = Path(directory)
        self.inputs = {k: torch.from_numpy(v) for k, v in read_safetensors(self.directory / "inputs.safetensors").items()}
        self.model = None
        return f"ok PyTorch {torch.__version__}, torchvision {torchvision.__version__}, {threads} threads"

    def prepare(self, training):
        if self.model is None:
            torch, reference = self.torch, golden()
            self.model = reference.build(reference.CASES["r50_frozen"])
            weights = read_safetensors(self.directory / "model.safetensors")
            self.model.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
            if training:
                for parameter in self.model.parameters():
                    parameter.requires_grad_(True)
                self.optimizer = torch.optim.SGD(self.model.parameters(), **SGD)
        self.model.train(training)

    def autocast(self, dtype):
        return self.torch.autocast("cpu", self.torch.bfloat16, enabled=dtype == "bf16")

    def infer(self, dtype, height, width):
        self.prepare(False)
        image = self.inputs[f"images_1_{height}_{width}"][0]
        started = time.perf_counter()
        with self.torch.no_grad(), self.autocast(dtype):
            detections = self.model([image])[0]
        return time.perf_counter() - started, len(detections["scores"])

    def train(self, dtype, count, height, width):
        self.prepare(True)
        name = f"{count}_{height}_{width}"
        images = list(self.inputs[f"images_{name}"])
        targets = [{"boxes": b, "labels": l}
                   for b, l in zip(self.inputs[f"gt_boxes_{name}"], self.inputs[f"gt_labels_{name}"])]
        started = time.perf_counter()
        with self.autocast(dtype):
            losses = self.model(images, targets)
            loss = losses["classification"] + losses["bbox_regression"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return time.perf_counter() - started, loss.item()

    def nms(self, count):
        boxes, scores = self.inputs["boxes"][:int(count)], self.inputs["scores"][:int(count)]
        started = time.perf_counter()
        keep = self.torchvision.ops.nms(boxes, scores, 0.5)
        return time.perf_counter() - started, len(keep)

    def serve(self):
        for line in sys.stdin:
            command, *words = line.split()
            try:
                if command == "quit":
                    return
                if command == "setup":
                    answer = self.setup(*words)
                elif command == "rss":
                    answer = f"mib {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f}"
                else:
                    seconds, value = {"infer": self.infer, "train": self.train, "nms": self.nms}[command](*words)
                    answer = f"ms {seconds * 1000:.3f} {value}"
            except Exception as error:
                answer = f"error {type(error).__name__}: {' '.join(str(error).split())}"
            print(answer, flush=True)


class Side:
    """A resident server process."""

    def __init__(self, label, command, directory, threads):
        self.label = label
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.version = self.ask(f"setup {directory} {threads}", "ok")

    def ask(self, line, expected):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer.startswith(expected + " "):
            raise RuntimeError(f"{self.label} answered `{line}` with `{answer or 'nothing: the process ended'}`")
        return answer[len(expected) + 1:]

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.write("quit\n")
            self.process.stdin.close()
            self.process.wait()


def measure(task, sides, directory, args):
    """{label: {"ms": [...], "value": ..., "rss": ..., "version": ...}}; a side that fails has "error" instead."""
    open_sides, results = [], {}
    for label, command in sides.items():
        try:
            open_sides.append(Side(label, command, directory, args.threads))
            results[label] = {"version": open_sides[-1].version, "ms": []}
        except (OSError, RuntimeError) as error:
            results[label] = {"error": str(error)}
    for round_index in range(args.warmup + args.rounds):
        turn = round_index % max(len(open_sides), 1)
        for side in open_sides[turn:] + open_sides[:turn]:
            if "error" in results[side.label]:
                continue
            try:
                milliseconds, value = side.ask(task, "ms").split()
                results[side.label].setdefault("value", float(value))
                if round_index >= args.warmup:
                    results[side.label]["ms"].append(float(milliseconds))
            except (OSError, RuntimeError) as error:
                results[side.label] = {"error": str(error)}
    for side in open_sides:
        if "error" not in results[side.label]:
            results[side.label]["rss"] = float(side.ask("rss", "mib"))
        side.close()
    return results


def summarise(results):
    ours = results.get("kestrel", {}).get("ms")
    for result in results.values():
        if result.get("ms"):
            result["median_ms"], result["min_ms"] = statistics.median(result["ms"]), min(result["ms"])
            if ours:
                result["ratio"] = statistics.median(theirs / mine for theirs, mine in zip(result["ms"], ours))


def markdown(report):
    lines = ["| task | side | median ms | min ms | ratio to Kestrel | peak RSS MiB | check |", "|---|---|---|---|---|---|---|"]
    for task, results in report["tasks"].items():
        for label, r in results.items():
            if "error" in r:
                lines.append(f"| {task} | {label} | {r['error']} | | | | |")
            else:
                ratio = f"{r['ratio']:.2f}" if "ratio" in r else ""
                lines.append(f"| {task} | {label} | {r['median_ms']:.1f} | {r['min_ms']:.1f} | {ratio} | {r['rss']:.0f} | "
                             f"{r['value']:.6g} |")
    versions = {label: r["version"] for results in report["tasks"].values() for label, r in results.items() if "version" in r}
    lines += ["", f"{report['rounds']} rounds after {report['warmup']} to warm up, {report['threads']} threads, {report['cpu']}; "
              f"load average at the start {report['load_average']}."]
    return "\n".join(lines + [f"{label}: {version}." for label, version in versions.items()]) + "\n"


def cpu_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{line.split(':')[1].strip()}, {os.cpu_count()} CPUs"
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--kestrel", type=Path, help="Kestrel's server program (left out: the peers only)")
    add("--peer", action="append", default=[], metavar="PYTHON", help="another Python with PyTorch; may be repeated")
    add("--no-self", action="store_true", help="leave out the PyTorch of the Python that runs this script")
    add("--task", action="append", metavar="TASK", help=f"may be repeated; default: {'; '.join(TASKS)}")
    add("--rounds", type=int, default=9)
    add("--warmup", type=int, default=2)
    add("--threads", type=int, default=2)
    add("--out", type=Path, help="directory for compare_torch.json and compare_torch.md (default: print only)")
    add("--serve", action="store_true", help=argparse.SUPPRESS)
    add("--write-inputs", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return TorchServer().serve()
    tasks = args.task or TASKS
    if args.write_inputs:
        return write_inputs(args.write_inputs, tasks)

    script = str(Path(__file__).resolve())
    sides = {"kestrel": [str(args.kestrel)]} if args.kestrel else {}
    if not args.no_self:
        sides["torch"] = [sys.executable, script, "--serve"]
    for index, python in enumerate(args.peer):
        sides["torch-peer" + (str(index + 1) if len(args.peer) > 1 else "")] = [python, script, "--serve"]
    report = {"rounds": args.rounds, "warmup": args.warmup, "threads": args.threads, "cpu": cpu_name(),
              "load_average": [round(x, 2) for x in os.getloadavg()], "tasks": {}}
    with tempfile.TemporaryDirectory(prefix="kestrel_compare_") as directory:
        subprocess.run([sys.executable, script, "--write-inputs", directory] + [f"--task={task}" for task in tasks], check=True)
        for task in tasks:
            report["tasks"][task] = measure(task, sides, directory, args)
            summarise(report["tasks"][task])
            print(task, {k: r.get("error") or round(r["median_ms"], 1) for k, r in report["tasks"][task].items()},
                  file=sys.stderr, flush=True)
            if args.out:  # after every task: a long comparison that is cut off keeps what it has
                args.out.mkdir(parents=True, exist_ok=True)
                (args.out / "compare_torch.json").write_text(json.dumps(report, indent=1) + "\n")
                (args.out / "compare_torch.md").write_text(markdown(report))
    print(markdown(report))


if __name__ == "__main__":
    main()
