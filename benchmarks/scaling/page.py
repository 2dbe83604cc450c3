"""The tables of docs/scaling.md; the text between them is written by hand."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import floor, log10

from benchmarks.report.markdown import table
from benchmarks.scaling.figures import Reports, costs, frame_costs
from benchmarks.scaling.model import BACK_SECONDS, BUDGET, PACE, Costs, Need, plan, spend
from relayd.relay.limits import Limits

__all__ = ["EXAMPLES", "render"]

EXAMPLES = (
    Need(name="a team", viewers=50, events=50, projects=5, arrays=False),
    Need(name="a company", viewers=2_000, events=1_000, projects=100, arrays=False),
    Need(name="a large one", viewers=50_000, events=10_000, projects=1_000),
    Need(name="the same, gathered", viewers=50_000, events=10_000, projects=1_000, gathered=True),
    Need(name="a million", viewers=1_000_000, events=100_000, projects=10_000, parts=16, gathered=True),
)

PARTS = (4, 8, 16, 32, 64)
SEEN = (1, 10, PACE)
SWARM = 10
"""Events a second of one swarm."""
UNIT_MIB, UNIT_FILES = 1024, 65_536
"""MemoryMax and LimitNOFILE of deploy/systemd/relayd.service."""

GIVEN = ("company", "large")
"""Streams of the experiment whose reading is an input of the model."""

PLACE = re.compile(r"(<!-- table: (\w+) [^\n]*-->\n).*?(\n<!-- end -->)", re.DOTALL)

Lines = Sequence[Sequence[object]]


def render(text: str, read: Reports) -> str:
    """Return the page with its tables made anew; raises KeyError for one that nobody makes."""
    return PLACE.sub(lambda found: f"{found[1]}\n{table(*TABLES[found[2]](read))}\n{found[3]}", text)


def needs(read: Reports) -> tuple[Sequence[str], Lines]:
    """Return how many processes the examples need, and what goes with it."""
    lines = []
    for one in (plan(need, costs(read)) for need in EXAMPLES):
        need = one.need
        events = f"{need.events:,} {'in arrays' if need.arrays else 'singly'}"
        split = f", log in {need.parts} parts" if need.parts > 1 else ""
        busy = dotted(cores(one.processes * one.spent.whole), cores(one.nginx_cores), cores(one.broker_cores))
        lines.append([need.name, f"{need.viewers:,}", events + split, f"**{one.processes:,}**", busy])
        lines[-1] += [f"{short(one.broker_mb)} MB/s", f"{short(one.gbit)} Gbit/s", f"{one.mib:.0f} MiB"]
    head = ["who", "viewers", "events/s", "**processes**", "cores busy: relayd · nginx · broker", "out of the broker"]
    return [*head, "to the viewers", "memory of a process"], lines


def examples(read: Reports) -> tuple[Sequence[str], Lines]:
    """Return how many processes each limit wants, and what each of them spends."""
    lines = []
    for one in (plan(need, costs(read)) for need in EXAMPLES):
        wanted = dotted(
            *(f"**{count:,}**" if name == one.binding else f"{count:,}" for name, count in one.wanted.items())
        )
        here = [f"{count:,.0f}" for count in (one.need.viewers / one.processes, one.need.groups(one.processes))]
        shares = (one.spent.reading, one.spent.payloads, one.spent.sending)
        spent = dotted(*(short(share * 100) for share in shares))
        lines.append([one.need.name, wanted, *here, spent, f"{short(one.back_seconds)} s"])
    head = ["who", "processes for CPU · storm · connections", "viewers a process", "groups a process"]
    return [*head, "% of its core: reading · payloads · sending", "all back after"], lines


def inputs(read: Reports) -> tuple[Sequence[str], Lines]:
    """Return every measured figure that is reckoned with, its source and its conditions."""
    found = costs(read)
    each = frame_costs(read.rows["delivery"]).values()
    (_, idle), company, single_full = found.singly.reading
    _, large, array_full = found.arrays.reading
    two = "experiment"
    return ["what", "figure", "from", "measured with"], [
        [
            "CPU of a frame to a viewer",
            f"{short(found.frame_us)} µs",
            "report, delivery",
            "1,000 viewers of one project, journal on, events over HTTP; the dearest of seven rates, the cheapest was "
            + short(min(each)),
        ],
        [
            "CPU of a frame for a group",
            f"{short(found.singly.payload_us)} µs, events singly",
            "report, projects",
            "2,000 projects with two viewers each, 5,000 events/s over HTTP; what the viewers' own frames leave",
        ],
        ["", f"{short(found.arrays.payload_us)} µs, in arrays", two, "500 viewers of 500 projects beside 500 of 20"],
        ["CPU of reading, idle", percent(idle), two, "nothing comes"],
        [
            "CPU of reading, singly",
            f"{percent(company[1])} at {company[0]:,.0f} events/s",
            two,
            "100 projects, journal on",
        ],
        ["", full(single_full), "report, ingest", "a full stream of 10 projects, journal on"],
        ["CPU of reading, arrays of 100", f"{percent(large[1])} at {large[0]:,.0f} events/s", two, "1,000 projects"],
        ["", full(array_full), "report, ingest", "a full stream of 10 projects"],
        ["memory, empty", f"{short(found.empty_mib)} MiB", "report, memory", "resident"],
        [
            "memory of a viewer",
            f"{short(found.viewer_kib)} KiB",
            "report, memory",
            "5,000 idle ones; what the kernel holds for a socket is not counted",
        ],
        [
            "viewers that come back",
            f"{found.back_a_second:,.0f} a second",
            "report, storm",
            "5,000 at once with cursors to one process, 200 events/s meanwhile, no TLS",
        ],
        ["bytes of a frame", short(found.sent_bytes), "report, delivery", "at 20 events/s, so nearly one in each"],
        [
            "CPU of the broker for an event and reader",
            f"at most {short(found.singly.broker_us)} µs singly, {short(found.arrays.broker_us)} in arrays",
            "report, ingest",
            "one bare aiormq loop reads a full stream, the broker on one core",
        ],
        ["CPU of nginx for a frame", f"{short(found.nginx_us)} µs", two, "500 viewers, one worker, no TLS"],
    ]


def percent(share: float) -> str:
    """Return a share of a core."""
    return f"{short(share * 100)} % of a core"


def full(point: tuple[float, float]) -> str:
    """Return the end of what can be read."""
    return f"{percent(point[1])} at {point[0]:,.0f}"


def carries(read: Reports) -> tuple[Sequence[str], Lines]:
    """Return what one process carries if nothing else is asked of it."""
    found, limits = costs(read), Limits()
    lines = []
    for seen in SEEN:
        said = f"frames to viewers of one swarm, {seen:g}{' or more' if seen == PACE else ''} a second"
        lines.append([said, f"{rounded(BUDGET / (seen * found.frame_us / 1e6))} viewers"])
    for name, intake in (("singly", found.singly), ("in arrays of 100", found.arrays)):
        swarms = BUDGET / (SWARM * intake.payload_us / 1e6)
        lines.append([f"payloads for swarms of {SWARM} events/s, {name}", f"{rounded(swarms)} watched swarms"])
        lines.append([f"reading events, {name}", f"{rounded(intake.rate(BUDGET))} events/s"])
    room = (UNIT_MIB - found.empty_mib - limits.timeline_bytes / 2**20) * 1024 / found.viewer_kib
    lines += [
        [f"a storm: all back within {BACK_SECONDS:g} s", f"{rounded(found.back_a_second * BACK_SECONDS)} viewers"],
        ["`server.max_connections`, the default", f"{limits.max_connections:,} viewers"],
        ["`LimitNOFILE` of the unit", f"{UNIT_FILES:,} viewers, less a few"],
        ["`MemoryMax` of the unit, with `memory.timeline_mib` of events", f"{rounded(room)} viewers"],
    ]
    return ["limit of one process, alone", "where it lies"], lines


def rates(read: Reports) -> tuple[Sequence[str], Lines]:
    """Return how the price of a delivery falls with the rate while that of a frame stays."""
    delivery = read.rows["delivery"]
    each = zip(delivery["tables"][0]["lines"], frame_costs(delivery).items(), strict=True)
    lines = [[f"{rate:,}", line[1], short(frame)] for line, (rate, frame) in each]
    return ["events/s that a viewer sees", "CPU µs a delivery", "CPU µs a frame"], lines


def split(read: Reports) -> tuple[Sequence[str], Lines]:
    """Return what the million takes by the number of parts."""
    lines = []
    for parts in PARTS:
        one = plan(replace(EXAMPLES[-1], parts=parts), costs(read))
        reading = short(one.spent.reading * 100)
        lines.append([parts, reading, f"{one.processes:,}", short(one.broker_cores), f"{one.broker_mb:,.0f} MB/s"])
    return ["parts", "% of a core for reading", "processes", "broker cores busy, at most", "out of the broker"], lines


def capacity(read: Reports) -> tuple[Sequence[str], Lines]:
    """Return the model beside windows of the report that it was not made from, those that were in time."""
    found = costs(read)
    fed = {line[0]: float(line[7]) for line in read.rows["delivery"]["tables"][0]["lines"]}
    lines = []
    for one in read.rows["capacity"]["tables"]:
        viewers = int(one["title"].split()[0].replace(",", ""))
        for line in one["lines"]:
            if line[8] == "yes" and line[1] in fed:
                sending = viewers * float(line[4]) * found.frame_us / 1e4
                lines.append([f"{viewers:,}", line[1], line[4], *compared(fed[line[1]] + sending, float(line[3]))])
    return ["viewers", "events/s", "frames/s each", "% CPU by the model", "measured", "off by"], lines


def against(read: Reports) -> tuple[Sequence[str], Lines]:
    """Return the model beside the experiment."""
    lines = []
    for name, shape in read.replicas["series"].items():
        for where, projects in (("spread", shape["projects"]), ("gathered", shape["few"])):
            reading, whole = predicted(shape, projects, costs(read))
            swarms = min(projects, shape["viewers"])
            said = [f"{name}: {shape['rate']:,} events/s", f"{shape['viewers']:,} on {swarms:,}"]
            given = ["given", short(shape[f"{where} read"] * 100), ""]
            said += given if name in GIVEN else compared(reading, shape[f"{where} read"] * 100)
            lines.append([*said, *compared(whole, shape[f"{where} watched"] * 100)])
    head = ["stream", "viewers on swarms", "% CPU to read, model", "measured", "off by", "with viewers, model"]
    return [*head, "measured", "off by"], lines


def predicted(shape: Mapping[str, float], projects: float, found: Costs) -> tuple[float, float]:
    """Return the percentages that a relay of the experiment should spend, without viewers and with them."""
    viewers, rate = int(shape["viewers"]), int(shape["rate"])
    # Those of its viewers' projects are a log of their own but for the reading.
    seen = round(rate * projects / shape["projects"])
    need = Need(name="", viewers=viewers, events=seen, projects=int(projects), arrays=shape["array"] > 1)
    reading = spend(replace(need, events=rate), found, 1).reading
    spent = spend(need, found, 1)
    return reading * 100, (reading + spent.payloads + spent.sending) * 100


def compared(expected: float, measured: float) -> list[str]:
    """Return what the model says, what was measured, and by how much the model is off."""
    return [short(expected), short(measured), f"{(expected / measured - 1) * 100:+.0f} %"]


def dotted(*values: str) -> str:
    """Return several values for one cell."""
    return " · ".join(values)


def cores(value: float) -> str:
    """Return cores that are busy; a tenth of one is nobody's worry."""
    return "< 0.1" if value < 0.1 else short(value)


def short(value: float) -> str:
    """Return two significant digits, more only where they stand before the point."""
    if value == 0:
        return "0"
    return f"{value:,.{max(0, 1 - floor(log10(abs(value))))}f}"


def rounded(value: float) -> str:
    """Return two significant digits, rounded down: limits are not overstated."""
    step = 10 ** max(0, floor(log10(value)) - 1)
    return f"{floor(value / step) * step:,}"


TABLES: dict[str, Callable[[Reports], tuple[Sequence[str], Lines]]] = {
    "needs": needs,
    "inputs": inputs,
    "carries": carries,
    "examples": examples,
    "rates": rates,
    "split": split,
    "capacity": capacity,
    "against": against,
}
