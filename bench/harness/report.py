"""The results as tables for people and as one document for programs."""
from statistics import median

from . import plan


def spread(values):
    """Median, least and most; None where nothing was measured."""
    values = [v for v in values if v is not None]
    return {"median": median(values), "min": min(values), "max": max(values)} if values else None


def ratios(samples, reference, metric):
    """Round by round, so that drift of the machine cancels out."""
    return spread(
        samples[n][metric] / reference[n][metric]
        for n in samples
        if n in reference and samples[n][metric] is not None and reference[n][metric]
    )


def cell_record(results, server, cell):
    samples, reference = results.of(server, cell), results.of(plan.REFERENCE, cell)
    record = {
        "server": server,
        "workload": cell.workload,
        "connections": cell.connections,
        "awake": cell.awake,
        "errors": sum(s["error_count"] for s in samples.values()),
        "rounds": [samples[n] for n in sorted(samples)],
    }
    for metric in plan.METRICS:
        record[metric] = spread(s[metric] for s in samples.values())
        if not metric.endswith("_core"):
            record[f"{metric}_ratio"] = ratios(samples, reference, metric)
    if (server, cell) in results.failures:
        record["failure"] = results.failures[server, cell]
    return record


def target_record(results, target):
    ours, theirs = results.of("hearth", target.cell), results.of(target.against, target.cell)
    ratio = ratios(ours, theirs, target.metric)
    errors = sum(s["error_count"] for s in ours.values())
    return {
        "cell": str(target.cell),
        "metric": target.metric,
        "against": target.against,
        "bound": target.bound,
        "at_least": target.at_least,
        "ratio": ratio,
        "errors": errors,
        "reached": None if ratio is None else target.reached(ratio["median"]) and errors == 0,
    }


def document(servers, options, results, facts, recorded):
    return {
        "format": 1,
        "host": facts,
        "options": recorded,
        "rounds": results.rounds,
        "complete": results.complete,
        "reference": plan.REFERENCE,
        "servers": [
            {"name": s.name, "title": s.title, "missing": s.missing, "unfit": s.unfit}
            for s in servers
        ],
        "cells": [
            cell_record(results, s.name, cell)
            for cell in options.cells
            for s in servers
            if results.of(s.name, cell) or (s.name, cell) in results.failures
        ],
        "targets": [target_record(results, target) for target in plan.TARGETS],
    }


# ---- the tables

HEADINGS = ("server", "calls/s", "min–max", "×(a)", "p50 µs", "×(a)", "p99 µs", "×(a)", "p99.9 µs",
            "CPU µs", "min–max", "×(a)", "switches", "wrk", "errors")


def figure(value):
    """Three digits are all that such a measurement has."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def middle(record, metric):
    return figure(record[metric]["median"] if record.get(metric) else None)


def extent(record, metric):
    both = record.get(metric)
    return f"{figure(both['min'])}–{figure(both['max'])}" if both else "–"


def marks(record, rounds):
    return (" !" if record["errors"] else "") + (" ~" if len(record["rounds"]) < rounds else "")


def row(record, rounds):
    bad = record["errors"]
    return [
        record["server"] + marks(record, rounds),
        middle(record, "rps"), extent(record, "rps"), middle(record, "rps_ratio"),
        middle(record, "p50_us"), middle(record, "p50_us_ratio"),
        middle(record, "p99_us"), middle(record, "p99_us_ratio"),
        middle(record, "p999_us"),
        middle(record, "cpu_us"), extent(record, "cpu_us"), middle(record, "cpu_us_ratio"),
        middle(record, "switches"), middle(record, "wrk_core"),
        f"{bad:,}" if bad else "–",
    ]


def aligned(rows):
    """First column to the left, the others to the right; a row of two is a name and a remark."""
    whole = [r for r in rows if len(r) > 2]
    widths = [max(len(r[i]) for r in whole) for i in range(len(whole[0]))]
    widths[0] = max(len(r[0]) for r in rows)
    for r in rows:
        if len(r) > 2:
            yield "  ".join([r[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(r[1:], widths[1:]))])
        else:
            yield f"{r[0].ljust(widths[0])}  {r[1]}"


def remark(server, cell, results):
    """Why a server has no figures at a cell; None where it was simply not asked for."""
    reason = results.failures.get((server.name, cell)) or server.missing or server.unfit.get(cell.workload)
    return f"missing: {reason}" if reason else None


def cell_lines(doc, cell, servers, results):
    records = {r["server"]: r for r in doc["cells"]
               if (r["workload"], r["connections"], r["awake"]) == (cell.workload, cell.connections, cell.awake)}
    rows = [list(HEADINGS)]
    for server in servers:
        record = records.get(server.name)
        if record and record["rounds"]:
            rows.append(row(record, doc["rounds"]))
        elif text := remark(server, cell, results):
            rows.append([server.name, text])
    yield f"== {cell}"
    yield from aligned(rows)
    yield ""


def target_lines(doc):
    words = {True: "yes", False: "no", None: "not measured"}
    rows = [["target", "Hearth's", "of", "wanted", "measured", "min–max", "reached"]]
    for t in doc["targets"]:
        rows.append([
            t["cell"], plan.METRICS[t["metric"]], t["against"], f"{'≥' if t['at_least'] else '≤'} {t['bound']:g} ×",
            f"{t['ratio']['median']:.2f}" if t["ratio"] else "–",
            f"{t['ratio']['min']:.2f}–{t['ratio']['max']:.2f}" if t["ratio"] else "–",
            words[t["reached"]] + (" (errors)" if t["errors"] else ""),
        ])
    yield "== targets: medians of the ratios of each round"
    yield from aligned(rows)


def warning_lines(doc):
    disturbed = [r["other_core"]["median"] for r in doc["cells"] if r["other_core"]]
    if disturbed and median(disturbed) > 0.15:
        yield f"Other processes used {median(disturbed):.2f} of a core meanwhile: repeat this on a quiet machine."
    if not doc["complete"]:
        yield f"Ended before all was measured: {doc['rounds']} of {doc['options']['rounds']} rounds are whole."
    if any(r["errors"] for r in doc["cells"]):
        yield "! marks figures with errors among the calls: answers other than 2xx, broken connections, timeouts."
    if any(0 < len(r["rounds"]) < doc["rounds"] for r in doc["cells"]):
        yield "~ marks figures from fewer rounds than the others."


def lines(doc, servers, options, results):
    facts = doc["host"]
    yield f"{facts['processor']}, {facts['cores']} cores, Linux {facts['kernel']}, {facts['system']}"
    yield (f"{doc['rounds']} rounds of {options.duration} s; medians; ×(a) is the ratio to {plan.REFERENCE}; "
           "CPU and switches are per call, over all processes of the server")
    yield ""
    for server in servers:
        yield f"{server.name:<10} {server.title}" + (f"  [missing: {server.missing}]" if server.missing else "")
    yield ""
    for cell in options.cells:
        yield from cell_lines(doc, cell, servers, results)
    yield from target_lines(doc)
    yield ""
    yield from warning_lines(doc)
