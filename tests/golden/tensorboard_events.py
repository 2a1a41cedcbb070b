"""The bytes that TensorBoard's own classes write, for tests/engine/event_file_test.cpp.

    tests/golden/tensorboard_events.py            writes tests/golden/data/tensorboard_events.json
    tests/golden/tensorboard_events.py --read DIR prints what TensorBoard reads from a run's folder
"""

import argparse
import io
import json
import pathlib
from importlib.metadata import version

from tensorboard.backend.event_processing import event_accumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter


def record(data):
    file = io.BytesIO()
    RecordWriter(file).write(data)
    return file.getvalue()


def write_golden():
    values = [("learning_rate", 0.01), ("train/loss", 1.5), ("val/ap", float("inf"))]
    summary = summary_pb2.Summary(
        value=[summary_pb2.Summary.Value(tag=tag, simple_value=value) for tag, value in values])
    version_event = event_pb2.Event(wall_time=1700000000.25, file_version="brain.Event:2")
    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    session = event_pb2.Event(wall_time=1700000000.5, step=301, session_log=start)
    scalars = event_pb2.Event(wall_time=1700000001.75, step=70000, summary=summary)
    golden = {
        "made_by": f"tensorboard {version('tensorboard')}, protobuf {version('protobuf')}",
        "file_version": version_event.SerializeToString().hex(),
        "session_start": session.SerializeToString().hex(),
        "scalars": scalars.SerializeToString().hex(),
        "scalars_record": record(scalars.SerializeToString()).hex(),
    }
    path = pathlib.Path(__file__).parent / "data/tensorboard_events.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")


def read(folder):
    events = event_accumulator.EventAccumulator(str(folder))
    events.Reload()
    for tag in events.Tags()["scalars"]:
        points = events.Scalars(tag)
        steps = [point.step for point in points]
        assert steps == sorted(set(steps)), f"{tag}: steps {steps}"
        print(f"{tag}: {len(points)} points, last {points[-1].value:.6g} at step {steps[-1]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--read", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.read:
        read(arguments.read)
    else:
        write_golden()
