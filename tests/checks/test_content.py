"""Who reads what, and what is left when reading fails."""

import asyncio
from collections.abc import Iterator

import pytest

from pratique.checks import content as module
from pratique.checks import content_worker
from pratique.checks.content import Content
from pratique.mail.body import InFile, MemoryBody
from pratique.policy.facts import Unknown

HEAD = b"From: Ann <ann@partner.example>\r\nSubject: figures\r\nMessage-ID: <1@x>\r\n"
PLAIN = HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\nthe secret\r\n"
LONG = b"one more line of text\r\n" * (module.NOW_BYTES_MAX // 23 + 1)
MIXED = (
    HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nthe secret\r\n'
    b"--b\r\nContent-Type: application/zip; name=a.zip\r\n\r\nPK\r\n--b--\r\n"
)


@pytest.fixture
def make_content():
    made = []

    def make(**options):
        made.append(Content(**options))
        return made[-1]

    yield make
    for content in made:
        content.close()


class Stored:
    """A body that lies somewhere and counts what was read of it."""

    sha256 = ""
    place = None

    def __init__(self, octets: bytes, *, fails: bool = False) -> None:
        self.octets = octets
        self.size = len(octets)
        self.fails = fails
        self.read = 0

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, self.size, 1000):
            if self.fails:
                raise OSError("no such segment")
            self.read += 1000
            yield self.octets[start : start + 1000]


async def read(content, octets, *, attachments=True, texts=True):
    return await content.read(MemoryBody(octets, ""), octets, attachments=attachments, texts=texts)


# --- in this process -----------------------------------------------------------------------------------------------
def test_plain_text_is_read_at_once(make_content):
    found = make_content().read_now(PLAIN, attachments=True, texts=True)
    assert (found.subject, found.texts, found.attachments, found.size) == (
        "figures",
        (("1", "the secret\n"),),
        (),
        len(PLAIN),
    )


@pytest.mark.parametrize("type_", [b"", b"Content-Type: text/html\r\n", b"Content-Type: TEXT/plain\r\n"])
def test_text_of_any_kind_is_read_at_once(make_content, type_):
    assert make_content().read_now(HEAD + type_ + b"\r\nx", attachments=True, texts=True).texts == (("1", "x"),)


@pytest.mark.parametrize("type_", [b"", b"Content-Type: text/html; charset=US-ASCII\r\n"])
def test_ascii_that_is_not_encoded_is_read_at_once_when_it_is_longer(make_content, type_):
    octets = HEAD + type_ + b"\r\n" + LONG + b"the secret\r\n"
    assert module.NOW_BYTES_MAX < len(octets) < module.NOW_PLAIN_BYTES_MAX
    found = make_content().read_now(octets, attachments=True, texts=True)
    assert found.texts == (("1", (LONG + b"the secret\r\n").decode().replace("\r\n", "\n")),)


@pytest.mark.parametrize(
    "octets",
    [
        MIXED,
        HEAD + b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx",
        HEAD + b"Content-Type: application/zip\r\n\r\nPK",
        HEAD + b"no field at all\r\n\r\nx",
        b"X-A: b\r\n" * 1100 + b"\r\nx",
        HEAD + b"\r\n" + b"x" * module.NOW_PLAIN_BYTES_MAX,
        HEAD + b"\r\n\xc3\xa4" + LONG,
        HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + LONG,
        HEAD + b"Content-Type: text/plain; charset=utf-7\r\n\r\n" + LONG,
        HEAD + b"Content-Type: text/plain; name=a.txt\r\n\r\n" + LONG,
        HEAD + b"\r\nbegin 644 a.exe\r\n" + LONG,
    ],
)
def test_what_is_not_plain_or_not_small_goes_to_a_worker(make_content, octets):
    content = make_content()
    assert content.read_now(octets, attachments=True, texts=False) is None
    assert content.read_now(octets, attachments=False, texts=True) is None
    found = content.read_now(octets, attachments=False, texts=False)
    assert found is not None, "headers alone are always read at once"


def test_what_is_over_the_scan_limit_is_not_read_at_once(make_content):
    assert make_content(scan_bytes_max=50).read_now(PLAIN, attachments=True, texts=True) is None


def test_no_worker_is_started_for_what_needs_none(make_content, monkeypatch):
    monkeypatch.setattr("pratique.checks.pool.ProcessPool", None)
    make_content().read_now(PLAIN, attachments=True, texts=True)


# --- by a worker ---------------------------------------------------------------------------------------------------
async def test_a_worker_reads_what_this_process_would(make_content):
    content = make_content()
    found = await read(content, MIXED)
    assert found.texts == (("1", "the secret"),)
    assert [one.filename for one in found.attachments] == ["a.zip"]
    assert await read(content, PLAIN) == content.read_now(PLAIN, attachments=True, texts=True)


async def test_bombs_end_in_an_answer(make_content):
    bombs = [
        HEAD
        + b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(3000)),
        HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\n\r\n" * 100_000,
        HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 2000 + b"x",
        HEAD + b"Content-Type: text/plain" + b";" * 20_000 + b"\r\n\r\nx",
    ]
    found = await asyncio.gather(*(read(make_content(), bomb) for bomb in bombs))
    assert [message.subject for message in found] == ["figures"] * 4
    assert all(message.incomplete or isinstance(message.texts, Unknown) for message in found[:3])


async def test_headers_alone_need_no_worker_and_only_the_beginning(make_content, monkeypatch):
    monkeypatch.setattr("pratique.checks.pool.ProcessPool", None)
    body = Stored(PLAIN + b"x" * 2_000_000)
    found = await make_content().read(body, None, attachments=False, texts=False)
    assert (found.subject, found.size) == ("figures", body.size)
    assert body.read < 300_000


async def test_of_a_large_message_only_so_much_is_read(make_content):
    octets = MIXED.replace(b"PK\r\n", b"x" * 50_000 + b"\r\n")
    body = Stored(octets)
    found = await make_content(scan_bytes_max=10_000).read(body, None, attachments=True, texts=True)
    assert body.read == 10_000
    assert found.size == len(octets)
    assert "larger than what is read" in found.incomplete
    assert found.texts == (("1", "the secret"),)
    assert found.attachments[0].cut
    in_memory = await make_content(scan_bytes_max=10_000).read(body, octets, attachments=True, texts=True)
    assert in_memory == found


async def test_a_message_in_a_file_is_read_there_by_the_worker(make_content, tmp_path):
    octets = MIXED.replace(b"PK\r\n", b"x" * 50_000 + b"\r\n")
    (tmp_path / "1.seg").write_bytes(b"another" + octets + b"another")
    body = Stored(octets, fails=True)
    body.place = InFile(str(tmp_path / "1.seg"), 7, len(octets))
    content = make_content(scan_bytes_max=10_000)
    found = await content.read(body, None, attachments=True, texts=True)
    assert found == await content.read(Stored(octets), None, attachments=True, texts=True)
    assert found.texts == (("1", "the secret"),)
    (tmp_path / "1.seg").unlink()
    gone = await content.read(body, None, attachments=True, texts=True)
    assert "cannot be read" in gone.texts.why


# --- when it fails -------------------------------------------------------------------------------------------------
async def test_a_body_that_cannot_be_read_is_unknown(make_content):
    found = await make_content().read(Stored(PLAIN, fails=True), None, attachments=True, texts=True)
    assert "no such segment" in found.texts.why
    assert found.headers_cut


async def test_a_reading_that_kills_its_worker_is_unknown_and_keeps_its_headers(make_content):
    """One megabyte of address space does not hold the interpreter: every reading dies."""
    found = await read(make_content(memory_bytes_max=1024 * 1024), MIXED.replace(b"PK", b"x" * 5_000_000))
    assert isinstance(found.texts, Unknown)
    assert isinstance(found.attachments, Unknown)
    assert found.subject == "figures"


async def test_no_answer_within_the_deadline_is_unknown(make_content):
    found = await read(make_content(deadline_seconds=0.0), MIXED)
    assert "within 0 s" in found.texts.why
    assert found.subject == "figures"


async def test_after_close_content_is_unknown(make_content):
    content = make_content()
    content.close()
    assert "shutting down" in (await read(content, MIXED)).texts.why


def test_what_a_worker_may_not_do(monkeypatch):
    """The caps are set before the first message."""
    set_ = []
    monkeypatch.setattr(content_worker.signal, "signal", lambda *args: None)
    monkeypatch.setattr(content_worker.resource, "setrlimit", lambda what, values: set_.append((what, values)))
    content_worker.begin(1_000, None)
    resource = content_worker.resource
    assert dict(set_) == {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_AS: (1_000, 1_000),
    }
