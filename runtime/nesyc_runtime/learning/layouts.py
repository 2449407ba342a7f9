"""How a training's rows are laid out, decided from its data, its model and the machine, each decision with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.batches import MICRO_TOKENS, Layout, Steps, dealt_out, micro_batch_plan
from nesyc_runtime.learning.optimizers import TrainOptions
from nesyc_runtime.learning.prefixes import prefix_tree
from nesyc_runtime.learning.segments import attend_in_segments, cannot_pack, causal_model, reads_apart

PAYS = 0.05  # share of tokens to be spared above which packing is faster: each packed sequence costs attention calls of its own
WIDE = 256  # width of states from which tokens, and passes over memory, cost more than calls of functions
SAMPLED = 256  # steps in which it is counted what prompts begin with alike
# Bytes of activations, about, that one forward pass may hold on a CPU. Of SmolLM2-135M 512, 672 and 768 MiB (320, 448 and 512
# tokens) were measured: the last two are as fast, the first is slower by a tenth.
ACTIVATIONS = 672 * 2**20
GPU_SHARE = 0.4  # of a GPU's memory that they may hold: of all of it, so that every process, and every run, cuts alike
LEAST = 256  # tokens of a micro-batch below which its matrices are too thin to be fast
ASKED = "asked for by the spec"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the runtime decided about a training, as it stands in `runs/ID/decisions.json`."""

    what: str
    choice: str
    why: str


@dataclass
class Arrangement:
    """The steps of a training, and what was decided about their layout so far."""

    steps: Steps
    decisions: list[Decision] = field(default_factory=list)

    def decide(self, decisions: Sequence[Decision]) -> None:
        """Add decisions, each in place of an earlier one on the same."""
        anew = {decision.what: decision for decision in decisions}
        changed = [anew.pop(decision.what, decision) for decision in self.decisions]
        self.decisions = [*changed, *anew.values()]

    def state(self) -> dict[str, Any]:
        """What a later process needs to cut the steps as this one did, as JSON values."""
        decisions = [asdict(decision) for decision in self.decisions]
        return {"layout": asdict(self.steps.layout), "decisions": decisions}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.steps.layout = Layout(**state["layout"])
        self.decisions = [Decision(**decision) for decision in state["decisions"]]


def arranged(
    steps: Steps,
    models: Sequence[Any],
    options: TrainOptions,
    device: str,
    before: Mapping[str, Any] | None,
) -> Arrangement:
    """The steps laid out for these models, the student first; as `before`, an arrangement's state, where there is one."""
    arrangement = Arrangement(steps)
    if before is not None:
        arrangement.restore(before)
    else:
        student, *others = (model.config for model in models)
        teacher = others[0] if others else None
        steps.layout, arrangement.decisions = choose_layout(
            steps, student, options, teacher=teacher, device=device
        )
    steps.layout, instead = prepare(steps.layout, models, options)
    arrangement.decide(instead)
    return arrangement


def choose_layout(
    steps: Steps, config: Any, options: TrainOptions, *, teacher: Any = None, device: str = "cpu"
) -> tuple[Layout, list[Decision]]:
    """The layout for a student of this configuration (and one of a teacher that reads the same rows)."""
    config = config.get_text_config()
    micro_tokens, why = _micro_tokens(config, options, device)
    cut = Decision("micro-batches", f"at most {micro_tokens} tokens", why)
    packed, why = _packed(steps, micro_tokens, config, options.packing, teacher)
    choice = (
        "packed, attention inside each alone, what their prompts begin with alike read once"
        if packed
        else "padded, those of like length together"
    )
    return Layout(packed, micro_tokens), [cut, Decision("sequences", choice, why)]


def prepare(layout: Layout, models: Sequence[Any], options: TrainOptions) -> tuple[Layout, list[Decision]]:
    """Make the models ready for a layout; where one turns out not to read packed sequences apart, it is the padded one.

    Raises `UserError` where the spec asks for packing then.
    """
    if not layout.packed:
        return layout, []
    before = [causal_model(model).config._attn_implementation for model in models]
    for model in models:
        attend_in_segments(model)
    if all(reads_apart(model) for model in models):
        return layout, []
    for model, attention in zip(models, before, strict=True):
        causal_model(model).set_attn_implementation(attention)
    why = "tried on a few tokens, the model did not keep packed sequences apart"
    if options.packing:
        raise UserError(f"options: packing = true: {why}", "leave `packing` out")
    choice = "padded, those of like length together"
    return replace(layout, packed=False), [Decision("sequences", choice, why)]


def padding_share(steps: Steps, micro_tokens: int) -> float:
    """The share of padding among all tokens of the first epoch, were its rows padded."""
    tokens = padded = 0
    for step in range(min(steps.steps, steps.steps_per_epoch)):
        lengths = [len(row.ids) for row in steps.rows(step)]
        tokens += sum(lengths)
        for piece in micro_batch_plan(lengths, micro_tokens):
            padded += len(piece) * max(lengths[index] for index in piece)
    return 1 - tokens / padded


def alike_share(steps: Steps, micro_tokens: int) -> float:
    """The share of the tokens that packed rows need not read, as other rows beside them begin with the same."""
    tokens = read = 0
    for step in range(min(steps.steps, steps.steps_per_epoch, SAMPLED)):
        rows = steps.rows(step)
        tokens += sum(len(row.ids) for row in rows)
        pieces = dealt_out(rows, Layout(True, micro_tokens), (0, 1))
        read += sum(prefix_tree(piece).tokens for piece in pieces)
    return 1 - read / tokens


def _packed(
    steps: Steps, micro_tokens: int, config: Any, asked: bool | None, teacher: Any
) -> tuple[bool, str]:
    longest = max(len(row.ids) for item in steps.items for row in item)
    refused = cannot_pack(config, longest)
    if refused is None and teacher is not None and (why := cannot_pack(teacher, longest)):
        refused = f"the teacher's {why}"
    if asked and refused is not None:
        raise UserError(f"options: packing = true: {refused}", "leave `packing` out")
    padding = padding_share(steps, micro_tokens)
    counts = refused is None and asked is not False and getattr(config, "hidden_size", 0) >= WIDE
    alike = alike_share(steps, micro_tokens) if counts else 0.0
    measured = f"{padding:.1%} of the tokens are padding"
    if alike:
        measured += f"; packed, {alike:.1%} are read once for several sequences"
    if asked is not None:
        return asked, f"{ASKED}; padded, {measured}"
    if refused is not None:
        return False, f"{refused}; {measured}"
    if 1 - (1 - padding) * (1 - alike) < PAYS:
        return False, f"{measured}, which costs less than packing"
    return True, f"padded, {measured}"


def _micro_tokens(config: Any, options: TrainOptions, device: str) -> tuple[int, str]:
    if options.micro_tokens is not None:
        return options.micro_tokens, ASKED
    width, layers = getattr(config, "hidden_size", None), getattr(config, "num_hidden_layers", None)
    if not width or not layers:
        return MICRO_TOKENS, "the size of the model's activations is not known"
    # measured: about 13 states and 3 inner states of the feed-forward layer are held for each token and layer, float32
    each = 4 * layers * (13 * width + 3 * (getattr(config, "intermediate_size", None) or 4 * width))
    room = ACTIVATIONS
    if device.startswith("cuda"):
        room = int(GPU_SHARE * torch.cuda.get_device_properties(device).total_memory)
    tokens = max(LEAST, min(MICRO_TOKENS, room // each // 64 * 64))
    return tokens, f"their activations take about {tokens * each / 2**30:.2g} GiB"
