"""
The shapes of secrets, and the names they go by.

What is hidden by mistake is a nuisance, what is shown by mistake is a leak: in doubt a shape is a secret.
"""

from collections.abc import Mapping

from msgspec import Struct

__all__ = ["NAMED", "NAMES", "RULES", "Rule"]


class Rule(Struct, frozen=True):
    """
    A shape of secrets.

    A group called `keep` or `also` stays, the rest of a match is hidden.  One of the `words`, in lower case, stands in
    every match: texts without any are passed over.  Where a word is a common one, a regular expression that begins
    with it says what else of a match is in the JSON of a body.
    """

    name: str
    meaning: str
    words: Mapping[str, str]
    pattern: str


def words(*text: str) -> dict[str, str]:
    """Return words that are rare enough by themselves."""
    return dict.fromkeys(text, "")


ANY = r"[A-Za-z0-9_-]"
NAME_OF_ONE = (
    r"(?:pass(?:word|wd|phrase)|pwd|secret(?:[_-]?(?:access[_-]?)?key)?|api[_-]?key|private[_-]?key|access[_-]?key|"
    r"authorization|credentials?|(?:\b|_|-)token)"
)
BETWEEN = r"\\?[\"']?(?:\s{0,8}[=:]\s{0,8}|(?<=--api-key)\s{1,8}|(?<=--password)\s{1,8}|(?<=--token)\s{1,8})"

KEYS = [f"{kind}{between}key" for kind in ("api", "private", "access") for between in ("", "-", "_")]

RULES: tuple[Rule, ...] = (
    Rule(
        "private_key",
        "private keys in PEM",
        words("private key"),
        r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,32}PRIVATE KEY-----|\Z)",
    ),
    Rule("jwt", "JSON Web Tokens", words("eyj"), rf"\beyJ{ANY}{{8,}}\.{ANY}{{8,}}(?:\.{ANY}*)?"),
    Rule("aws", "AWS access key ids", words("akia", "asia"), r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    Rule(
        "forge",
        "tokens of GitHub and GitLab",
        words("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
        rf"\b(?:gh[pousr]_[A-Za-z0-9]{{20,}}|github_pat_[A-Za-z0-9_]{{20,}}|glpat-{ANY}{{16,}})",
    ),
    Rule("slack", "tokens of Slack", words("xox"), r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    Rule(
        "api_key",
        "keys that say so: `sk-…`, `sk_live_…`, `AIza…`",
        words("sk_live_", "sk_test_", "rk_live_", "rk_test_", "aiza") | {"sk-": "sk-[a-z0-9_-]{16}"},
        rf"\b(?:sk-{ANY}{{16,}}|[sr]k_(?:live|test)_[A-Za-z0-9]{{10,}}|AIza{ANY}{{30,}})",
    ),
    Rule(
        "authorization",
        "what follows `Bearer` or `Basic`, where it has a digit: a basic understanding is no secret",
        words("bearer", "basic"),
        r"(?i:(?P<keep>\b(?:bearer|basic)\s{1,8}))(?=\S{0,512}[0-9=])[A-Za-z0-9._~+/-]{12,}=*",
    ),
    Rule(
        "url",
        "passwords in addresses: `amqp://user:password@host`",
        {"://": '://[^ "/@]*:[^ "/@]+@'},
        r"(?P<keep>\b[a-z][a-z0-9+.-]{0,31}://[^\s:/@\"']{0,256}:)[^\s/@\"']{1,256}(?P<also>@)",
    ),
    Rule("cookie", "what follows `Cookie:`", words("cookie"), r"(?i:(?P<keep>\bcookie:\s{0,8}))[^\r\n\"']{1,4096}"),
    Rule(
        "assignment",
        'what is assigned to a name of a secret, as in `password=…`, `--api-key …` or `"token": "…"`',
        words("passw", "passp", "pwd", "secret", "authorization", "credential", *KEYS)
        | {"token": r"token[\"'\\\\ =:]"},
        rf"(?i:(?P<keep>{NAME_OF_ONE}{BETWEEN}(?:(?:bearer|basic)\s{{1,8}})?+\\?[\"']?))(?!\[redacted\])"
        # To the quote that belongs to the one in front, which is `\"` where the text is JSON in a text of JSON.
        r"(?:(?<=\\\")(?:[^\"\\]|\\[^\"]){1,4096}|(?<=[^\\]\")(?:[^\"\\]|\\.){1,4096}|(?<=')[^']{1,4096}"
        r"|(?<![\"'])[^\s,;&\"'{}\[\]\\]{4,4096})",
    ),
)
"""In the order in which they are applied; each can be switched off by its name."""

NAMED = RULES[-2:]
"""The rules whose words stand in the names below, too."""

NAMES = frozenset({
    "accesskey", "accesstoken", "apikey", "authorization", "authtoken", "bearertoken", "clientsecret", "cookie",
    "credentials", "idtoken", "passphrase", "passwd", "password", "privatekey", "proxyauthorization", "pwd",
    "refreshtoken", "secret", "secretaccesskey", "secretkey", "sessiontoken", "setcookie", "token", "xapikey",
})  # fmt: skip
"""Names of fields whose value is hidden whatever it looks like, in lower case and without `-` and `_`."""
