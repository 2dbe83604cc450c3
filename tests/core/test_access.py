from relayd.core.access import ProjectFacts, Question, Viewer


def test_a_viewer_may_do_nothing_by_default() -> None:
    """What a token does not say is not granted."""
    viewer = Viewer(user="ada", expires_at=1.0)
    assert (frozenset(), frozenset(), frozenset(), False) == (
        viewer.roles,
        viewer.teams,
        viewer.projects,
        viewer.worker,
    )


def test_nobody_owns_a_project_by_default() -> None:
    """What the log has not said is None, never an empty name that could be somebody's."""
    facts = ProjectFacts(project_id="p", known=False)
    assert (None, None) == (facts.owner, facts.team)


def test_a_question_keeps_its_token_to_itself() -> None:
    """Whoever writes one into a log or an error tells who asks for what, and not with which token."""
    viewer = Viewer(user="ada", expires_at=1.0)
    question = Question(viewer=viewer, project=ProjectFacts(project_id="p", known=True), token="eyJsecret")
    assert "eyJsecret" not in f"{question} {question!r} {[question]}"
    assert "ada" in repr(question)
    assert "'p'" in repr(question)
    assert ("eyJsecret", False) == (question.token, question.anew)
