"""A cache of keys and values that grows without being copied at every token."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

SPARE = 32  # tokens of room made at a time, at least


def roomy_cache(config: Any) -> DynamicCache:
    """transformers' cache for a model, its plain layers with spare room; a window or a state keeps its own layer.

    A plain `DynamicLayer` joins old and new at each step: all keys and values read and written for one token more.
    """
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """`keys` and `values`, (rows, heads, length, width), are the beginnings of tensors with room after them."""

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        super().lazy_initialization(key_states, value_states)
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        self._key_room, self._value_room = self.keys, self.values

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self._key_room = _joined(self.keys, key_states, self._key_room)
        self.values, self._value_room = _joined(self.values, value_states, self._value_room)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        length = self.get_seq_length()
        if length:
            self._key_room, self._value_room = self._key_room[indices], self._value_room[indices]
            self.keys, self.values = self._key_room[:, :, :length], self._value_room[:, :, :length]


def _joined(old: Tensor, new: Tensor, room: Tensor) -> tuple[Tensor, Tensor]:
    """`old` with `new` behind it, and the tensor it begins: `room` where `old` is its beginning and `new` fits."""
    length = old.shape[2]
    total = length + new.shape[2]
    if old.data_ptr() != room.data_ptr() or room.shape[2] < total:
        room = new.new_empty(*new.shape[:2], total + max(SPARE, total // 4), new.shape[3])
        room[:, :, :length] = old
    room[:, :, length:total] = new
    return room[:, :, :total], room
