#!/usr/bin/env python3
"""Compares two benchmark commands in interleaved runs: A B A B ...

Each command prints a JSON array of records with n_prompt, n_gen, n_depth and avg_ts (llama-bench's
names). Records with the same three numbers are compared: median and spread of each side, and the
ratio A / B of every pair of neighbouring runs, so that what slows the machine down for a while
slows both. With --at-least the exit code is a gate.

  bench/compare.py --rounds 5 --at-least pp512=8 --at-least tg32=2 \\
      --a 'build/lowkey bench -m M -p 512 -n 32 -r 1 -o json' \\
      --b 'llama-bench -m M -p 512 -n 32 -r 1 -o json'

Exit codes: 0 done, 1 a ratio is below its gate, 2 a command failed or the records do not match.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys


class Failure(Exception):
    """Something that makes the comparison impossible."""


def test_name(record):
    """llama-bench's name of a test: pp512, tg32, tg32@d4096."""
    prompt, gen, depth = (int(record.get(key, 0)) for key in ("n_prompt", "n_gen", "n_depth"))
    name = (f"pp{prompt}" if prompt else "") + (f"tg{gen}" if gen else "")
    return name + (f"@d{depth}" if depth else "")


def parse_records(text):
    """Speeds in tokens per second by test name."""
    try:
        records = json.loads(text)
        speeds = {test_name(record): float(record["avg_ts"]) for record in records}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(f"expected a JSON array of benchmark records, found {text[:200]!r} ({error})")
    if not speeds:
        raise Failure("expected at least one benchmark record, found none")
    return speeds


def run_once(command):
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    except OSError as error:
        raise Failure(f"cannot run {command!r}: {error}")
    if done.returncode != 0:
        raise Failure(f"{command!r} ended with code {done.returncode}:\n{done.stderr[-1000:]}")
    return parse_records(done.stdout)


def run_interleaved(command_a, command_b, rounds, warmup):
    """Speeds of both sides: {test: [per round]}. Warm-up runs are not counted."""
    sides = ({}, {})
    for round_number in range(-warmup, rounds):
        label = f"round {round_number + 1} of {rounds}" if round_number >= 0 else "warm-up"
        print(label, file=sys.stderr, flush=True)
        for command, speeds in zip((command_a, command_b), sides):
            for test, speed in run_once(command).items():
                if round_number >= 0:
                    speeds.setdefault(test, []).append(speed)
    if set(sides[0]) != set(sides[1]):
        raise Failure(f"different tests: A has {sorted(sides[0])}, B has {sorted(sides[1])}")
    return sides


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def compare(speeds_a, speeds_b):
    """One row per test, with the ratios of neighbouring runs."""
    rows = {}
    for test, a in speeds_a.items():
        b = speeds_b[test]
        ratios = [x / y for x, y in zip(a, b)]
        rows[test] = {"a": summary(a), "b": summary(b), "ratio": summary(ratios), "ratios": ratios}
    return rows


def failed_gates(rows, gates):
    """What the gates say against the rows; a gate for a test that never ran fails too."""
    failures = []
    for gate in gates:
        test, _, limit = gate.partition("=")
        if test not in rows:
            failures.append(f"{test}: no such test was run")
        elif rows[test]["ratio"]["median"] < float(limit):
            found = rows[test]["ratio"]["median"]
            failures.append(f"{test}: expected a ratio of at least {limit}, found {found:.3f}")
    return failures


def machine():
    name = "unknown CPU"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    n_cpus = len(os.sched_getaffinity(0))
    return f"{name}, {n_cpus} CPUs, load {os.getloadavg()[0]:.2f}"


def print_table(rows):
    print(f"machine: {machine()}")
    print("| test | A t/s (min-max) | B t/s (min-max) | A / B (min-max) |")
    print("| --- | ---: | ---: | ---: |")
    for test, row in rows.items():
        cells = [f"{s['median']:.1f} ({s['min']:.1f}-{s['max']:.1f})" for s in (row["a"], row["b"])]
        ratio = row["ratio"]
        cells.append(f"{ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f})")
        print(f"| {test} | {' | '.join(cells)} |")


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--a", required=True, help="command of side A")
    parser.add_argument("--b", required=True, help="command of side B")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--at-least", action="append", default=[], metavar="TEST=RATIO")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds: expected at least 1")
    return options


def main(arguments):
    options = parse_arguments(arguments)
    try:
        sides = run_interleaved(options.a, options.b, options.rounds, options.warmup)
    except Failure as failure:
        print(f"compare.py: {failure}", file=sys.stderr)
        return 2
    rows = compare(*sides)
    if options.output == "json":
        print(json.dumps({"machine": machine(), "tests": rows}, indent=2))
    else:
        print_table(rows)
    failures = failed_gates(rows, options.at_least)
    for failure in failures:
        print(f"compare.py: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
