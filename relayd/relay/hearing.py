"""What a viewer says on a socket, and the answers (docs/protocol.md section 2)."""

from collections.abc import Coroutine
from typing import Any

import msgspec

from relayd.protocol.commands import (
    EVERYTHING,
    BadCommandError,
    Filter,
    Ping,
    Pong,
    Refresh,
    Selection,
    Subscribe,
    Unsubscribe,
    View,
    parse,
)
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import Notice
from relayd.relay.admission import Admission
from relayd.relay.recheck import all_again
from relayd.relay.refusal import Refused
from relayd.relay.session import Session
from relayd.relay.subscription import Subscription, refuse_beyond
from relayd.relay.view import SharedView

__all__ = ["hear"]


class PongAnswer(msgspec.Struct, tag="pong", tag_field="type", omit_defaults=True):
    """The answer to a JSON ping: how fresh the viewer is."""

    server_time: float
    head: str
    cursor: str | None = None
    lag_seconds: float | None = None


def hear(session: Session, admission: Admission, text: str) -> Coroutine[Any, Any, None] | None:
    """
    Do what a text frame asks for; a frame that can't be read ends the session.

    What has to wait is returned, to be awaited before the next frame is heard; the others cost no task.
    """
    try:
        command = parse(text)
    except BadCommandError as error:
        session.close(Disconnect.BAD_REQUEST, str(error))
        return None
    match command:
        case Ping():
            session.push(session.encoding.say(b"pong" if text == "ping" else pong(session)))
        case Pong():
            pass
        case Subscribe():
            return subscribe(session, admission, command)
        case Unsubscribe(project_id=project_id):
            there = session.unsubscribe(project_id)
            session.notice(Notice(code="UNSUBSCRIBED" if there else "NOT_SUBSCRIBED", project_id=project_id))
        case Filter():
            change_filter(session, command)
        case View(project_id=project_id, state=state):
            show(session, project_id, state)
        case Refresh(token=token):
            return refresh(session, admission, token)
        case _:
            # An unknown type: newer clients may say more than this relay understands.
            admission.engine.observer.noticed("command_ignored", {"connection_id": session.grant.connection_id})
    return None


def pong(session: Session) -> bytes:
    """Return the JSON answer to a JSON ping."""
    engine = session.engine
    answer = PongAnswer(
        server_time=engine.clock.now(),
        head=engine.log.head_cursor(),
        cursor=session.cursor() or None,
        lag_seconds=engine.freshness.lag(),
    )
    return msgspec.json.encode(answer)


async def subscribe(session: Session, admission: Admission, command: Subscribe) -> None:
    """Add a project to a socket that carries many; a refusal is a notice and the socket stays."""
    project_id = command.project_id
    try:
        if not session.many:
            raise Refused(Disconnect.BAD_REQUEST, "this socket is for one project; use the one for many", "not_many")
        if project_id in session.subscriptions:
            raise Refused(Disconnect.BAD_REQUEST, "subscribed already; unsubscribe first", "twice")
        if len(session.subscriptions) >= admission.engine.limits.max_subscriptions:
            limit = admission.engine.limits.max_subscriptions
            raise Refused(
                Disconnect.TOO_MANY_CONNECTIONS,
                f"{limit} subscriptions are the most a socket can have",
                "subscriptions",
            )
        await admission.authorize(session.grant.proof, project_id)
        verdict = await admission.judge(project_id, command.after)
        # Again, because it may have been shelved while the cursor was looked up; nothing awaits from here on.
        project = await admission.open(project_id)
        refuse_beyond(admission.engine.limits.viewers_per_project, project)
    except Refused as refused:
        admission.count(session.encoding.transport, refused)
        session.notice(
            Notice(
                code=refused.disconnect.name, project_id=project_id, detail=refused.sentence, data=refused.data or None
            )
        )
        return
    if not session.ended.done():
        tail = session.grant.tail
        session.subscribe(project, plain(command.filter), after=command.after, tail=tail, verdict=verdict)


def change_filter(session: Session, command: Filter) -> None:
    """Change what is wanted, and say from which cursor on."""
    subscription = named(session, command.project_id)
    if subscription is None:
        return
    cursor = session.select(subscription, plain(command.filter))
    session.notice(Notice(code="FILTERED", project_id=subscription.project.id, cursor=cursor))


def show(session: Session, project_id: str | None, state: dict[str, Any] | None) -> None:
    """Show the others of a project what the viewer looks at, or say why not."""
    subscription = named(session, project_id)
    if subscription is None:
        return
    if session.view is None:
        session.view = SharedView(session.engine.clock, session.grant)
    if (told := session.view.show(subscription, state)) is not None:
        session.notice(told)


def named(session: Session, project_id: str | None) -> Subscription | None:
    """Return the subscription that a command names, or the only one; where there is none the viewer is told."""
    if project_id is None and len(session.subscriptions) == 1:
        project_id = next(iter(session.subscriptions))
    subscription = session.subscriptions.get(project_id or "")
    if subscription is None:
        detail = "name the `project_id` of a subscription of this socket"
        session.notice(Notice(code="NOT_SUBSCRIBED", project_id=project_id, detail=detail))
    return subscription


def refresh(session: Session, admission: Admission, token: str) -> Coroutine[Any, Any, None] | None:
    """
    Go on until the newer token expires; one that is bad, or another user's, ends the session.

    What it is worth is asked for all projects at once, which has to wait.
    """
    try:
        proof = admission.prove(token, remote=session.grant.remote)
        if proof.viewer.user != session.grant.viewer.user:
            raise Refused(Disconnect.AUTH_FAILED, "the new token is another user's; connect anew", "other_user")
    except Refused as refused:
        session.close(refused.disconnect, refused.sentence, refused.retry_after_ms)
        return None
    session.grant.proof = proof
    session.watch_expiry()
    session.notice(Notice(code="REFRESHED", data={"token_expires_at": proof.viewer.expires_at}))
    return all_again(session.engine, list(session.subscriptions.values()))


def plain(selection: Selection) -> Selection:
    """Return the one value that stands for no selection, which the fan-out knows by identity."""
    return EVERYTHING if selection == EVERYTHING else selection
