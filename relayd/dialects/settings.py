"""What can be set for the dialects."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from relayd.protocol.messages import TYPES

__all__ = ["AguiSettings", "Rule", "RulesSettings"]


class AguiSettings(BaseModel):
    """AG-UI: what of it is told, and whose it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    progress: str = Field(
        default="",
        pattern=r"^(/([^/~]|~[01])*)*$",
        description="JSON pointer (RFC 6901) to the number in the agent's state that is the progress; empty: there is "
        "none.",
    )
    progress_full: float = Field(
        default=100, gt=0, le=2**53, description="What that number is when all is done, such as 1 for a fraction."
    )
    tool_texts: bool = Field(
        default=True,
        description="Tell what tools are called with and what they answer, shortened and without secrets; else only "
        "their names.",
    )
    reasoning: bool = Field(default=False, description="Tell the text of what agents reason as lines of log.")
    one_run_per_user: bool = Field(
        default=False,
        description="Each user of the broker speaks of one run at a time: an event that names none is of the last one "
        "that its user began.",
    )


class Rule(BaseModel):
    """One kind of event, recognised and mapped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="What sentences call it.")
    headers: dict[str, str] = Field(
        default={}, description="Headers that the delivery must have; `*` at the end stands for any rest."
    )
    exchange: str = Field(default="", description="Exchange that it must have come over; empty: any.")
    fields: dict[str, str] = Field(
        default={},
        description="Fields that the event must have, by JMESPath, compared as texts; `*` at the end is any rest.",
    )
    type: str = Field(description="The message that it becomes.")
    take: dict[str, str] = Field(
        default={}, description="The message's fields, each by a JMESPath; one that finds nothing is left out."
    )
    set: dict[str, Any] = Field(default={}, description="The message's fields that are always the same.")
    words: dict[str, dict[str, Any]] = Field(
        default={}, description="For a field that is taken: what its values mean, `*` any other one."
    )

    @field_validator("type")
    @classmethod
    def _is_a_message(cls, value: str) -> str:
        if value not in TYPES:
            raise ValueError(f"{value!r} is no message; use one of {', '.join(TYPES)}")
        return value


class RulesSettings(BaseModel):
    """Events of any shape, mapped by rules: the first that matches an event says what it becomes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: tuple[Rule, ...] = Field(default=(), description="The rules, in the order in which they are tried.")
