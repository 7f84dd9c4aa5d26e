"""Element-wise parts of the losses as single kernels, where asked for: torch.compile, for these functions only.

They pass over all cells and features several times, which costs as much as the matrix products beside them. Compiled,
they pass once. The products themselves and the sparse layers are not compiled: nothing is gained there, and their
shapes differ from one mini-batch to the next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import torch

_Function = TypeVar("_Function", bound=Callable[..., Any])

_fused: ContextVar[bool] = ContextVar("fused", default=False)


@contextmanager
def fused(enabled: bool = True) -> Iterator[None]:
    """Run the element-wise parts of the losses compiled within the block, if ``enabled``.

    Each compiles once per process, which takes about half a minute for all and needs a C++ compiler on the CPU, Triton
    on a GPU. Results differ from those outside by rounding.
    """
    token = _fused.set(enabled)
    try:
        yield
    finally:
        _fused.reset(token)


@functools.cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function, dynamic=True)  # the last mini-batch is smaller, and so is the last block of peaks


def pointwise(function: _Function) -> _Function:
    """Let ``function`` of tensors, which works element by element, take part in :func:`fused`."""

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return _compiled(function)(*args) if _fused.get() else function(*args)

    return call  # type: ignore[return-value]
