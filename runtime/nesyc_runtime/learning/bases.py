"""The model a student starts from: hub, local folder, GGUF file, or from scratch."""

from __future__ import annotations

import contextlib
import importlib.metadata
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nesyc_runtime.config import Base, Scalar
from nesyc_runtime.errors import UserError
from nesyc_runtime.hashing import digest, file_digest
from nesyc_runtime.learning.characters import character_tokenizer
from nesyc_runtime.learning.quiet import quiet_transformers
from nesyc_runtime.project import Project, show

SCRATCH_DEFAULTS: dict[str, Scalar] = {
    "layers": 4,
    "width": 128,
    "heads": 4,
    "hidden": 0,  # width of the feed-forward layer; 0: 8/3 of `width`, rounded up to a multiple of 32
    "context": 1024,
    "tokenizer": "characters",
}


def load_base(base: Base, project: Project | None, *, four_bits: bool = False) -> tuple[Any, Any]:
    """(model, tokenizer) of a base, float32 on CPU; with `four_bits` its linear layers in four bits.

    A scratch model takes its weights from torch's global generator. Weights are read from safetensors or
    GGUF only and code that comes with a model is never run. Raises UserError where it cannot be had.
    """
    match base.kind:
        case "hf":
            return _from_hub(str(base.name), base.revision, four_bits)
        case "local":
            return load_folder(_local_folder(base, project), four_bits=four_bits)
        case "gguf":
            return _from_gguf(gguf_file(base, project), project, four_bits)
        case "scratch":
            if four_bits:
                raise UserError(
                    "qlora(...) adapts a model that has learnt something, and scratch(...) has random weights",
                    "leave `adapter` out: a student from scratch trains whole",
                )
            return scratch(base.architecture)


def load_tokenizer(base: Base, project: Project | None) -> Any:
    """The tokenizer alone: the model of a GGUF file is read with it, as the one cannot be had without the other."""
    if base.kind == "scratch":
        return character_tokenizer()
    if base.kind == "gguf":
        return load_base(base, project)[1]
    from transformers import AutoTokenizer

    options = {"revision": base.revision} if base.kind == "hf" else {"local_files_only": True}
    name = str(base.name) if base.kind == "hf" else str(_local_folder(base, project))
    try:
        with quiet_transformers():
            return AutoTokenizer.from_pretrained(name, trust_remote_code=False, **options)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"the tokenizer of {base_label(base)} could not be loaded: {_first_line(error)}",
            "without network, download the model once (`hf download`)",
        ) from None


def load_outline(base: Base, project: Project | None) -> Any:
    """The model of a base, its weights left out where they can be: for what its configuration decides."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    if base.kind == "scratch":
        with torch.device("meta"):
            return scratch(base.architecture)[0]
    if base.kind == "gguf":
        return load_base(base, project)[0]
    options = {"revision": base.revision} if base.kind == "hf" else {"local_files_only": True}
    name = str(base.name) if base.kind == "hf" else str(_local_folder(base, project))
    try:
        config = AutoConfig.from_pretrained(name, trust_remote_code=False, **options)
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"the model {base_label(base)} could not be loaded: {_first_line(error)}",
            "without network, download the model once (`hf download`)",
        ) from None


def base_label(base: Base) -> str:
    """How a base is named in saved files: no path of this machine."""
    if base.path is not None:
        return show(base.path)
    return base.name or ":".join(part for part in (base.package, base.file) if part) or base.kind


def scratch(architecture: Mapping[str, Scalar]) -> tuple[Any, Any]:
    """A Llama with random weights and the character tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {**SCRATCH_DEFAULTS, **architecture}
    _check_architecture(architecture, sizes)
    tokenizer = character_tokenizer()
    width = int(str(sizes["width"]))
    hidden = int(str(sizes["hidden"])) or -(-width * 8 // 3 // 32) * 32
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=hidden,
        num_hidden_layers=int(str(sizes["layers"])),
        num_attention_heads=int(str(sizes["heads"])),
        max_position_embeddings=int(str(sizes["context"])),
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config), tokenizer


def _check_architecture(given: Mapping[str, Scalar], sizes: Mapping[str, Scalar]) -> None:
    unknown = sorted(set(given) - set(SCRATCH_DEFAULTS))
    if unknown:
        raise UserError(f"scratch(...) has no `{unknown[0]}`", f"it takes {', '.join(SCRATCH_DEFAULTS)}")
    if sizes["tokenizer"] != "characters":
        raise UserError(
            f"scratch(...) has no tokenizer `{sizes['tokenizer']}`", "say tokenizer = .characters"
        )
    for name in ("layers", "width", "heads", "context"):
        value = sizes[name]
        if not isinstance(value, int) or value < 1:
            raise UserError(f"scratch({name} = {value}): a whole number from 1 up is meant")
    if int(str(sizes["width"])) % (2 * int(str(sizes["heads"]))):
        raise UserError(
            f"scratch(width = {sizes['width']}, heads = {sizes['heads']}): a head's width must be even",
            "choose a width that is a multiple of twice the heads",
        )


def _from_hub(name: str, revision: str | None, four_bits: bool) -> tuple[Any, Any]:
    try:
        return _pretrained(name, four_bits, revision=revision)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"the model {name} could not be loaded: {_first_line(error)}",
            "without network, download it once (`hf download`) or use base = local(...), gguf(...) or scratch(...)",
        ) from None


def load_folder(folder: Path, *, four_bits: bool = False) -> tuple[Any, Any]:
    """(model, tokenizer) of a folder with config.json, *.safetensors and tokenizer files."""
    try:
        return _pretrained(str(folder), four_bits, local_files_only=True)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"the model folder {folder.name} could not be loaded: {_first_line(error)}",
            "it needs config.json, *.safetensors and tokenizer files",
        ) from None


def _from_gguf(file: Path, project: Project | None, four_bits: bool) -> tuple[Any, Any]:
    """The model of a GGUF file, unpacked once for a project.

    Reading the format takes some fifteen seconds for a small model, and a run loads its student many times.
    """
    if project is None:
        if four_bits:
            raise UserError("qlora(...) on base = gguf(...) needs a project, where the file is unpacked")
        return read_gguf(file)
    unpacked = project.state_dir / "bases" / digest([file_digest(file), transformers_version()])
    if not unpacked.is_dir():
        model, tokenizer = read_gguf(file)
        _save_whole(model, tokenizer, unpacked)
    return load_folder(unpacked, four_bits=four_bits)


def read_gguf(file: Path) -> tuple[Any, Any]:
    """(model, tokenizer) of a GGUF file, its weights as float32. Raises UserError where it is damaged."""
    try:
        model, tokenizer = _pretrained(str(file.parent), False, gguf_file=file.name, local_files_only=True)
    except Exception as error:  # the reader trusts the file: a damaged one fails wherever it happens to
        raise UserError(f"the GGUF file {file.name} could not be read: {_first_line(error)}") from None
    forget_quantization(model)
    return model, tokenizer


def forget_quantization(model: Any) -> None:
    """The weights are float32 once read; transformers still calls the model quantized and would not save it."""
    model.hf_quantizer = None
    model.is_quantized = model.is_loaded_in_4bit = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def _save_whole(model: Any, tokenizer: Any, folder: Path) -> None:
    """The folder appears whole or not at all; another process may have been faster."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name[:8]}.") as temporary:
        part = Path(temporary) / "base"
        with quiet_transformers():
            model.save_pretrained(part)
            tokenizer.save_pretrained(part)
        with contextlib.suppress(OSError):
            part.rename(folder)


def transformers_version() -> str:
    return importlib.metadata.version("transformers")


def _pretrained(name: str, four_bits: bool, **options: Any) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False, **options)
        if four_bits:
            from nesyc_runtime.learning.four_bits import keep_unpacked, quantization

            options["quantization_config"] = quantization()
        model = AutoModelForCausalLM.from_pretrained(
            name, trust_remote_code=False, use_safetensors=True, dtype=torch.float32, **options
        )
        if four_bits:
            keep_unpacked(model)
    return model, tokenizer


def _local_folder(base: Base, project: Project | None) -> Path:
    if base.path is None or project is None:
        raise UserError("base = local(...) needs a folder inside a project")
    return project.file(base.path)


def gguf_file(base: Base, project: Project | None) -> Path:
    """The file itself, or one that an installed package carries: found by its metadata, its code is not imported."""
    if base.package is None:
        if base.path is None or project is None:
            raise UserError("base = gguf(...) needs a file, or package = and file =")
        return project.file(base.path)
    try:
        files = importlib.metadata.distribution(base.package).files or []
    except importlib.metadata.PackageNotFoundError:
        raise UserError(
            f"the package {base.package} is not installed", f"pip install {base.package.replace('_', '-')}"
        ) from None
    inside = [
        entry
        for entry in files
        if entry.name.endswith(".gguf") and base.file in (None, entry.name, str(entry))
    ]
    if len(inside) != 1:
        held = ", ".join(sorted(entry.name for entry in files if entry.name.endswith(".gguf"))) or "none"
        raise UserError(
            f"the package {base.package} has no one file {base.file or '*.gguf'}", f"it holds: {held}"
        )
    return Path(str(inside[0].locate()))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
