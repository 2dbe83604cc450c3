"""By what an API recognises that a question is this relay's."""

import hmac
from hashlib import sha256

__all__ = ["HEADER", "signature"]

HEADER = "X-Relayd-Signature"


def signature(secret: bytes, *, at: int, method: str, target: str, token: str) -> str:
    """
    Return the header's value: `t=<Unix seconds>,v1=<HMAC-SHA256 in hex>`.

    Signed is `t.method.target.sha256(token)`; `target` is path and query as they are sent.  The time keeps what was
    seen once from being good for ever, the token's hash keeps a signature from being put before another token.
    """
    told = f"{at}.{method}.{target}.{sha256(token.encode()).hexdigest()}"
    return f"t={at},v1={hmac.new(secret, told.encode(), sha256).hexdigest()}"
