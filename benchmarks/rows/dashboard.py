"""The dashboard in a real Chromium: how soon a line is painted, and whether 10,000 of them can be scrolled past."""

import asyncio
import statistics
import time
from itertools import pairwise

import aiohttp
from playwright.async_api import Page, expect

from benchmarks.rows.row import TIMES, Bench, Result, Table, Target, median, shown
from tests.harness.chromium import PrivateChromium
from tests.harness.daemon import PrivateRelay
from tests.harness.viewer import log

__all__ = ["dashboard"]

RATE = 20
LINES = 10_000
FLOOD = 200
"""Lines a second while frames are counted."""

FRAMES = """new Promise((done) => {
  const times = [];
  const step = (now) => { times.push(now); now - times[0] < MS ? requestAnimationFrame(step) : done(times); };
  requestAnimationFrame(step);
})"""
"""The moments of all frames of a while."""

WATCH = """
  window.seen = [];
  new MutationObserver((changes) => {
    const texts = changes.flatMap(({addedNodes}) => [...addedNodes])
      .flatMap((node) => node.matches?.('.line') ? [node] : [...(node.querySelectorAll?.('.line') ?? [])])
      .map((row) => Number(row.lastChild.textContent));
    // The frame that shows a line has been painted when the next one begins.
    requestAnimationFrame(() => requestAnimationFrame(() => {
      const now = Date.now();
      for (const text of texts) if (text > 1e12) seen.push(now - text);
    }));
  }).observe(document.querySelector('.lines'), {childList: true, subtree: true});
"""

SEEN = """(count) => new Promise((done) => {
  const look = () => seen.length < count ? setTimeout(look, 10) : done(seen);
  look();
})"""


async def dashboard(bench: Bench) -> Result:
    """Measure one page, several times."""
    seconds = bench.scale.pick(20.0, 5.0)
    delays: list[float] = []
    empty: list[list[float]] = []
    full: list[list[float]] = []
    async with PrivateChromium() as chromium, PrivateRelay() as relay, aiohttp.ClientSession() as http:
        for run in range(bench.scale.repeats):
            project = f"run-{run}"
            await publish(relay, http, log(project, "first"))
            async with chromium.page("about:blank") as page:
                empty.append(await frames(page, seconds / 2))
            async with chromium.page(f"{relay.url}/#token={relay.token()}&project={project}") as page:
                await expect(page.locator(".line")).to_have_count(1)
                delays += await painted(page, relay, http, project, seconds)
                full.append(await flooded(page, relay, http, project, seconds))
    return tell(delays, empty, full)


async def publish(relay: PrivateRelay, http: aiohttp.ClientSession, *events: dict[str, object]) -> None:
    """Publish events as one body."""
    headers = {"Authorization": f"Bearer {relay.token('worker', worker=True)}"}
    async with http.post(relay.ingest, json=events, headers=headers) as answer:
        answer.raise_for_status()


async def painted(
    page: Page, relay: PrivateRelay, http: aiohttp.ClientSession, project: str, seconds: float
) -> list[float]:
    """Return the milliseconds from publishing a line to the frame behind the one that shows it."""
    await page.evaluate(WATCH)
    count = int(seconds * RATE)
    for _ in range(count):
        await publish(relay, http, log(project, f"{time.time() * 1_000:.1f}"))
        await asyncio.sleep(1 / RATE)
    delays: list[float] = await page.evaluate(SEEN, count)
    return delays


async def flooded(
    page: Page, relay: PrivateRelay, http: aiohttp.ClientSession, project: str, seconds: float
) -> list[float]:
    """Return the milliseconds between frames while lines pour into a terminal that is full."""
    for _ in range(LINES // 1_000):
        await publish(relay, http, *[log(project, f"line {number}") for number in range(1_000)])
    await expect(page.locator(".line").nth(LINES - 101)).to_be_attached()
    pouring = asyncio.create_task(pour(relay, http, project))
    try:
        return await frames(page, seconds)
    finally:
        pouring.cancel()
        await asyncio.wait({pouring})


async def pour(relay: PrivateRelay, http: aiohttp.ClientSession, project: str) -> None:
    """Publish ten bodies a second, for ever."""
    while True:
        await publish(relay, http, *[log(project, f"more {number}") for number in range(FLOOD // 10)])
        await asyncio.sleep(0.1)


async def frames(page: Page, seconds: float) -> list[float]:
    """Return the milliseconds between one frame and the next."""
    times: list[float] = await page.evaluate(FRAMES.replace("MS", str(int(seconds * 1_000))))
    return [after - before for before, after in pairwise(times)]


def tell(delays: list[float], empty: list[list[float]], full: list[list[float]]) -> Result:
    """Return the result."""
    result = Result(title="Dashboard: Chromium, one page")
    p50, p99 = percentile(delays, 50), percentile(delays, 99)
    result.tables.append(
        Table(
            title=f"From publishing a line over HTTP to its being painted, {RATE} lines/s",
            head=["lines", "p50 ms", "p90 ms", "p99 ms", "worst ms"],
            lines=[[f"{len(delays):,}", shown(p50), shown(percentile(delays, 90)), shown(p99), shown(max(delays))]],
        )
    )
    lines = [[name, *map(shown, spread(runs))] for name, runs in (("empty page", empty), (f"{LINES:,} lines", full))]
    head = ["page", "median ms", "p99 ms", "frames/s"]
    result.tables.append(Table(title=f"Frames while {FLOOD} lines/s come", head=head, lines=lines))
    ratio = median(statistics.fmean(many) / statistics.fmean(none) for none, many in zip(empty, full, strict=True))
    result.targets.append(
        Target(
            what=f"time of a frame with {LINES:,} lines and {FLOOD} lines/s, against an empty page",
            limit=f"≤ 1.1 {TIMES}",
            figure=f"{ratio:.2f} {TIMES}",
            met=ratio <= 1.1,  # see the limit
        )
    )
    result.notes.append("Painted: when the frame behind the one that shows the line begins, so one frame is in it.")
    return result


def spread(runs: list[list[float]]) -> tuple[float, float, float]:
    """Return median, p99 and frames a second."""
    every = [ms for run in runs for ms in run]
    return percentile(every, 50), percentile(every, 99), 1_000 / statistics.fmean(every)


def percentile(values: list[float], percent: float) -> float:
    """Return a percentile of some values."""
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]
