"""The command line. What is wrong in it is answered with what is allowed, and status 2."""
import argparse
import os
from pathlib import Path

from . import host, plan
from .servers import SERVERS

ROOT = Path(__file__).resolve().parents[2]


def listed(allowed, what):
    def parse(text):
        names = [name.strip() for name in text.split(",")]
        for name in names:
            if name not in allowed:
                raise argparse.ArgumentTypeError(f"no {what} {name!r}; allowed: {','.join(allowed)}")
        return list(dict.fromkeys(names))

    return parse


def number(low, high):
    def parse(text):
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed: a whole number from {low} to {high}")
        return int(text)

    return parse


def numbers(low, high):
    one = number(low, high)

    def parse(text):
        return list(dict.fromkeys(one(part.strip()) for part in text.split(",")))

    return parse


def folder_file(text):
    path = Path(text)
    if not path.parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed: a file in a folder that exists")
    return path


def folder(text):
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed: a folder, made where it is missing")
    return path


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n\n{self.format_help()}")


def parser():
    workloads, servers = list(plan.WORKLOADS), list(SERVERS)
    p = Parser(prog="bench/run", allow_abbrev=False, description="Measures Hearth side by side with the references.")
    p.add_argument("--quick", action="store_true", help="only the cells that have a target; ends within two minutes")
    p.add_argument("--rounds", type=number(1, 100), metavar="N",
                   help=f"times each cell is measured (5; --quick: up to {plan.QUICK_ROUNDS})")
    p.add_argument("--duration", type=number(1, 600), metavar="S", help="seconds of each measurement (2; --quick: 1)")
    p.add_argument("--workloads", type=listed(workloads, "workload"), metavar="LIST",
                   help=f"of {','.join(workloads)} (all)")
    p.add_argument("--connections", type=numbers(1, plan.MAX_CONNECTIONS), metavar="LIST",
                   help=f"each from 1 to {plan.MAX_CONNECTIONS} ({','.join(map(str, plan.CONNECTIONS))})")
    p.add_argument("--servers", type=listed(servers, "server"), default=servers, metavar="LIST",
                   help=f"of {','.join(servers)} (all)")
    p.add_argument("--awake", action=argparse.BooleanOptionalAction,
                   help=f"measure one connection a second time with {host.DMA_LATENCY} held open (where it exists)")
    p.add_argument("--threads", type=number(1, 64), default=1, metavar="N", help="event loops of hearthd (1)")
    p.add_argument("--build", type=folder, default=ROOT / "build-bench", metavar="DIR",
                   help="where everything is built (build-bench in the checkout)")
    p.add_argument("--json", type=folder_file, metavar="FILE", help="where the results go (results.json in --build)")
    p.add_argument("--svg", type=folder, metavar="DIR", help="draw the curves into this folder")
    return p


def parse(args):
    p = parser()
    options = p.parse_args(args)
    options.build = options.build.resolve()
    options.json = options.json or options.build / "results.json"
    if options.awake is None:
        options.awake = host.can_keep_awake()
    elif options.awake and not host.can_keep_awake():
        p.error(f"argument --awake: {host.DMA_LATENCY} cannot be opened here; allowed: --no-awake")
    options.rounds = options.rounds or (plan.QUICK_ROUNDS if options.quick else 5)
    options.duration = options.duration or (1 if options.quick else 2)
    options.cells = cells(options)
    return options


def cells(options):
    if options.quick and not options.workloads and not options.connections:
        return [cell for cell in plan.QUICK_CELLS if options.awake or not cell.awake]
    return plan.cells_of(options.workloads or plan.WORKLOADS, options.connections or plan.CONNECTIONS, options.awake)


def recorded(options):
    return {
        "cells": [str(cell) for cell in options.cells],
        "quick": options.quick,
        "rounds": options.rounds,
        "duration_s": options.duration,
        "servers": options.servers,
        "awake": options.awake,
        "threads": options.threads,
    }


def is_root():
    return os.geteuid() == 0
