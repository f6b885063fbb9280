"""From the command line to the report: build, start, measure, stop, tell."""
import json
import math
import resource
import signal
import sys
import time

from . import host, measure, options as command_line, picture, plan, report
from .build import Missing, Workshop
from .procs import Children
from .servers import SERVERS

STOPPED = 130


def say(text):
    print(text, file=sys.stderr, flush=True)


def on_signal(number, _frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def catch_signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)


def ignore_signals():
    """From here on we only clean up, and that is not to be cut short."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def raise_file_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(65536, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def install_packages(workshop, servers):
    wanted = host.missing_packages(["wrk", *(p for s in servers for p in s.packages)])
    if not wanted:
        return
    if command_line.is_root():
        say(f"installing {' '.join(wanted)}")
        host.install(wanted, workshop.try_step)
    if "wrk" in host.missing_packages(["wrk"]):
        raise Missing("wrk is not installed and could not be: nothing can be measured")


def prepare(server):
    """Builds and starts it, or notes why it is missing."""
    try:
        absent = host.missing_packages(server.packages)
        if absent:
            raise Missing(f"not installed: {' '.join(absent)}")
        server.build()
        server.start()
    except (Missing, OSError) as e:
        server.missing = str(e)
        server.stop()
    say(f"{server.name}: {'missing: ' + server.missing if server.missing else 'ready'}")


def measure_all(workshop, servers, options, results, deadline):
    install_packages(workshop, servers)
    for server in servers:
        prepare(server)
    if all(s.missing for s in servers):
        return
    per_round = len(measure.steps_of(servers, options, 0)) * (options.duration + measure.WARM_UP_SECONDS + 0.1)
    expected = min(per_round * options.rounds, deadline - time.monotonic())
    say(f"measuring: up to {options.rounds} rounds, about {expected:.0f} s")
    measure.run(workshop.children, servers, options, results, deadline)


def tell(servers, options, results):
    doc = report.document(servers, options, results, host.facts(), command_line.recorded(options))
    options.json.write_text(json.dumps(doc, indent=1, ensure_ascii=False) + "\n")
    for line in report.lines(doc, servers, options, results):
        print(line)
    if options.svg:
        options.svg.mkdir(parents=True, exist_ok=True)
        for path in picture.draw_all(doc, options.svg):
            say(f"drew {path}")
    say(f"wrote {options.json}")
    return doc


def run(options, children):
    start = time.monotonic()
    deadline = start + plan.QUICK_SECONDS if options.quick else math.inf
    workshop = Workshop(options.build, children, start + plan.QUICK_BUILD_SECONDS if options.quick else math.inf)
    servers, results, status = [], measure.Results(), 0
    try:
        servers = [SERVERS[name](workshop, options) for name in options.servers]
        measure_all(workshop, servers, options, results, deadline)
    except KeyboardInterrupt as e:
        say(f"\nstopped{f' by {e}' if str(e) else ''}")
        status = STOPPED
    finally:
        ignore_signals()
        children.close()
        workshop.close()
    if status and not results.samples:
        return status
    doc = tell(servers, options, results)
    return status or (0 if doc["cells"] else 1)


def main(args):
    options = command_line.parse(args)
    sys.stdout.reconfigure(encoding="utf-8")
    catch_signals()
    raise_file_limit()
    children = Children()
    try:
        return run(options, children)
    except Missing as e:
        say(f"bench/run: {e}")
        return 1
    except KeyboardInterrupt:
        return STOPPED
    finally:
        ignore_signals()
        children.close()
