"""Rows of tables by what they are about."""

from typing import Any

import pandas as pd


def select(table: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """Choose the rows in which every named column has the given value."""
    for name, value in wanted.items():
        table = table[table[name] == value]
    return table
