"""New weights in the clothes of a GGUF file: its metadata and tokenizer stay, its tensors are a model's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable

Precision = Literal["f32", "f16", "q8_0"]
OWN = frozenset(
    {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count"}
)  # of the container: the writer makes them
FILE_TYPE = "general.file_type"


def write_gguf(model: Any, source: Path, out: Path, precision: Precision) -> None:
    """Write `out` as `source` with the weights of `model`; vectors stay float32, as everywhere in GGUF.

    Raises UserError where the model does not have the tensors the file names, or has them in other shapes, and for
    architectures whose tensors GGUF changes in ways that are not known here.
    """
    import gguf
    from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS

    reader = gguf.GGUFReader(source)
    architecture = str(reader.fields["general.architecture"].contents())
    # of these the reader undoes something; only what llama's needs is done here
    if architecture in TENSOR_PROCESSORS and architecture != "llama":
        raise UserError(
            f"GGUF holds the tensors of {printable(architecture, 40)} in an order or on a scale of its own",
            "export with --form merged and convert with llama.cpp",
        )
    writer = gguf.GGUFWriter(out, architecture, use_temp_file=False)
    for name, field in reader.fields.items():
        if name in OWN or name in ("general.architecture", FILE_TYPE):
            continue
        kind = field.types[0]
        inside = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, sub_type=inside)
    types = {"f32": ("F32", "ALL_F32"), "f16": ("F16", "MOSTLY_F16"), "q8_0": ("Q8_0", "MOSTLY_Q8_0")}
    tensor_type, file_type = types[precision]
    writer.add_file_type(gguf.LlamaFileType[file_type])
    weights = _named(model, architecture)
    for tensor in reader.tensors:
        shape = tuple(int(size) for size in reversed(tensor.shape))
        values = weights.get(tensor.name)
        if values is None or values.shape != shape:
            raise UserError(
                f"the model has no {printable(tensor.name, 60)} of shape {shape}, which {source.name} names",
                "export with --form merged and convert with llama.cpp",
            )
        wanted = gguf.GGMLQuantizationType[tensor_type if values.ndim > 1 else "F32"]
        # a row that does not split into whole blocks cannot be quantized
        if wanted == gguf.GGMLQuantizationType.Q8_0 and shape[-1] % 32:
            wanted = gguf.GGMLQuantizationType.F16
        writer.add_tensor(tensor.name, gguf.quants.quantize(values, wanted), raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _named(model: Any, architecture: str) -> dict[str, Any]:
    """The model's tensors under the names GGUF has for them, as float32 arrays."""
    import gguf

    known = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(known[architecture], model.config.num_hidden_layers)
    found = {}
    for name, tensor in model.state_dict().items():
        mapped = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if mapped is None:
            continue
        values = tensor.detach().float().cpu().numpy()
        if architecture == "llama":
            values = _paired(name, values, model.config)
        found[mapped] = values
    return found


def _paired(name: str, values: Any, config: Any) -> Any:
    """Query and key rows in the order llama.cpp rotates them: a head's halves interleaved (its convert script)."""
    if name.endswith(("q_proj.weight", "q_proj.bias")):
        heads = config.num_attention_heads
    elif name.endswith(("k_proj.weight", "k_proj.bias")):
        heads = config.num_key_value_heads
    else:
        return values
    rows = values.shape[0] // heads // 2
    return values.reshape(heads, 2, rows, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
