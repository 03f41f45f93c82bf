"""The reference of options, derived from the declarations."""

from dataclasses import MISSING, dataclass

from pratique.config.schema import Shape, options_of, type_words
from pratique.config.writing import toml_value


@dataclass(frozen=True, slots=True)
class OptionRow:
    key: str  # "gateway.listeners[].port": [] stands for each table of an array
    type: str
    default: str  # as TOML; "" for a table or what must be given
    doc: str


def describe(cls: type, prefix: str = "") -> list[OptionRow]:
    """Each option and table, in the order in which a file has them."""
    rows: list[OptionRow] = []
    for option in options_of(cls):
        key = f"{prefix}{option.name}"
        table = option.shape in (Shape.TABLE, Shape.TABLES)
        default = "" if table or option.default is MISSING or option.default is None else toml_value(option.default)
        rows.append(OptionRow(key, type_words(option), default, option.doc))
        if table:
            rows += describe(option.type, f"{key}[]." if option.shape is Shape.TABLES else f"{key}.")
    return rows


def as_markdown(rows: list[OptionRow]) -> str:
    lines = ["| option | type | default | meaning |", "|---|---|---|---|"]
    for row in rows:
        default = f"`{row.default}`" if row.default else ""
        lines.append(f"| `{row.key}` | {_cell(row.type)} | {_cell(default)} | {_cell(row.doc)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
