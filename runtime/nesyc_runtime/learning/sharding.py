"""A model whose layers are sharded over processes: each holds its part of them, and one layer whole while that computes.

PyTorch's fully sharded data parallelism (Zhao et al. 2023; FSDP2), through Lightning. What is no layer (embeddings, the last
norm, the head, which losses read on their own) stays whole in every process. The losses are those of one process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from types import MethodType
from typing import Any

import torch
from torch import Tensor

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.processes import Share
from nesyc_runtime.learning.segments import causal_model


def shard_when_fitted(training: Any) -> None:
    """Let Lightning shard the model of an emitted module when its processes are connected.

    Raises `UserError` for a model in four bits, whose packed weights cannot be cut.
    """
    if any(type(parameter).__name__ == "Params4bit" for parameter in training.model.parameters()):
        raise UserError(
            "strategy fsdp: a base in four bits cannot be sharded",
            "write `strategy: ddp` under `training` of nesyc.yaml, or another adapter",
        )
    training.configure_model = MethodType(_configure_model, training)


def sharding_strategy(share: Share) -> Any:
    """Lightning's strategy, all processes sharing one model."""
    from lightning.pytorch.strategies import ModelParallelStrategy

    return ModelParallelStrategy(data_parallel_size=share.processes, tensor_parallel_size=1)


def _configure_model(self: Any) -> None:
    from torch.distributed.fsdp import fully_shard

    mesh = self.device_mesh["data_parallel"]
    for layer in _layers(self.model):
        # said outright: by default a layer that is in no larger sharded module stays whole until its backward pass
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    for parameter in self.model.parameters():
        if parameter.requires_grad and not is_sharded(parameter):
            parameter.register_hook(partial(_averaged, mesh.get_group()))


def _layers(model: Any) -> Iterator[torch.nn.Module]:
    names = set(causal_model(model)._no_split_modules or ())
    found = [module for module in model.modules() if type(module).__name__ in names]
    if not found:
        raise UserError(
            "strategy fsdp: the model does not say which of its layers belong together",
            "write `strategy: ddp` under `training` of nesyc.yaml",
        )
    return iter(found)


def _averaged(group: Any, gradient: Tensor) -> Tensor:
    mean = gradient.contiguous().clone()
    torch.distributed.all_reduce(mean, group=group)
    return mean.div_(torch.distributed.get_world_size(group))


def is_sharded(tensor: Tensor) -> bool:
    """Whether a process holds only a part of it."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return False  # one process, which need not wait for the import either
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor; where it is sharded every process must ask."""
    if not is_sharded(tensor):
        return tensor
    full: Tensor = tensor.full_tensor()  # type: ignore[attr-defined]
    return full


def like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A tensor as a parameter is held: on its device, and this process's part of it."""
    if not is_sharded(parameter):
        return tensor.to(parameter.device)
    from torch.distributed.tensor import distribute_tensor

    mesh, placements = parameter.device_mesh, parameter.placements  # type: ignore[attr-defined]
    return distribute_tensor(tensor.to(parameter.device), mesh, placements)


def make_whole(model: torch.nn.Module, *, keep: bool) -> None:
    """Gather the trained parameters of a model that is done with training; the process that is to `keep` them has them, in
    the machine's memory, in its model."""
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.requires_grad and is_sharded(parameter):
                gathered = whole(parameter.detach())
                if keep:
                    setattr(module, name, torch.nn.Parameter(gathered.cpu()))


def clip_gradients(parameters: Iterable[torch.nn.Parameter], most: float) -> None:
    """Scale the gradients to a norm of at most `most`, as `torch.nn.utils.clip_grad_norm_` does; some may be sharded."""
    learning = [parameter for parameter in parameters if parameter.grad is not None]
    kinds = [[p for p in learning if is_sharded(p)], [p for p in learning if not is_sharded(p)]]
    groups = [group for group in kinds if group]
    if not groups:
        return
    norms = [whole(torch.nn.utils.get_total_norm([p.grad for p in group])) for group in groups]  # type: ignore[misc]
    norm = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))
    for group in groups:
        torch.nn.utils.clip_grads_with_norm_(group, most, norm)
