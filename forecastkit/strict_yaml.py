"""YAML without surprises: no objects, and a repeated key is an error."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["load_yaml"]


class _OnceLoader(yaml.SafeLoader):
    """Safe YAML where a repeated key is an error and not the last one's win."""


def _mapping_once(loader: _OnceLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    for i, (key, (key_node, _)) in enumerate(zip(keys, node.value, strict=True)):
        if key in keys[:i]:
            raise yaml.constructor.ConstructorError(problem=f"key {key!r} twice", problem_mark=key_node.start_mark)
    return loader.construct_mapping(node, deep=True)


_OnceLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_once)


def load_yaml(text: str) -> Any:
    """Plain values.

    Raises:
        yaml.YAMLError: not YAML, a tag that makes objects, or a repeated key.

    >>> load_yaml("a: [1, 2]")
    {'a': [1, 2]}
    """
    try:
        return yaml.load(text, Loader=_OnceLoader)  # noqa: S506  a SafeLoader
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        # What the library's own constructors raise for a tag that its text does not fit, such as `!!int ''`.
        problem = " ".join(str(error).split())[:120] or type(error).__name__
        raise yaml.constructor.ConstructorError(problem=problem) from None
