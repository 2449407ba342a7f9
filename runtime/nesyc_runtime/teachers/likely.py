"""The likeliest tokens at each position of a teacher's answer: what a server tells of its probabilities.

A server names at most 20 tokens a position; what all others have together is the tail. Tokens are bytes, as a token may
be a part of a character. Kept small: each distinct token once, log-probabilities in half precision.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IMPOSSIBLE = -100.0  # servers write -9999 or -inf for a token that cannot come


@dataclass(frozen=True)
class Likely:
    """Of an answer of n tokens: `tokens` holds each distinct token once, the rest are indices into it.

    `chosen` (n,) int32 is the answer itself, `top` (n, k) int32 the likeliest tokens, -1 where there are fewer,
    `log_p` (n, k) float32 their natural log-probabilities (-inf where there are fewer), `tail` (n,) float32 the
    probability of all other tokens together, in [0, 1].
    """

    tokens: tuple[bytes, ...]
    chosen: NDArray[np.int32]
    top: NDArray[np.int32]
    log_p: NDArray[np.float32]
    tail: NDArray[np.float32]

    def pack(self) -> bytes:
        """The bytes `unpack` reads: an npz archive."""
        import numpy as np

        lengths = np.array([len(token) for token in self.tokens], np.int32)
        text = np.frombuffer(b"".join(self.tokens), np.uint8)
        file = io.BytesIO()
        np.savez_compressed(
            file,
            lengths=lengths,
            text=text,
            chosen=self.chosen,
            top=self.top,
            log_p=self.log_p.astype(np.float16),
            tail=self.tail,
        )
        return file.getvalue()

    @classmethod
    def unpack(cls, data: bytes) -> Likely:
        """Raises `ValueError` for what `pack` did not write."""
        import zipfile

        import numpy as np

        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as found:
                text, ends = found["text"].tobytes(), np.cumsum(found["lengths"])
                starts = ends - found["lengths"]
                tokens = tuple(text[start:end] for start, end in zip(starts, ends, strict=True))
                log_p = found["log_p"].astype(np.float32)
                return cls(tokens, found["chosen"], found["top"], log_p, found["tail"])
        except (OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"no likeliest tokens: {error}") from None


def likely_of(logprobs: Any) -> Likely | None:
    """`choices[0].logprobs` of a chat reply; None where the server gave none, or nothing that can be read as such."""
    import numpy as np

    try:
        content = logprobs["content"]
        places = [_place(item) for item in content]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    if not places:
        return None
    known: dict[bytes, int] = {}
    width = max(len(top) for _, top in places) or 1
    chosen = np.array([known.setdefault(token, len(known)) for token, _ in places], np.int32)
    top = np.full((len(places), width), -1, np.int32)
    log_p = np.full((len(places), width), -np.inf, np.float32)
    for row, (_, likeliest) in enumerate(places):
        for column, (token, value) in enumerate(likeliest):
            top[row, column] = known.setdefault(token, len(known))
            log_p[row, column] = value
    tail = np.clip(1 - np.exp(log_p.astype(np.float64)).sum(1), 0, 1).astype(np.float32)
    return Likely(tuple(known), chosen, top, log_p, tail)


def _place(item: Mapping[str, Any]) -> tuple[bytes, Sequence[tuple[bytes, float]]]:
    """The token of a position and the likeliest there, each once, the likeliest first."""
    found: dict[bytes, float] = {}
    for other in (*(item.get("top_logprobs") or ()), item):
        value = float(other["logprob"])
        if math.isnan(value) or value > 1e-3:
            raise ValueError("no log-probability")
        if value > IMPOSSIBLE:
            found.setdefault(_bytes(other), min(value, 0.0))
    return _bytes(item), sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def _bytes(item: Mapping[str, Any]) -> bytes:
    given = item.get("bytes")
    return bytes(given) if given is not None else str(item["token"]).encode("utf-8", "surrogatepass")
