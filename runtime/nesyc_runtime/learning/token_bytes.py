"""The bytes each token of a vocabulary stands for, from what the tokenizer's decoder says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def token_bytes(tokenizer: Any) -> list[bytes]:
    """By id; empty for special tokens and for ids without a token."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    count = max(len(tokenizer), *(id_ + 1 for id_ in tokenizer.get_vocab().values()))
    special = set(tokenizer.all_special_ids)
    byte_level = _has_decoder(tokenizer, "ByteLevel")
    alphabet = {character: byte for byte, character in bytes_to_unicode().items()}
    found = [b""] * count
    for token, id_ in tokenizer.get_vocab().items():
        if id_ not in special:
            found[id_] = _byte_level(token, alphabet) if byte_level else _plain(token)
    return found


def _has_decoder(tokenizer: Any, kind: str) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return False
    decoder = json.loads(backend.to_str()).get("decoder") or {}
    return any(part.get("type") == kind for part in (decoder, *decoder.get("decoders", ())))


def _plain(token: str) -> bytes:
    """Pieces of SentencePiece: a bar for a space, `<0x0A>` for a byte that no piece has."""
    if match := _BYTE.fullmatch(token):
        return bytes([int(match[1], 16)])
    return token.replace("\u2581", " ").encode("utf-8", "surrogatepass")


def _byte_level(token: str, alphabet: Mapping[str, int]) -> bytes:
    """GPT-2's alphabet: every byte is a printable character (Radford et al. 2019, byte-level BPE)."""
    if all(character in alphabet for character in token):
        return bytes(alphabet[character] for character in token)
    return token.encode("utf-8", "surrogatepass")  # an added token stands for itself
