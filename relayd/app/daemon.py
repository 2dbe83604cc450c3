"""Open, serve, drain: the life of the relay."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import uvloop

from relayd import __version__
from relayd.api.admin import admin_app
from relayd.api.operating import operating_routes
from relayd.api.purging import purge_routes
from relayd.app.clock import SystemClock
from relayd.app.demo import invitation
from relayd.app.descriptors import shortage
from relayd.app.listening import Listener, listen
from relayd.app.replay import replay_into
from relayd.app.rooms import Rooms, apply, furnish
from relayd.app.routes import public_app
from relayd.app.supervision import give_up, heed_memory, supervise
from relayd.config import Config, ConfigError, load
from relayd.config.checks import ticket_warning
from relayd.identity.jwt import BadKey
from relayd.identity.revoked_file import BadRevocations
from relayd.plugins import PluginError, settings_of
from relayd.ports import Closing, Ingest, JournalDamaged, JournalError, Observer, Shared
from relayd.relay.recheck import Recheck
from relayd.telemetry import logs
from relayd.telemetry.systemd import Notifier
from relayd.web.pages import Pages

__all__ = ["run"]

EX_OK, EX_UNAVAILABLE, EX_CONFIG = 0, 69, 78

READY_SECONDS = 30.0
"""So long the service manager waits for the log to be caught up; a broker that is away must not fail the start."""

STALLED_SECONDS = 10.0
"""A loop that is later than this gives no sign of life any more, and the service manager restarts the relay."""

STOP_SECONDS = 5.0
"""How long tasks may take to end once they are cancelled."""


def run(config: Config, path: Path | None) -> int:
    """Run the relay until SIGTERM or SIGINT and return its exit status; `path` is read again on SIGHUP."""
    logs.configure(config.telemetry.log_format, config.telemetry.log_level, sys.stderr)
    try:
        return uvloop.run(Daemon(config, path).live())
    except (JournalError, BadKey, BadRevocations, PluginError) as error:
        print(f"relayd: {error}", file=sys.stderr)  # noqa: T201  # for whoever started it; the log may go elsewhere
        return EX_CONFIG
    except OSError as error:
        print(f"relayd: {error}", file=sys.stderr)  # noqa: T201  # as above
        return EX_UNAVAILABLE


class Daemon:
    """One relay process."""

    def __init__(self, config: Config, path: Path | None) -> None:
        """Prepare."""
        self._config = config
        self._path = path
        self._notifier = Notifier(os.environ)
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._damage: JournalDamaged | None = None
        """Found in a journal that is the log: nothing may be written to it any more."""

    async def live(self) -> int:
        """Open, serve, drain; raises JournalError, BadKey, BadRevocations, PluginError, OSError where it can't."""
        async with AsyncExitStack() as stack:
            stack.callback(self._notifier.close)
            rooms = await furnish(self._config, out_of_memory=give_up)
            heed_memory(asyncio.get_running_loop(), rooms.engine.observer)
            stack.push_async_callback(close, rooms)
            admin = await self._listen_to_operators(rooms)
            stack.push_async_callback(admin.stop)
            # A viewer that came before the first keys would be sent away; without them it goes on all the same.
            await rooms.published.renew()
            public = await self._listen_to_viewers(rooms)
            stack.push_async_callback(public.stop)
            self._begin_tasks(rooms)
            stack.push_async_callback(self._end_tasks, rooms)
            self._heed_signals(rooms)
            rooms.engine.observer.noticed("started", {"address": public.address, "admin": admin.address})
            warn(rooms.engine.observer, self._config)
            self._invite(public)
            await self._serve(rooms)
            await self._drain(rooms, public)
        if self._damage is not None:
            raise self._damage
        return EX_OK

    # -- open ---------------------------------------------------------------------------------------------------

    async def _listen_to_operators(self, rooms: Rooms) -> Listener:
        admin = self._config.admin
        app = admin_app(
            render_metrics=rooms.metrics.render,
            health=rooms.health,
            clock=rooms.clock,
            journal=rooms.journal,
            replay=replay_into(rooms.source, self._config, rooms.clock),
            routes=[
                *operating_routes(rooms.orders, rooms.lobby.everybody, rooms.clock),
                *purge_routes(rooms.purging),
            ],
        )
        return await listen(app, host=admin.host, port=admin.port, path=admin.socket)

    async def _listen_to_viewers(self, rooms: Rooms) -> Listener:
        server = self._config.server
        app = public_app(
            rooms.admission,
            rooms.lobby,
            transports=self._config.transport_settings,
            origins=rooms.origins,
            proxies=rooms.proxies,
            ingest=rooms.source if isinstance(rooms.source, Ingest) else None,
            redactor=lambda: rooms.intake.redactor,
            clock=rooms.clock,
            aliases=server.legacy_prefix,
        )
        if server.dashboard:
            Pages().mount(app.router)
        limits = rooms.engine.limits
        # Behind the relay's own rule for the stuck, which has a name for it and looks only now and then.
        patience = limits.stuck_seconds + 2 * limits.heartbeat_seconds
        return await listen(app, host=server.host, port=server.port, path=server.socket, patience=patience)

    def _begin_tasks(self, rooms: Rooms) -> None:
        forever: dict[str, Callable[[], Awaitable[None]]] = {
            "intake": lambda: rooms.intake.run(rooms.position()),
            "journal": rooms.journaling.keeper.write,
            "mending": rooms.journaling.mender.mend,
            "retention": rooms.journaling.forgetting.run,
            "looking": lambda: self._look(rooms),
            "heartbeat": rooms.lobby.turn,
            "orders": rooms.orders.run,
            "keys": rooms.published.run,
            "recheck": Recheck(rooms.engine).run,
            "vigil": rooms.engine.vigil.run,
            "loop_lag": rooms.loop_lag.run,
            "watchdog": lambda: self._notifier.keep_alive(lambda: rooms.loop_lag.lag() < STALLED_SECONDS),
        }
        if isinstance(rooms.presence, Shared):
            forever["presence"] = rooms.presence.run
        for name, begin in forever.items():
            task = supervise(name, begin, observer=rooms.engine.observer, health=rooms.health)
            self._tasks.append(asyncio.create_task(task, name=name))
        # What has been made by now stays: looking through it again and again would only cost pauses.
        gc.collect()
        gc.freeze()

    async def _look(self, rooms: Rooms) -> None:
        """Look through the journal after an unclean stop; end where nobody but a person can mend it."""
        try:
            await rooms.journaling.mender.look()
        except JournalDamaged as damage:
            self._damage = damage
            self._stop.set()

    def _heed_signals(self, rooms: Rooms) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload, rooms)

    def _invite(self, public: Listener) -> None:
        if self._config.source.use == "simulator":
            print(invitation(self._config, public.address, now=SystemClock().now()), flush=True)  # noqa: T201  # for `make run`

    # -- serve --------------------------------------------------------------------------------------------------

    async def _serve(self, rooms: Rooms) -> None:
        stopped = asyncio.ensure_future(self._stop.wait())
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS
        while not stopped.done() and not rooms.health.ready()[0] and loop.time() < deadline:
            await asyncio.wait({stopped}, timeout=0.1)
        ready, reasons = rooms.health.ready()
        self._notifier.ready("serving" if ready else f"serving history: {'; '.join(reasons.values())}")
        if self._config.auth.mode == "disabled":
            rooms.engine.observer.noticed(
                "auth_disabled", {"level": "warning", "detail": "everybody who reaches this port sees every project"}
            )
        await stopped

    def _reload(self, rooms: Rooms) -> None:
        """Take over what can change; a bad file changes nothing."""
        observer = rooms.engine.observer
        self._notifier.reloading(rooms.clock.monotonic())
        try:
            config = load(self._path, os.environ, settings_of)
            apply(rooms, config)
        except (ConfigError, BadKey, PluginError, OSError) as error:
            observer.noticed("reload_refused", {"level": "error", "detail": str(error)})
        else:
            logs.configure(config.telemetry.log_format, config.telemetry.log_level, sys.stderr)
            observer.noticed("reloaded", {})
            warn(observer, config)
        self._notifier.ready()

    # -- drain --------------------------------------------------------------------------------------------------

    async def _drain(self, rooms: Rooms, public: Listener) -> None:
        rooms.admission.draining = True
        seconds = rooms.engine.limits.drain_seconds
        self._notifier.stopping("draining")
        self._notifier.extend_timeout(seconds + 4 * STOP_SECONDS)
        rooms.engine.observer.noticed("draining", {"viewers": len(rooms.lobby), "seconds": seconds})
        await public.close_doors()
        await rooms.lobby.empty(seconds)

    async def _end_tasks(self, rooms: Rooms) -> None:
        intake, *others = self._tasks
        # First the way in, then what it left to be written, then the rest.
        await cancelled([intake])
        await briefly(rooms.journaling.mender.end())
        if isinstance(rooms.presence, Shared):
            # While its task is there to send it.
            await rooms.presence.close()
        await cancelled(others)
        rooms.engine.observer.noticed("stopped", {"version": __version__})


def warn(observer: Observer, config: Config) -> None:
    """Tell the operator what is not as the configuration seems to want it, and works all the same."""
    if detail := shortage(config.server.max_connections):
        observer.noticed("connections_capped", {"level": "warning", "detail": detail})
    if detail := ticket_warning(config):
        observer.noticed("tickets_not_shared", {"level": "warning", "detail": detail})


async def close(rooms: Rooms) -> None:
    """Let go of authorizers and journal; one that can't be closed in order is looked through at the next start."""
    for authorizer in rooms.engine.authorizers:
        if isinstance(authorizer, Closing):
            await briefly(authorizer.close())
    if rooms.journal is None:
        return
    try:
        await briefly(rooms.journal.close())
    except JournalError as error:
        rooms.engine.observer.journal_failed(error)


async def briefly(work: Awaitable[None]) -> None:
    """Wait a while for the end of some work, and no longer: a disk that hangs must not keep the process from ending."""
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            await work


async def cancelled(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait a while for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=STOP_SECONDS)
