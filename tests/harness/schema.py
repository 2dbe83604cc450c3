"""What the published JSON Schema says of a value: a reader of its own, which knows nothing of how the relay reads."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["mistakes"]

Schema = Mapping[str, Any]

KINDS: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
SAID_ONLY = {"title", "description", "default", "discriminator", "$defs", "$schema"}
"""Words that demand nothing."""


def mistakes(value: object, schema: Schema, whole: Schema, at: str = "$") -> list[str]:
    """Return what is wrong with a value, by its place; raises NotImplementedError for a word that is not known here."""
    return [said for word, wanted in schema.items() for said in _judge(word, wanted, value, schema, whole, at)]


def _judge(word: str, wanted: Any, value: Any, schema: Schema, whole: Schema, at: str) -> Iterator[str]:  # noqa: ANN401, C901, PLR0912  # a branch for each word
    match word:
        case _ if word in SAID_ONLY:
            return
        case "$ref":
            yield from mistakes(value, whole["$defs"][wanted.rpartition("/")[2]], whole, at)
        case "anyOf":
            tried = [mistakes(value, one, whole, at) for one in wanted]
            if all(tried):
                yield f"{at}: none of {len(tried)}; {min(tried, key=len)[0]}"
        case "type":
            if not isinstance(value, KINDS[wanted]) or (isinstance(value, bool) and wanted != "boolean"):
                yield f"{at}: no {wanted}"
        case "enum":
            if value not in wanted:
                yield f"{at}: none of {wanted}"
        case "pattern":
            if isinstance(value, str) and re.search(wanted, value) is None:
                yield f"{at}: not like {wanted}"
        case "minLength" | "maxLength" | "minItems" | "maxItems":
            if isinstance(value, str if word.endswith("Length") else list):
                yield from _bound(word, len(value), wanted, at)
        case "minimum" | "maximum" | "exclusiveMaximum" | "exclusiveMinimum":
            if isinstance(value, int | float):
                yield from _bound(word, value, wanted, at)
        case "required":
            if isinstance(value, dict):
                yield from (f"{at}: without {name}" for name in wanted if name not in value)
        case "properties":
            if isinstance(value, dict):
                for name in value.keys() & wanted.keys():
                    yield from mistakes(value[name], wanted[name], whole, f"{at}.{name}")
        case "additionalProperties":
            known = schema.get("properties", {})
            if isinstance(value, dict) and isinstance(wanted, dict):
                for name in value.keys() - known.keys():
                    yield from mistakes(value[name], wanted, whole, f"{at}.{name}")
            elif isinstance(value, dict) and wanted is False:
                yield from (f"{at}: {name} is not known" for name in value.keys() - known.keys())
        case "items":
            if isinstance(value, list):
                for index, one in enumerate(value):
                    yield from mistakes(one, wanted, whole, f"{at}[{index}]")
        case _:
            raise NotImplementedError(word)


def _bound(word: str, size: float, wanted: float, at: str) -> Iterator[str]:
    beyond = {"exclusiveMaximum": size >= wanted, "exclusiveMinimum": size <= wanted}
    least = word.startswith("min")
    if beyond.get(word, size < wanted if least else size > wanted):
        yield f"{at}: {size} is beyond {word} {wanted}"
