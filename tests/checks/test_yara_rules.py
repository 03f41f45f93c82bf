"""Rules: the built-in set works, an administrator's mistake is told with file, line and column."""

import io
import subprocess
from pathlib import Path

import pytest
import yara_x

from pratique.checks.yara_rules import RulesRefused, compile_rules, eicar, rule_name

GOOD = 'rule marker { meta: name = "Test.Marker" strings: $a = "MARK-1234" condition: $a }'


def names(octets: bytes, data: bytes) -> list[str]:
    rules = yara_x.Rules.deserialize_from(io.BytesIO(octets))
    return [rule_name(rule) for rule in yara_x.Scanner(rules).scan(data).matching_rules]


def test_built_in_rule_finds_the_test_file_anywhere() -> None:
    rules = compile_rules([])
    assert names(rules.octets, eicar()) == ["EICAR-AV-Test"]
    assert names(rules.octets, b"text before " + eicar() + b" and after") == ["EICAR-AV-Test"]
    assert names(rules.octets, eicar()[:-1]) == []
    assert len(eicar()) == 68


def test_files_add_to_it_and_may_use_one_identifier_twice(tmp_path: Path) -> None:
    (tmp_path / "a.yar").write_text(GOOD)
    (tmp_path / "b.yar").write_text('rule marker { strings: $a = "OTHER-99" condition: $a }')
    rules = compile_rules([tmp_path / "a.yar", tmp_path / "b.yar"])
    assert names(rules.octets, b"MARK-1234") == ["Test.Marker"]
    assert names(rules.octets, b"OTHER-99") == ["marker"]
    assert names(rules.octets, eicar()) == ["EICAR-AV-Test"]


def test_version_changes_with_the_rules(tmp_path: Path) -> None:
    (tmp_path / "a.yar").write_text(GOOD)
    assert compile_rules([]).version == compile_rules([]).version
    assert compile_rules([]).version != compile_rules([tmp_path / "a.yar"]).version


def test_all_errors_are_told_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "a.yar").write_text("rule one { condition: $x }\n\nrule two { condition: zz }\n")
    (tmp_path / "b.yar").write_text('include "/etc/passwd"\n')
    (tmp_path / "c.yar").write_bytes(b"\xff\xfe")
    missing = tmp_path / "missing.yar"
    with pytest.raises(RulesRefused) as refused:
        compile_rules([tmp_path / "a.yar", tmp_path / "b.yar", tmp_path / "c.yar", missing])
    places = {(Path(e.file).name, e.line) for e in refused.value.errors}
    assert places == {("a.yar", 1), ("a.yar", 3), ("b.yar", 1), ("c.yar", 1), ("missing.yar", 1)}
    assert "unknown pattern `$x`" in str(refused.value)
    assert f"{tmp_path / 'a.yar'}:1:23" in str(refused.value)


def test_the_test_file_does_not_stand_in_the_sources() -> None:
    top = Path(__file__).parents[2]
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=top, capture_output=True, check=False)
    files = [top / name for name in listed.stdout.decode().splitlines()] or list(top.glob("pratique/**/*.py"))
    holders = [f for f in files if f.is_file() and eicar() in f.read_bytes().replace(b"\\\\", b"\\")]
    assert holders == []
