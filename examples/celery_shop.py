"""
A shop that Celery builds; to be watched it needs one setting and workers that say what they do.

    celery -A celery_shop worker -E
    python -c 'import celery_shop; print(celery_shop.build.delay(["cart", "search"]).id)'    # the project
"""

import os

from celery import Celery, Task, group

app = Celery("shop", broker=os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1/"))
app.conf.task_send_sent_event = True


@app.task
def build(parts: list[str]) -> None:
    """Start a task for each part; the project ends with the last of them."""
    group(check.s(part) for part in parts).apply_async()


@app.task(bind=True, default_retry_delay=0)
def check(self: Task, part: str) -> None:
    """Check a part: `search` works at the second try, `payment` never."""
    if part == "search" and not self.request.retries:
        raise self.retry(exc=ConnectionError("the model is busy"))
    if part == "payment":
        raise ValueError("no such part")
