"""An option file in pieces."""

from pratique.config.blocks import blocks_of, text_of

TEXT = '''# head of the file

# who
[appliance]
name = "x" # a name
#serial = ""

[gateway]
policy = { on_unknown = "deliver", scan_bytes_max = 1 }
filters = """
[not.a.header]
#not = 1
"""
# two listeners
[[gateway.listeners]]
name = "a"
[[gateway.listeners]]
limits.data_seconds = 3
# the end
'''


def test_every_option_and_header_has_its_comments_with_it() -> None:
    found = [(block.name, block.header, block.sets, block.line) for block in blocks_of(TEXT)]
    assert found == [
        (("appliance",), True, True, 4),
        (("appliance", "name"), False, True, 5),
        (("appliance", "serial"), False, False, 6),
        (("gateway",), True, True, 8),
        (("gateway", "policy"), False, True, 9),
        (("gateway", "filters"), False, True, 10),
        (("gateway", "listeners"), True, True, 15),
        (("gateway", "listeners", "name"), False, True, 16),
        (("gateway", "listeners"), True, True, 17),
        (("gateway", "listeners", "limits", "data_seconds"), False, True, 18),
        ((), False, False, 19),
    ]
    assert blocks_of(TEXT)[0].lines == ("# head of the file", "", "# who", "[appliance]")
    assert blocks_of(TEXT)[6].lines == ("# two listeners", "[[gateway.listeners]]")


def test_the_blocks_are_the_text() -> None:
    assert text_of(blocks_of(TEXT)) == TEXT
    assert text_of(blocks_of(TEXT.replace("\n", "\r\n"))) == TEXT
    assert text_of(blocks_of("a = 1")) == "a = 1\n"
    assert blocks_of("") == []
