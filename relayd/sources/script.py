"""What a made-up swarm is about: projects, agents, stages, and the lines they say."""

from msgspec import Struct

__all__ = ["AGENTS", "CAST", "FAILURES", "STAGES", "Role", "Stage"]


class Role(Struct, frozen=True):
    """A project of the demo."""

    project_id: str
    name: str
    description: str
    project_type: str


class Stage(Struct, frozen=True):
    """A stage of the workflow: who works in it and what they say about it."""

    name: str
    message: str
    agents: tuple[str, ...]
    lines: tuple[str, ...]


CAST = (
    Role("demo-shop", "Corner Shop", "A shop with a cart, a checkout and far too many discounts", "web"),
    Role("demo-api", "Parcel API", "Where is my parcel, as an API with webhooks", "api"),
    Role("demo-docs", "Handbook", "A handbook that searches itself", "site"),
)

AGENTS = ("architect", "frontend", "backend", "security", "tester", "deployer")

STAGES = (
    Stage("initialization", "Setting up the workspace", ("architect",), ("Cloned the template", "Chose Python 3.11")),
    Stage(
        "requirements_analysis",
        "Reading the requirements",
        ("architect",),
        ("14 user stories found", "Two of them contradict each other; the newer one stands"),
    ),
    Stage(
        "architecture_design",
        "Drawing the architecture",
        ("architect", "backend"),
        ("Three services, one database", "Wrote the decision down: no message bus yet"),
    ),
    Stage(
        "frontend_development",
        "Building components",
        ("frontend",),
        ("Rendered the cart", "Keyboard works everywhere but in the date picker", "Bundle is 84 kB"),
    ),
    Stage(
        "backend_development",
        "Writing the services",
        ("backend",),
        ("Migrations applied", "POST /orders answers in 12 ms", "Retries are idempotent now"),
    ),
    Stage("integration", "Joining both ends", ("frontend", "backend"), ("First order went through, hello Ada",)),
    Stage(
        "security_scanning",
        "Looking for holes",
        ("security",),
        ("No secrets in the history", "One dependency is behind; raised"),
    ),
    Stage("testing", "Running the tests", ("tester",), ("212 passed in 9.4 s", "Flaky test found and mended")),
    Stage("deployment_setup", "Preparing the deployment", ("deployer",), ("Image is 61 MB", "Rollback rehearsed")),
    Stage("validation", "Asking the first users", ("tester", "deployer"), ("Everything answers, everything is green",)),
    Stage("completion", "Handing over", ("deployer",), ("Wrote the release notes",)),
)

FAILURES = (
    ("The database refused the migration: column `total` has nulls", "MIGRATION_FAILED"),
    ("The build ran out of memory", "BUILD_OOM"),
    ("Three tests fail on every second Tuesday", "TESTS_FAILED"),
    ("The model's answer was no program", "BAD_COMPLETION"),
)
