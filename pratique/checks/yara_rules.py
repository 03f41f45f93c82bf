"""The rules of the YARA engine: our built-in set and the files that the administrator names, compiled to one set.

A rule's name in the log is its metadata `name` when it has one, else its identifier. Includes are refused: a rule file
is read by the appliance and must not name others.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import yara_x

RULE_FILE_BYTES_MAX = 67_108_864  # the largest public sets have 20 MB
EICAR_NAME = "EICAR-AV-Test"

# The anti-malware test file (EICAR, 2003). In two pieces, so that no scanner takes this file for it.
_EICAR = (b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-", b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*")


@dataclass(frozen=True, slots=True)
class RuleError:
    file: str
    line: int
    column: int
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.why}; correct the rule, or take the file off the list"


class RulesRefused(ValueError):
    """Some rule does not compile. `errors` has all of them."""

    def __init__(self, errors: Sequence[RuleError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class CompiledRules:
    octets: bytes  # for yara_x.Rules.deserialize_from in a worker
    version: str  # of the scanner and of this set


def eicar() -> bytes:
    return b"".join(_EICAR)


def _built_in() -> str:
    pattern = eicar().hex(" ")
    return f'rule eicar {{ meta: name = "{EICAR_NAME}" strings: $test = {{ {pattern} }} condition: $test }}'


def compile_rules(files: Sequence[Path]) -> CompiledRules:
    """Raises RulesRefused. Takes half a second for 2,000 rules: call it when the configuration is loaded."""
    compiler = yara_x.Compiler(includes_enabled=False)
    compiler.add_source(_built_in(), origin="built-in")
    digest = hashlib.sha256(_built_in().encode())
    errors: list[RuleError] = []
    for number, path in enumerate(files):
        try:
            source = _read(path)
        except (OSError, ValueError) as error:
            errors.append(RuleError(str(path), 1, 1, str(error)))
            continue
        digest.update(source.encode())
        compiler.new_namespace(f"file{number}")  # two files may use one identifier
        try:
            compiler.add_source(source, origin=str(path))
        except yara_x.CompileError:
            continue  # all errors are read below
    errors += [RuleError(_origin(e), e["line"], e["column"], e["title"]) for e in compiler.errors()]
    if errors:
        raise RulesRefused(errors)
    octets = io.BytesIO()
    compiler.build().serialize_into(octets)
    return CompiledRules(octets.getvalue(), f"{version('yara-x')}/{digest.hexdigest()[:8]}")


def _origin(error: dict[str, list[dict[str, str]]]) -> str:
    return error["labels"][0]["code_origin"] if error["labels"] else "?"


def _read(path: Path) -> str:
    if path.stat().st_size > RULE_FILE_BYTES_MAX:
        raise ValueError(f"a rule file has at most {RULE_FILE_BYTES_MAX} octets")
    return path.read_text("utf-8")


def rule_name(rule: yara_x.Rule) -> str:
    return str(dict(rule.metadata).get("name") or rule.identifier)
