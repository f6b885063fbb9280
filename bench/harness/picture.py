"""The curves as SVG: throughput and p99 against connections, one picture per workload, one line per server."""
import math
from html import escape

from . import plan

WIDTH, HEIGHT = 900, 400
PANEL_WIDTH, PANEL_HEIGHT = 350, 250
PANEL_TOP = 70
PANEL_LEFTS = (75, 525)

# Chosen to be told apart on white and on near-black, by hue and by lightness.
COLOURS = {
    "hearth": "#e4572e",
    "inprocess": "#3f8fd2",
    "nginx": "#8a8f98",
    "fastcgi": "#3fa34d",
    "cgi": "#b565b5",
    "workerd": "#c08a00",
}

STYLE = """
  .ground { fill: #ffffff; stroke: #d0d7de; }
  text { fill: #24292f; font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; }
  .title { font-size: 15px; font-weight: 600; }
  .axis { stroke: #57606a; fill: none; }
  .grid { stroke: #d0d7de; stroke-width: 0.6; }
  .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
  .extent { stroke-width: 1; opacity: 0.6; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #161b22; stroke: #30363d; }
    text { fill: #e6edf3; }
    .axis { stroke: #9ea7b3; }
    .grid { stroke: #30363d; }
  }
"""


class Scale:
    """From a value to a coordinate, linear or logarithmic."""

    def __init__(self, low, high, start, end, log=None):
        self.map = (lambda v: math.log(v, log)) if log else (lambda v: v)
        self.low, self.start = self.map(low), start
        self.factor = (end - start) / ((self.map(high) - self.low) or 1)

    def __call__(self, value):
        return round(self.start + (self.map(value) - self.low) * self.factor, 1)


def text(x, y, content, anchor="middle", more=""):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{more}>{escape(content)}</text>'


def line(x1, y1, x2, y2, css, more=""):
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="{css}"{more}/>'


def linear_ticks(high):
    """About five round numbers from 0 to at least high."""
    rough = high / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough)
    return [step * n for n in range(math.ceil(high / step) + 1)]


def decade_ticks(low, high):
    return [10.0 ** n for n in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def short_count(value):
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def short_time(us):
    return f"{us / 1e6:g} s" if us >= 1e6 else f"{us / 1e3:g} ms" if us >= 1e3 else f"{us:g} µs"


def frame(left, x, y, x_ticks, y_ticks, y_text, caption):
    """Axes, grid, labels of one panel."""
    right, bottom = left + PANEL_WIDTH, PANEL_TOP + PANEL_HEIGHT
    for tick in y_ticks:
        yield line(left, y(tick), right, y(tick), "grid")
        yield text(left - 7, y(tick) + 4, y_text(tick), "end")
    for tick in x_ticks:
        yield line(x(tick), bottom, x(tick), bottom + 5, "axis")
        yield text(x(tick), bottom + 19, str(tick))
    yield f'<path d="M{left} {PANEL_TOP}V{bottom}H{right}" class="axis"/>'
    yield text(left + PANEL_WIDTH / 2, bottom + 38, "connections")
    yield text(left + PANEL_WIDTH / 2, PANEL_TOP - 12, caption)


def curve(x, y, points, colour):
    """The medians as a line, the least and the most as a bar through each."""
    path = " ".join(f"{x(count)},{y(values['median'])}" for count, values in points)
    yield f'<polyline points="{path}" class="curve" stroke="{colour}"/>'
    for count, values in points:
        yield line(x(count), y(values["min"]), x(count), y(values["max"]), "extent", f' stroke="{colour}"')
        yield f'<circle cx="{x(count)}" cy="{y(values["median"])}" r="3" fill="{colour}"/>'


def panel(left, curves, x_ticks, caption, log):
    values = [v for points in curves.values() for _, v in points]
    high = max(v["max"] for v in values)
    ticks = decade_ticks(min(v["min"] for v in values), high) if log else linear_ticks(high)
    inset = 18
    x = Scale(x_ticks[0], x_ticks[-1], left + inset, left + PANEL_WIDTH - inset, log=2)
    y = Scale(ticks[0], ticks[-1], PANEL_TOP + PANEL_HEIGHT, PANEL_TOP, log=10 if log else None)
    yield from frame(left, x, y, x_ticks, ticks, short_time if log else short_count, caption)
    for name, points in reversed(curves.items()):  # the first ones end up on top
        yield from curve(x, y, points, COLOURS[name])


def legend(names):
    x = PANEL_LEFTS[0]
    for name in names:
        yield line(x, HEIGHT - 20, x + 24, HEIGHT - 20, "curve", f' stroke="{COLOURS[name]}"')
        yield text(x + 30, HEIGHT - 16, name, "start")
        x += 60 + 8 * len(name)


def curves_of(records, metric):
    curves = {}
    for r in records:
        curves.setdefault(r["server"], []).append((r["connections"], r[metric]))
    return {name: sorted(points, key=lambda p: p[0]) for name, points in curves.items()}


def draw(workload, records):
    x_ticks = sorted({r["connections"] for r in records})
    throughput, p99 = curves_of(records, "rps"), curves_of(records, "p99_us")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{workload}: throughput and p99 against connections">',
        f"<style>{STYLE}</style>",
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6" class="ground"/>',
        text(WIDTH / 2, 28, f"{workload}: medians, bars from least to most", more=' class="title"'),
        *panel(PANEL_LEFTS[0], throughput, x_ticks, "calls per second", log=False),
        *panel(PANEL_LEFTS[1], p99, x_ticks, "p99 latency, logarithmic", log=True),
        *legend(throughput),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def draw_all(doc, folder):
    """A picture of each workload that was measured at two numbers of connections or more; their paths."""
    for workload in plan.WORKLOADS:
        records = [r for r in doc["cells"] if r["workload"] == workload and not r["awake"] and r["rounds"]]
        if len({r["connections"] for r in records}) >= 2:
            path = folder / f"bench-{workload}.svg"
            path.write_text(draw(workload, records))
            yield path
