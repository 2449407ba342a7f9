"""A tokenizer that needs no data: one token per printable ASCII character, bytes for everything else."""

from __future__ import annotations

from typing import Any

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"


def character_tokenizer() -> Any:
    """A fast tokenizer over 3 control tokens, 96 characters (line break and 0x20 to 0x7E) and 256 bytes.

    Any text comes back unchanged: a character outside ASCII is its UTF-8 bytes, one token each.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    characters = ["\n", *map(chr, range(0x20, 0x7F))]
    names = [PAD, BOS, EOS, *characters, *(f"<0x{byte:02X}>" for byte in range(256))]
    model = models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[], byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, names.index(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        clean_up_tokenization_spaces=False,
    )
