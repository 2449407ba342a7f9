"""What may stand at the cursor: found from the tokens before it, so that it works in a text that does not parse."""

from nesyc.server.complete.engine import complete
from nesyc.server.complete.signature import signature_help

__all__ = ["complete", "signature_help"]
