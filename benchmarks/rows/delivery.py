"""CPU for each delivery: relayd against the bare loop at its own pace."""

from benchmarks.rows.costs import Costs, flag_load, one_run
from benchmarks.rows.row import DASH, TIMES, Bench, Cell, Result, Table, Target, median, shown
from benchmarks.servers.bare import Bare
from benchmarks.servers.relayd import Relayd

__all__ = ["delivery"]

VIEWERS = 1_000
RATES = (20, 50, 100, 200, 500, 1_000, 2_000)
QUICK_RATES = (20, 1_000)
LIMITS: dict[float, float] = {20: 1.15, 1_000: 1.3, 2_000: 1.3}


async def delivery(bench: Bench) -> Result:
    """Run relayd and the bare loop in turn, rate by rate, with the same number of sockets."""
    rates = bench.scale.pick(RATES, QUICK_RATES)
    relay, bare = Costs(Relayd.name), Costs(Bare.name)
    for _ in range(bench.scale.repeats):
        await one_run(bench, VIEWERS, rates, relay, bare)
    return tell(rates, relay, bare)


def tell(rates: tuple[float, ...], relay: Costs, bare: Costs) -> Result:
    """Return the result of all runs."""
    result = Result(title=f"CPU per delivery, {VIEWERS:,} viewers, against the bare send loop")
    lines: list[list[Cell]] = []
    for rate in rates:
        ratios = [a / b for a, b in zip(relay.each(rate), bare.each(rate), strict=True)]
        ratio = median(ratios)
        if rate in LIMITS:
            result.targets.append(
                Target(
                    what=f"CPU per delivery at {rate:,} events/s, {VIEWERS:,} viewers, against the bare loop",
                    limit=f"≤ {LIMITS[rate]} {TIMES}",
                    figure=f"{ratio:.2f} {TIMES}",
                    met=ratio <= LIMITS[rate],
                )
            )
        sample = relay.samples[rate][-1]
        lines.append(
            [
                f"{rate:,}",
                shown(relay.median(rate)),
                shown(bare.median(rate)),
                shown(median(one.microseconds() for one in relay.samples[rate])),
                f"{ratio:.2f} ({min(ratios):.2f}{DASH}{max(ratios):.2f})",
                shown(sample.frame_rate),
                sample.event_bytes,
                shown(median(one.cpu for one in relay.base[rate]) * 100),
                shown(relay.p99(rate)),
                shown(bare.p99(rate)),
                shown(median(one.load_cpu for one in relay.samples[rate]) * 100),
            ]
        )
    head = [
        "events/s",
        "relayd µs",
        "bare µs",
        "relayd µs, feed included",
        "ratio (least to most)",
        "frames/s each",
        "bytes an event",
        "% CPU without viewers",
        "p99 ms",
        "bare p99 ms",
        "load's % CPU",
    ]
    result.tables.append(Table(title="CPU µs per delivery", head=head, lines=lines))
    result.series["cost"] = {
        relay.name: [[rate, relay.median(rate)] for rate in rates],
        bare.name: [[rate, bare.median(rate)] for rate in rates],
    }
    result.series["latency"] = {f"relayd, {rate:,}/s": relay.samples[rate][-1].latency.buckets for rate in rates}
    result.samples = [one.figures() for costs in (relay, bare) for runs in costs.samples.values() for one in runs]
    result.samples += [one.figures() for runs in relay.base.values() for one in runs]
    flag_load(result, [one for runs in relay.samples.values() for one in runs])
    return result
