"""Reading a hostile message over REST: exact shapes, nothing that loads or runs, bounded work (contract §4, §5)."""

import base64
import json
import re
import time
from typing import Any

import pytest

from pratique.console.commands.details import safe_html
from pratique.console.rest.contents import disposition
from tests.conformance.samples import hold
from tests.console.rest_world import RestWorld, holds

REPORT = b"%PDF-1.7\0\xff" * 3000
MESSAGE = (
    b"Received: from a\r\n\tby b; <now>\r\nFrom: A <a@example.org>\r\nSubject: R\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Gr\xc3\xbc\xc3\x9fe</p><script>alert(1)</script>\r\n"
    b'--b\r\nContent-Type: application/pdf; name="report.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
    b"Content-Disposition: attachment\r\n\r\n" + base64.encodebytes(REPORT).replace(b"\n", b"\r\n") + b"\r\n--b--\r\n"
)
ALTERNATIVE = (
    b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\n\r\nplain\r\n--b\r\n'
    b"Content-Type: text/html\r\n\r\n<i>rich</i>\r\n--b--\r\n"
)


async def test_details_have_exactly_the_contracts_shape(rest: RestWorld) -> None:
    copy = await rest.held(MESSAGE, holds=(hold(matched='[{"part": "body", "text": "<b>"}]'),))
    text = (await rest.call("GET", f"/quarantine/messages/details?mid={copy.mid}&quarantineType=pvo")).text
    size = f"{len(base64.b64encode(REPORT)) / 1024:.2f}K"
    assert json.loads(text) == {
        "data": {
            "mid": copy.mid,
            "attributes": {
                "headers": "Received: from a<br>\tby b; &lt;now&gt;<br>From: A &lt;a@example.org&gt;<br>Subject: R<br>"
                "Content-Type: multipart/mixed; boundary=&quot;b&quot;",
                "messageBody": "<p>Grüße</p>",
                "matchedContents": [{"quarantineName": "Policy", "part": "body", "text": "<b>"}],
                "messageDetails": {"recipient": ["bob@example.com"], "sender": "alice@example.org", "subject": "R"},
                "messagePartDetails": [
                    {"attachmentId": 1, "attachmentName": "[message body]", "attachmentSize": "0.05K"},
                    {"attachmentId": 2, "attachmentName": "report.pdf", "attachmentSize": size},
                ],
                "quarantineDetails": [
                    {
                        "esaHostName": "gw01.example.net",
                        "originatingEsaIp": "192.0.2.1",
                        "quarantineName": "Policy",
                        "reason": ['content filter "big"'],
                        "received": "24 Nov 2026 03:13:20 (GMT +00:00)",
                        "scheduledExit": "25 Nov 2026 03:13:20 (GMT +00:00)",
                    }
                ],
            },
        }
    }
    assert ("administrator", "view", copy.mid) in rest.audited()


async def test_a_part_without_a_name_gets_one_that_opens_it(rest: RestWorld) -> None:
    octets = (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nhello\r\n--b\r\nContent-Type: message/rfc822'
        b"\r\n\r\nSubject: inner\r\n\r\nx\r\n--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b--\r\n"
    )
    copy = await rest.held(octets)
    details = await rest.call("GET", f"/quarantine/messages/details?mid={copy.mid}&quarantineType=pvo")
    names = []
    for part in details.json()["data"]["attributes"]["messagePartDetails"]:
        path = f"/quarantine/messages/attachment?mid={copy.mid}&attachmentId={part['attachmentId']}"
        names.append((await rest.call("GET", path)).headers["content-disposition"].partition("=")[2])
    assert names[:2] == ['"part-1.txt"', '"part-2.eml"']
    assert names[-1] == '"part-3.bin"'


async def test_a_part_comes_as_base64_text_under_a_safe_name(rest: RestWorld) -> None:
    copy = await rest.held(MESSAGE)
    answer = await rest.call("GET", f"/quarantine/messages/attachment?mid={copy.mid}&attachmentId=2&quarantineType=pvo")
    assert answer.status_code == 200
    assert base64.b64decode(answer.text, validate=True) == REPORT
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="report.pdf"'
    assert answer.headers["content-security-policy"].endswith("sandbox")
    assert ("administrator", "download", copy.mid) in rest.audited()
    for number in (0, 3, 999):
        wrong = await rest.call("GET", f"/quarantine/messages/attachment?mid={copy.mid}&attachmentId={number}")
        assert wrong.status_code == 404
        assert wrong.json()["error"]["code"] == "404"


@pytest.mark.parametrize(
    "octets, body",
    [
        (b"Subject: x\r\n\r\na < b\r\nc\r\n", "a &lt; b<br>c<br>"),
        (b"no header at all", ""),
        (b"", ""),
        (b"Content-Type: application/zip; name=a.zip\r\n\r\nPK", ""),
        (
            ALTERNATIVE,
            "<i>rich</i>",
        ),
        (b"Content-Type: text/plain; charset=no-such\r\n\r\n\xe9\r\n", "é<br>"),
    ],
)
async def test_the_body_that_is_shown(rest: RestWorld, octets: bytes, body: str) -> None:
    copy = await rest.held(octets)
    details = (await rest.get(f"/quarantine/messages/details?mid={copy.mid}"))["data"]["attributes"]
    assert details["messageBody"] == body
    assert details["quarantineDetails"]


async def test_a_released_message_is_not_read_any_more_and_a_half_decided_one_is(rest: RestWorld) -> None:
    copy = await rest.held(**holds("Policy", "Virus"))
    path = f"/quarantine/messages/details?mid={copy.mid}"
    await rest.act({"action": "release", "mids": [copy.mid], "quarantineName": "Policy"})
    assert (await rest.call("GET", path, user="operator")).status_code == 200
    await rest.act({"action": "release", "mids": [copy.mid], "quarantineName": "Virus"})
    assert (await rest.call("GET", path)).status_code == 404


async def test_a_body_that_cannot_be_read_is_a_503(rest: RestWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = await rest.held()

    def gone(*args: Any) -> bytes:
        raise OSError("segment is gone")

    monkeypatch.setattr(type(rest.store.spool), "read", gone)
    answer = await rest.call("GET", f"/quarantine/messages/details?mid={copy.mid}")
    assert answer.status_code == 503
    assert "segment" not in answer.text


HOSTILE = [
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\n\r\n" * 100_000,
    b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (i, i) for i in range(3000)),
    b"Content-Type: message/rfc822\r\n\r\n" * 2000 + b"x",
    b"X-A: b\r\n" * 200_000 + b"\r\nx",
    b"Content-Type: text/plain" + b";" * 20_000 + b"\r\n\r\nx",
    b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\r\n\r\nx",
    b"Content-Type: text/html\r\n\r\n" + b"<div>" * 100_000,
    b"Content-Type: text/html\r\n\r\n" + b"<b><p>" * 100_000,
    b"Content-Type: text/plain; charset=utf-7\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"+/v8-" * 100_000,
]


@pytest.mark.parametrize("octets", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_messages_are_read_in_bounded_time_and_size(rest: RestWorld, octets: bytes) -> None:
    copy = await rest.held(octets)
    started = time.monotonic()
    answer = await rest.call("GET", f"/quarantine/messages/details?mid={copy.mid}")
    assert answer.status_code == 200, answer.text
    assert time.monotonic() - started < 10
    assert len(answer.content) < 2_000_000
    assert len(answer.json()["data"]["attributes"]["messagePartDetails"]) <= 250


@pytest.mark.parametrize(
    "source",
    [
        "<img src=https://evil.example/x.gif>",
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:alert(1)">x</a>',
        '<a title=x href="https://evil.example/">x</a>',
        '<a href="https://evil.example/?a=&quot;><script>alert(1)</script>">x</a>',
        "<svg onload=alert(1)><a xlink:href=javascript:alert(1)>x</a></svg>",
        "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
        "<form action=https://evil.example><button>Go</button><input name=a></form>",
        "<style>body{background:url(https://evil.example)}</style>",
        "<p style='background:url(https://evil.example)' lang=x class=y id=z>t</p>",
        "<link rel=stylesheet href=//evil.example><base href=//evil.example>",
        "<meta http-equiv=refresh content='0;url=https://evil.example'>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe><object data=x></object><embed src=x>",
        "<table background=//evil.example><td background=//evil.example>x</td></table>",
        "<video poster=//evil.example src=//evil.example></video><audio src=//evil.example>",
        "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
        "<plaintext><script>alert(1)</script>",
        "<blockquote cite=//evil.example><q cite=//evil.example>x</q><del cite=//evil.example>y</del></blockquote>",
    ],
)
def test_html_loads_nothing_runs_nothing_and_leads_nowhere(source: str) -> None:
    shown = safe_html(source)
    for tag in re.findall(r"<([^>]*)>", shown):
        assert re.fullmatch(r'/?[a-z0-9]+(?: (?:colspan|rowspan)="[^"]*")*', tag), shown
    assert not re.search(r"<(?:a|img|script|style|form|svg|iframe)\b", shown), shown


def test_a_link_shows_where_it_would_lead() -> None:
    assert safe_html('<a href="https://evil.example/">your bank</a>') == "[https://evil.example/] <u>your bank</u>"


@pytest.mark.parametrize(
    "name, header",
    [
        ("a b.txt", 'attachment; filename="a b.txt"'),
        (
            'x"; filename="y.exe',
            "attachment; filename*=UTF-8''x%22%3B%20filename%3D%22y.exe; filename=\"x__ filename__y.exe\"",
        ),
        ("../../etc/passwd", 'attachment; filename="passwd"'),
        ("C:\\Users\\x\\y.doc", 'attachment; filename="y.doc"'),
        ("a\r\nSet-Cookie: b", "attachment; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20b; filename=\"a__Set-Cookie_ b\""),
        ("é.pdf", "attachment; filename*=UTF-8''%C3%A9.pdf; filename=\"_.pdf\""),
        ("\ud800", "attachment; filename*=UTF-8''%3F; filename=\"_\""),
        ("...", 'attachment; filename="attachment"'),
        ("x" * 500, f'attachment; filename="{"x" * 150}"'),
    ],
)
def test_names_of_downloads(name: str, header: str) -> None:
    assert disposition(name) == header
