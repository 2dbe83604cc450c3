"""Bodies that somebody will send one day, by accident or on purpose."""

DEEP = 10**5

GOOD = b'{"type":"project_progress","project_id":"shop","timestamp":1,"progress":65,"message":"x"}'

ONE_EVENT: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \t\r\n ",
    "only a byte order mark": b"\xef\xbb\xbf",
    "not UTF-8": b"\xff\xfe\xfd",
    "not UTF-8 in a text": GOOD.replace(b'"x"', b'"\xff"'),
    "encoded surrogate": GOOD.replace(b'"x"', b'"\xed\xa0\x80"'),
    "lone surrogate": GOOD.replace(b'"x"', rb'"\ud800"'),
    "lone surrogate before a text": GOOD.replace(b'"x"', rb'"\ud83dx"'),
    "NUL": b"\0",
    "NUL in a text": GOOD.replace(b'"x"', b'"\0"'),
    "UTF-16": GOOD.decode().encode("utf-16"),
    "NaN": GOOD.replace(b"65", b"NaN"),
    "infinity": GOOD.replace(b"65", b"-Infinity"),
    "number out of range": GOOD.replace(b"65", b"1e999"),
    "integer of 5,000 digits": GOOD.replace(b"65", b"9" * 5_000),
    "deep array in an object": b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep object": b'{"a":' * DEEP,
    "deep array without an end": b"[" * DEEP,
    "quote without an end": b'["' + b'\\"' * DEEP,
    "bracket too many": b"[]]",
    "crossed brackets": b"[{]}]",
    "text behind an array": b"[] []",
    "two objects on a line": GOOD + GOOD,
    "two objects with a blank": GOOD + b" " + GOOD,
    "half an object": GOOD[:-1],
    "half an object over lines": b'{\n  "type": "log",\n  "message":\n',
    "comma too many": GOOD[:-1] + b",}",
    "single quotes": b"{'type':'log'}",
    "a text": b'"hello"',
    "a number": b"5",
    "null": b"null",
    "no fields": b"{}",
    "megabytes in one event": GOOD.replace(b'"x"', b'"' + b"x" * 10_000_000 + b'"'),
    "type of another kind": b'{"type":["log"]}',
    "type that is an object": b'{"type":{}}',
    "no project": b'{"type":"log","level":"info","message":"x"}',
    "project outside the folder": GOOD.replace(b"shop", b"../shop"),
    "project with a line feed": GOOD.replace(b"shop", rb"shop\n"),
    "another relay": b'{"type":"connection_established","project_id":"shop","timestamp":1}',
    "another relay's envelope": b'{"type":"batch","messages":[' + GOOD + b"]}",
    "another relay's notice": b'{"type":"notice","code":"DRAINING"}',
}
"""Each is one raw event that can't be understood."""

SEVERAL: dict[str, tuple[int, bytes]] = {
    "nothing": (0, b"[]"),
    "nothing with a blank": (0, b" [ ] "),
    "deep array": (1, b"[" * DEEP + b"]" * DEEP),
    "arrays in an array": (2, b"[[],[[]]]"),
    "commas": (3, b"[,,]"),
    "comma at the end": (2, b"[1,]"),
    "brackets of two kinds": (1, b"[{]]"),
    "no JSON between good ones": (3, b"[" + GOOD + b",nonsense," + GOOD + b"]"),
    "NaN between good ones": (3, b"[" + GOOD + b"," + ONE_EVENT["NaN"] + b"," + GOOD + b"]"),
    "depth between good ones": (3, b"[" + GOOD + b"," + ONE_EVENT["deep array in an object"] + b"," + GOOD + b"]"),
    "surrogate between good ones": (3, b"[" + GOOD + b"," + ONE_EVENT["lone surrogate"] + b"," + GOOD + b"]"),
    "not UTF-8 between good ones": (3, b"[" + GOOD + b"," + ONE_EVENT["not UTF-8 in a text"] + b"," + GOOD + b"]"),
    "lines with nonsense": (3, GOOD + b"\nnonsense\r\n\r\n" + GOOD + b"\n"),
    "lines with half an object": (3, GOOD + b"\n" + GOOD[:-1] + b"\n" + GOOD),
}
"""How many raw events each of these is."""
