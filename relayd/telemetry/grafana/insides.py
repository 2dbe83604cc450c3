"""What the relays do with it: what they refuse, how those that they lean on are, and what the processes need."""

from relayd.telemetry import catalogue
from relayd.telemetry.grafana.panels import Look, Panel, Row
from relayd.telemetry.grafana.queries import Query, latest, named, per_second, quantiles, scoped

__all__ = ["LEANS_ON", "PROCESS", "REFUSED"]


REFUSED = Row(
    "What is refused or lost, and why?",
    (
        Panel(
            title="Events that nobody understands",
            advice="`relayd rejected list` shows them. Mend the producer or the mapping, then publish them again.",
            queries=(per_second(catalogue.REJECTED, "reason"),),
            unit="eps",
            runbook="RelaydPoisonMessages",
            bad=0.1,
        ),
        Panel(
            title="Tokens that open nothing",
            advice="`expired` everywhere is a token service that stands still, `signature` a key changed at one side.",
            queries=(per_second(catalogue.AUTH_FAILURES, "reason"),),
            unit="cps",
            runbook="RelaydAuthFailureSpike",
            bad=5,
        ),
        Panel(
            title="Projects that are taken from viewers",
            advice="`forbidden`: rights were taken back. `overloaded`: nobody could tell for `auth.stale_seconds`.",
            queries=(per_second(catalogue.WITHDRAWN, "reason"),),
            unit="cps",
            runbook="RelaydRightsUnanswered",
        ),
        Panel(
            title="Limits that are met",
            advice="docs/operate.md lists them. See who it is (`limit_met` in the log) before you raise one.",
            queries=(per_second(catalogue.LIMITS_MET, "reason"),),
            unit="cps",
            runbook="RelaydLimitRefusals",
        ),
        Panel(
            title="Gaps that viewers are told",
            advice="`below_floor`: away longer than is kept; `lagged`: too slow; `recreated`, `truncated`: the stream.",
            queries=(per_second(catalogue.GAPS, "cause"),),
            unit="cps",
            runbook="RelaydStreamTruncated",
        ),
        Panel(
            title="Why did viewers leave?",
            advice="`stuck` is a network that swallows, `restarting` a deployment, `idle_timeout` machines that sleep.",
            queries=(per_second(catalogue.DISCONNECTS, "reason"),),
            unit="cps",
            runbook="RelaydStuckViewers",
        ),
        Panel(
            title="Viewers that are too slow",
            advice="They are caught up and see everything. Many of them: more comes than their networks take.",
            queries=(per_second(catalogue.FELL_BEHIND, "transport"),),
            unit="cps",
            runbook="RelaydViewersFallBehind",
        ),
        Panel(
            title="Repeats and secrets",
            advice="Repeats follow a broker's restart; hidden secrets are a producer that should not log them.",
            queries=(
                per_second(catalogue.DEDUPLICATED, legend="repeats"),
                per_second(catalogue.REDACTIONS, "rule", "hidden: {{rule}}"),
            ),
            unit="eps",
            runbook="RelaydPoisonMessages",
        ),
    ),
)

LEANS_ON = Row(
    "How are broker, Redis, issuer, your API and journal?",
    (
        Panel(
            title="Is it there?",
            advice="The broker, a subscription that gives what it has, Redis (where there is one), the journal.",
            queries=(
                Query(scoped(catalogue.BROKER_CONNECTED), "broker, {{instance}}"),
                Query(scoped(catalogue.CONSUMER_UP), "subscription, {{instance}}"),
                Query(scoped(catalogue.REDIS_UP), "Redis, {{instance}}"),
                Query(scoped(catalogue.JOURNAL_ATTACHED), "journal, {{instance}}"),
            ),
            unit="none",
            runbook="RelaydBrokerDisconnected",
            look=Look.STATES,
            width=16,
        ),
        Panel(
            title="Why was reading begun anew?",
            advice="`connection` is the network or a broker that restarts, `stalled` a stream without quorum.",
            queries=(per_second(catalogue.RECONNECTS, "cause"),),
            unit="cps",
            runbook="RelaydReconnectsOften",
        ),
        Panel(
            title="Canaries that are missing",
            advice="`unconfirmed` is a memory or disk alarm of the broker, `unroutable` a binding that is gone.",
            queries=(per_second(catalogue.CANARY_MISSED, "cause"),),
            unit="cps",
            runbook="RelaydCanaryLate",
        ),
        Panel(
            title="Breaks of the log",
            advice="Somebody deleted the stream, or retention was faster than this relay. Viewers are told gaps.",
            queries=(
                per_second(catalogue.EPOCH_CHANGES, legend="made anew"),
                per_second(catalogue.TRUNCATIONS, legend="truncated"),
            ),
            unit="cps",
            runbook="RelaydEpochChanged",
        ),
        Panel(
            title="Journal",
            advice="Errors: the disk is full, hangs or is damaged. Viewers are served live meanwhile.",
            queries=(
                per_second(catalogue.JOURNAL_EVENTS, legend="events written"),
                per_second(catalogue.JOURNAL_ERRORS, legend="errors"),
                per_second(catalogue.JOURNAL_REPLACED, legend="moved aside"),
            ),
            unit="eps",
            runbook="RelaydJournalFailing",
        ),
        Panel(
            title="How old are the issuer's keys?",
            advice="They are read anew each `auth.jwks.refresh_seconds`. Nothing to see without `auth.jwks.url`.",
            queries=(latest(catalogue.JWKS_AGE, "instance"),),
            unit="s",
            runbook="RelaydJwksStale",
            bad=3_600,
        ),
        Panel(
            title="What does your API say of rights?",
            advice="`granted` and `denied` are answers, all else is none. Nothing but zeros without authorizer `http`.",
            queries=(per_second(catalogue.RIGHTS_REQUESTS, "outcome"),),
            unit="cps",
            runbook="RelaydRightsUnanswered",
        ),
        Panel(
            title="How long does your API take?",
            advice="Whoever comes waits for it, and has no answer after `authorizers.http.timeout_seconds`.",
            queries=quantiles(catalogue.RIGHTS_SECONDS),
            unit="s",
            runbook="RelaydRightsUnanswered",
        ),
    ),
)

PROCESS = Row(
    "How are the processes?",
    (
        Panel(
            title="CPU",
            advice="One relay uses one core. Near it, the flush interval stretches: fewer viewers per relay.",
            queries=(
                Query(
                    f"sum by (instance) (rate({named('process_cpu_seconds_total')}[$__rate_interval]))", "{{instance}}"
                ),
            ),
            unit="percentunit",
            runbook="RelaydEventLoopBlocked",
        ),
        Panel(
            title="Memory",
            advice="The timeline is bounded by `memory.timeline_mib`, a viewer needs some KiB; all else is level.",
            queries=(
                Query(named("process_resident_memory_bytes"), "process, {{instance}}"),
                Query(scoped(catalogue.TIMELINE_BYTES), "timeline, {{instance}}"),
            ),
            unit="bytes",
            runbook="RelaydRestartLoop",
        ),
        Panel(
            title="Is there memory for more viewers?",
            advice="No: those who come are told to try again. Nothing to see without `server.max_memory_mib`.",
            queries=(Query(f"1 - {scoped(catalogue.MEMORY_SHORT)}", "{{instance}}"),),
            unit="none",
            runbook="RelaydMemoryShort",
            look=Look.STATES,
        ),
        Panel(
            title="Open files, of those that may be",
            advice="Each viewer is one. Raise `LimitNOFILE`, or lower `server.max_connections`.",
            queries=(Query(f"{named('process_open_fds')} / {named('process_max_fds')}", "{{instance}}"),),
            unit="percentunit",
            runbook="RelaydFdsLow",
            bad=0.8,
        ),
        Panel(
            title="Projects in memory",
            advice="Grows with what workers begin; projects that nobody ends stay `in_progress`.",
            queries=(latest(catalogue.PROJECTS, "status"),),
            unit="short",
            runbook="RelaydRestartLoop",
            look=Look.AREAS,
        ),
        Panel(
            title="Tasks",
            advice="They come and go with connections. What stays behind when viewers have left is a fault.",
            queries=(latest(catalogue.TASKS, "instance"),),
            unit="short",
            runbook="RelaydIncidents",
        ),
        Panel(
            title="Faults of relayd's own",
            advice="Each has an incident id in the log, with its traceback; keep that for a report.",
            queries=(per_second(catalogue.FAILURES, "instance"),),
            unit="cps",
            runbook="RelaydIncidents",
        ),
        Panel(
            title="For how long does it run?",
            advice="Short, again and again: the watchdog, or memory. `journalctl -u relayd -e` says which.",
            queries=(Query(f"time() - {named('process_start_time_seconds')}", "{{instance}}"),),
            unit="s",
            runbook="RelaydRestartLoop",
            look=Look.NUMBER,
            width=12,
            height=4,
        ),
        Panel(
            title="Versions",
            advice="More than one for longer than a rolling update takes: an update that stopped half way.",
            queries=(Query(f"count by (version) ({scoped(catalogue.BUILD_INFO)})", "{{version}}"),),
            unit="none",
            runbook="RelaydRestartLoop",
            look=Look.NUMBER,
            width=12,
            height=4,
        ),
    ),
)
