import pytest

from relayd.core.access import Decision, ProjectFacts, Question, Viewer
from relayd.identity.authorizers import ClaimsAuthorizer, OwnershipAuthorizer
from relayd.identity.settings import ClaimsSettings, OwnershipSettings
from relayd.testing.authorizer_contract import AuthorizerContract

CLAIMS = ClaimsAuthorizer(ClaimsSettings())
OWNERSHIP = OwnershipAuthorizer(OwnershipSettings())


def viewer(*, roles: set[str] | None = None, teams: set[str] | None = None, projects: set[str] | None = None) -> Viewer:
    """Return Ada with these."""
    return Viewer(
        user="ada",
        expires_at=0.0,
        roles=frozenset(roles or ()),
        teams=frozenset(teams or ()),
        projects=frozenset(projects or ()),
    )


def facts(owner: str | None = None, team: str | None = None) -> ProjectFacts:
    """Return what the log says of project p-1."""
    return ProjectFacts(project_id="p-1", known=True, owner=owner, team=team)


def may(who: Viewer, project: ProjectFacts) -> Question:
    """Return the question."""
    return Question(viewer=who, project=project)


@pytest.mark.parametrize(
    ("who", "decision"),
    [
        (viewer(projects={"p-1"}), Decision.GRANTED),
        (viewer(projects={"*"}), Decision.GRANTED),
        (viewer(roles={"admin"}), Decision.GRANTED),
        (viewer(projects={"p-2", "p"}), Decision.DENIED),
        (viewer(roles={"Admin"}, teams={"admin"}), Decision.DENIED),
        (viewer(), Decision.DENIED),
    ],
)
async def test_what_the_token_grants(who: Viewer, decision: Decision) -> None:
    """By id, by star, by role; the token is all there is, so it is never unknown, whoever owns the project."""
    assert decision is await CLAIMS.decide(may(who, facts()))
    assert decision is await CLAIMS.decide(may(who, facts(owner="ada")))


@pytest.mark.parametrize(
    ("scopes", "decision"),
    [
        ({"swarm:p-1:read"}, Decision.GRANTED),
        ({"swarm:read", "openid"}, Decision.GRANTED),
        ({"swarm:p-2:read", "swarm:{project_id}:read", "p-1"}, Decision.DENIED),
        (set(), Decision.DENIED),
    ],
)
async def test_what_scopes_open(scopes: set[str], decision: Decision) -> None:
    """A project whose name stands in it, or all; none unless an operator says which."""
    claims = ClaimsAuthorizer(ClaimsSettings(scopes=("swarm:{project_id}:read", "swarm:read")))
    who = Viewer(user="ada", expires_at=0.0, scopes=frozenset(scopes))
    assert decision is await claims.decide(may(who, facts()))
    assert Decision.DENIED is await CLAIMS.decide(may(who, facts()))


async def test_other_names_for_admins() -> None:
    """An operator may call them as the issuer does, or have none."""
    ops = ClaimsAuthorizer(ClaimsSettings(admin_roles=("ops",)))
    none = ClaimsAuthorizer(ClaimsSettings(admin_roles=()))

    assert Decision.GRANTED is await ops.decide(may(viewer(roles={"ops"}), facts()))
    assert Decision.DENIED is await ops.decide(may(viewer(roles={"admin"}), facts()))
    assert Decision.DENIED is await none.decide(may(viewer(roles={"admin"}), facts()))


@pytest.mark.parametrize(
    ("project", "decision"),
    [
        (facts(owner="ada"), Decision.GRANTED),
        (facts(owner="bob", team="red"), Decision.GRANTED),
        (facts(team="red"), Decision.GRANTED),
        (facts(owner="ada", team="blue"), Decision.GRANTED),
        (facts(owner="bob", team="blue"), Decision.DENIED),
        (facts(owner="bob"), Decision.DENIED),
        (facts(team="blue"), Decision.DENIED),
        (facts(), Decision.UNKNOWN),
    ],
)
async def test_what_the_log_says(project: ProjectFacts, decision: Decision) -> None:
    """The owner and the team; where the log has named neither it may still."""
    assert decision is await OWNERSHIP.decide(may(viewer(teams={"red"}), project))


async def test_a_project_without_a_team_is_not_shared_with_the_teamless() -> None:
    """Nothing on both sides is no match."""
    assert Decision.DENIED is await OWNERSHIP.decide(may(viewer(), facts(owner="bob")))


async def test_teams_can_be_left_out() -> None:
    """Then a project is its owner's alone."""
    alone = OwnershipAuthorizer(OwnershipSettings(teams=False))

    assert Decision.DENIED is await alone.decide(may(viewer(teams={"red"}), facts(owner="bob", team="red")))
    assert Decision.GRANTED is await alone.decide(may(viewer(), facts(owner="ada", team="red")))


def test_their_names_are_those_they_are_asked_for_by() -> None:
    """`auth.authorizers` lists them."""
    assert ("claims", "ownership") == (CLAIMS.name, OWNERSHIP.name)


class TestClaims(AuthorizerContract):
    @pytest.fixture
    def authorizer(self) -> ClaimsAuthorizer:
        return CLAIMS

    @pytest.fixture
    def granted(self) -> Question:
        return may(viewer(projects={"p-1"}), facts())

    @pytest.fixture
    def denied(self) -> Question:
        return may(viewer(projects={"p-2"}), facts())


class TestOwnership(AuthorizerContract):
    @pytest.fixture
    def authorizer(self) -> OwnershipAuthorizer:
        return OWNERSHIP

    @pytest.fixture
    def granted(self) -> Question:
        return may(viewer(), facts(owner="ada"))

    @pytest.fixture
    def denied(self) -> Question:
        return may(viewer(), facts(owner="bob"))
