"""The line on which something stands in a TOML file, whatever comments and other texts say."""

from __future__ import annotations

from brightfield.decide.toml_lines import TomlLines

DOCUMENT = '''# limits = ["a.count <= 1"]
limits = [
  "a.count <= 1",  # "b.count <= 2"
  'b.count <= 2',
]
# [[region]]
[[region]]
name = "limits = x [[region]]"
limits = ["a.count <= 1"]

  [[ region ]]
mask = """two
lines"""
limits = ["\\"deep scratch\\".count <= 1"]
'''


def test_texts_are_found_in_their_order() -> None:
    lines = TomlLines(DOCUMENT)
    assert lines.of_text("a.count <= 1") == 3
    assert lines.of_text("b.count <= 2") == 4
    assert lines.of_text("a.count <= 1") == 9
    assert lines.of_text("two\nlines") == 12
    assert lines.of_text('"deep scratch".count <= 1') == 14
    assert lines.of_text("a.count <= 1") is None


def test_keys_and_tables_are_found_by_number() -> None:
    lines = TomlLines(DOCUMENT)
    assert lines.of_key("limits") == 2
    assert [lines.of_key("limits", "region", i) for i in range(3)] == [9, 14, None]
    assert [lines.of_table("region", i) for i in range(3)] == [7, 11, None]
    assert lines.of_key("mask", "region", 1) == 12
    assert lines.of_key("mask") is None
