"""What is remembered of tasks."""

from relayd.dialects.canvas import Canvas, Part, Task, end


def remembered(canvas: Canvas, uuid: str) -> bool:
    """Return whether a task is known."""
    return canvas.find(uuid) is not None


def test_a_task_is_introduced_once() -> None:
    """What is said of it again changes nothing."""
    canvas = Canvas(9)
    assert canvas.introduce("r", Task("build", "r", None))
    assert canvas.introduce("c", Task("check", "r", "r"))
    assert not canvas.introduce("c", Task("other", "r", "r"))
    found = canvas.find("c")
    assert found is not None
    task, family = found
    assert ("check", 1, 1) == (task.name, family.total, family.open)
    for _ in range(2):
        end(task, family, "it failed")
    assert (0, 1, "it failed", Part(remembered=1, total=1, failed=1)) == (
        family.open,
        family.failed,
        family.failure,
        family.parts["check"],
    )


def test_the_longest_unused_task_is_forgotten_and_nobody_waits_for_it() -> None:
    """A family goes with its last one, a stage with its last task: a root that starts tasks for ever costs no more."""
    canvas = Canvas(2)
    canvas.introduce("r", Task("build", "r", None))
    for number in range(50):
        assert remembered(canvas, "r")
        canvas.introduce(str(number), Task(f"check {number}", "r", "r"))
    found = canvas.find("r")
    assert found is not None
    assert (50, 1, ["check 49"]) == (found[1].total, found[1].open, list(found[1].parts))
    canvas.introduce("x", Task("x", "x", None))
    canvas.introduce("y", Task("y", "y", None))
    assert [False, False, True, True] == [remembered(canvas, uuid) for uuid in ("r", "49", "x", "y")]
    assert {"x", "y"} == set(canvas._families)


def test_a_stage_stays_while_one_of_its_tasks_is_known() -> None:
    """What was counted of the others still counts."""
    canvas = Canvas(3)
    canvas.introduce("r", Task("build", "r", None))
    for uuid in ("a", "b", "c"):
        assert remembered(canvas, "r")
        canvas.introduce(uuid, Task("check", "r", "r"))
    found = canvas.find("r")
    assert found is not None
    assert Part(remembered=2, total=3) == found[1].parts["check"]
