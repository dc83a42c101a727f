"""Options that take several values: ``1,4``."""

from collections.abc import Callable
from typing import Any

import click


def comma_list(
    item: "click.ParamType[Any]",
) -> Callable[[click.Context, click.Parameter, str | None], list[Any] | None]:
    """A callback of an option that makes its text a list; each value is converted as ``item``."""

    def convert(
        context: click.Context, parameter: click.Parameter, text: str | None
    ) -> list[Any] | None:
        if text is None:
            return None
        return [item.convert(value.strip(), parameter, context) for value in text.split(",")]

    return convert
