#!/usr/bin/env python3
"""How much of its speed a training loop keeps in a hard minute of its monitor.

    scripts/hard_minute.py [--loops 4] [--pairs 1] [--seconds 60] [--every 100]

Runs the example busy next to busy loops, by turns without a monitor and with one that gets 1000 values at
each step, 100 new names in the middle, and a disk that hangs, is full, and works again. Prints the steps of
both and their ratio, and checks that the files are whole: a row for each step that is not counted as lost.
Build first: cargo build --release --no-default-features --example busy
"""
import argparse
import csv
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "..", "target"))
PROGRAM = os.path.join(TARGET, "release", "examples", "busy")
HARD = ["--scalars", "1000", "--late", "100", "--bad-disk", "--every"]


def train(options):
    """The steps of a run, and what it says."""
    process = subprocess.run([PROGRAM, *options], capture_output=True, text=True)
    if process.returncode != 0:
        sys.exit(f"{' '.join(options)}: status {process.returncode}\n{process.stderr}")
    return int(re.search(r"steps (\d+)", process.stdout.splitlines()[-1])[1]), process.stdout.strip()


def check(run, steps, lost):
    """Every row of metrics.csv is whole; the steps that are not there are those that are counted as lost."""
    with open(os.path.join(run, "metrics.csv"), newline="") as file:
        rows = csv.reader(file)
        columns = len(next(rows))
        widths = [len(row) for row in rows]
    if columns != 1102 or set(widths) != {columns} or len(widths) + lost != steps:
        sys.exit(f"{columns} columns, {len(widths)} rows and {lost} lost of {steps} steps")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--loops", type=int, default=4, help="busy loops beside it (default 4)")
    parser.add_argument("--pairs", type=int, default=1, help="pairs of runs (default 1)")
    parser.add_argument("--seconds", type=float, default=60, help="of each run (default 60)")
    parser.add_argument("--every", type=int, default=100, help="analyse every N-th step (default 100)")
    known = parser.parse_args()
    if not os.path.isfile(PROGRAM):
        sys.exit("build first: cargo build --release --no-default-features --example busy")
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(known.loops)]
    try:
        for _ in range(known.pairs):
            with tempfile.TemporaryDirectory() as folder:
                run = os.path.join(folder, "run")
                common = ["--seconds", str(known.seconds), "--run", run]
                without, _ = train([*common, "--without"])
                steps, said = train([*common, *HARD, str(known.every)])
                check(run, steps, int(re.search(r"lost_steps (\d+)", said)[1]))
            print(f"{said}\nwithout a monitor {without} steps: ratio {steps / without:.3f}", flush=True)
    finally:
        for loop in loops:
            loop.kill()


if __name__ == "__main__":
    main()
