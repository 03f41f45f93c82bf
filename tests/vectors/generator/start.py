"""From the greeting to XQHELLO and QUIT."""

from tests.vectors.generator.words import (
    HELLO,
    HELLO_CALL,
    HELLO_TOLD,
    NEXT,
    SMA,
    SMA_NEXT,
    Case,
    Turn,
    c,
    case,
    hello_reply,
    s,
)

ehlo = (
    "250-sma.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE 104857600\r\n250-CHUNKING\r\n"
    "250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-LIMITS RCPTMAX=1000\r\n250 XCPQ 1\r\n"
)
clear = [
    s("220 sma.example ESMTP\r\n"),
    c("EHLO gw1.example\r\n"),
    s("250-sma.example\r\n250 STARTTLS\r\n"),
    c("STARTTLS\r\n"),
    s("220 2.0.0\r\n"),
    {"server_event": "starttls"},
    {"client_event": "starttls"},
]
secure = [
    {"tls": "up"},
    c("EHLO gw1.example\r\n"),
    s(ehlo),
    {"server_event": "ehlo"},
    {"client_event": "secure"},
]
ready: list[Turn] = [
    HELLO_CALL,
    c(HELLO),
    HELLO_TOLD,
    {"server_answer": "hello", "keyword": "XQREADY"},
    s(hello_reply("XQREADY")),
    {"client_event": "hello", "keyword": "XQREADY", "serial": SMA, "window": 256, "watermark": 4380},
]
suspended: list[Turn] = [
    HELLO_CALL,
    c(HELLO),
    HELLO_TOLD,
    {
        "server_answer": "hello",
        "keyword": "XQSUSPENDED",
        "why": "offline",
        "suspended_quarantines": ["a b", "Virus"],
    },
    s(hello_reply("XQSUSPENDED WHY=offline", "XQSUSPQ a+20b", "XQSUSPQ Virus", code="451", enhanced="4.3.2")),
    {"client_event": "hello", "keyword": "XQSUSPENDED", "serial": SMA, "window": 256, "watermark": 4380},
]
goodbye = [{"client_call": "quit"}, c("QUIT\r\n"), s("221 2.0.0\r\n")]
ends = [{"server_event": "end", "clean": True}, {"client_event": "end", "keyword": "", "refused": False}]
fenced = [
    HELLO_CALL,
    c(HELLO),
    HELLO_TOLD,
    {"server_answer": "hello", "keyword": "XQFENCED"},
    s(hello_reply("XQFENCED", code="554", enhanced="5.7.0")),
    {"server_event": "end", "clean": False},
    {"client_event": "hello", "keyword": "XQFENCED", "serial": SMA, "window": 256, "watermark": 4380},
    {"client_event": "end", "keyword": "XQFENCED", "refused": False},
]
CASES: list[Case] = [
    case(
        "session",
        "greeting, STARTTLS, EHLO in TLS, XQHELLO, QUIT",
        clear + secure + ready + goodbye + ends,
        start="clear",
    ),
    case(
        "suspended",
        "the manager takes nothing now; two quarantines take nothing",
        clear + secure + suspended,
        start="clear",
    ),
    case(
        "another-certificate",
        "each side announces its next certificate and believes that of the other",
        [
            *clear,
            *secure,
            HELLO_CALL | {"next": NEXT, "trusts": SMA_NEXT},
            c(HELLO.removesuffix("\r\n") + f" NEXT={NEXT} TRUSTS={SMA_NEXT}\r\n"),
            HELLO_TOLD | {"next": NEXT, "trusts": SMA_NEXT},
            {"server_answer": "hello", "keyword": "XQREADY", "next": NEXT, "trusts": "9c" * 32},
            s(hello_reply("XQREADY", pairs=f" NEXT={NEXT} TRUSTS={'9c' * 32}")),
            {"client_event": "hello", "keyword": "XQREADY", "next": NEXT, "trusts": "9c" * 32},
        ],
        start="clear",
    ),
    case("fenced-hello", "an instance that was replaced comes back", clear + secure + fenced, start="clear"),
    *(
        case(
            f"recon-{word.lower()}",
            "one of the two was set back",
            clear
            + secure
            + [
                HELLO_CALL,
                c(HELLO),
                HELLO_TOLD,
                {"server_answer": "hello", "keyword": word},
                s(hello_reply(word, code="451", enhanced="4.3.0")),
                {"client_event": "hello", "keyword": word, "serial": SMA, "window": 256, "watermark": 4380},
            ],
            start="clear",
        )
        for word in ("XQRECON", "XQROLLED")
    ),
    *(
        case(
            f"hello-{word.lower()}",
            "the identity is refused; one line only",
            clear
            + secure
            + [
                HELLO_CALL,
                c(HELLO),
                HELLO_TOLD,
                {"server_answer": "hello", "keyword": word},
                s(line),
                {"server_event": "end", "clean": False},
                {"client_event": "end", "keyword": word, "refused": True},
            ],
            start="clear",
        )
        for word, line in (("XQDENIED", "550 5.7.1 XQDENIED\r\n"), ("XQNOTENROLLED", "550 5.7.1 XQNOTENROLLED\r\n"))
    ),
    case(
        "not-enrolled",
        "the certificate is not enrolled: EHLO in TLS is refused",
        [
            *clear,
            {"tls": "up", "enrolled": False},
            c("EHLO gw1.example\r\n"),
            s("550 5.7.1 XQNOTENROLLED\r\n"),
            {"server_event": "end", "clean": False},
            {"client_event": "end", "keyword": "XQNOTENROLLED", "refused": True},
        ],
        start="clear",
    ),
    case(
        "injection-at-server",
        "a command stands behind STARTTLS in the same segment: no 220, close",
        [
            s("220 sma.example ESMTP\r\n"),
            c("EHLO gw1.example\r\nSTARTTLS\r\nNOOP\r\n"),
            s("250-sma.example\r\n250 STARTTLS\r\n"),
            {"server_event": "end", "clean": False},
        ],
        start="clear",
        ends=["server"],
        whole=True,
    ),
    case(
        "injection-at-server-late",
        "octets come in clear after the 220 and before TLS",
        [*clear[:6], c("NOOP\r\n"), {"server_event": "end", "clean": False}],
        start="clear",
        ends=["server"],
    ),
    case(
        "injection-at-client",
        "a reply stands behind the 220 in the same segment: close",
        [
            s("220 sma.example ESMTP\r\n"),
            c("EHLO gw1.example\r\n"),
            s("250-sma.example\r\n250 STARTTLS\r\n"),
            c("STARTTLS\r\n"),
            s("220 2.0.0\r\n250 XCPQ 1\r\n"),
            {"client_event": "end", "keyword": "", "refused": True},
        ],
        start="clear",
        ends=["client"],
        whole=True,
    ),
    case(
        "clear-text",
        "all but EHLO, STARTTLS, NOOP, QUIT need TLS; the fifth ends the session",
        [
            s("220 sma.example ESMTP\r\n"),
            c("MAIL FROM:<a@example.org>\r\nXQSTAT\r\nNOOP\r\nVRFY x\r\nehlo x\r\nSTARTTLS now\r\nNOOP\r\n"),
            s("530 5.7.0 XQTLS\r\n" * 2 + "250 2.0.0 XQOK\r\n" + "530 5.7.0 XQTLS\r\n" * 3),
            {"server_event": "end", "clean": False},
        ],
        start="clear",
        ends=["server"],
    ),
    case(
        "clear-quit",
        "QUIT in clear text",
        [
            s("220 sma.example ESMTP\r\n"),
            c("QUIT\r\n"),
            s("221 2.0.0\r\n"),
            {"server_event": "end", "clean": True},
        ],
        start="clear",
        ends=["server"],
    ),
    case(
        "no-xcpq",
        "a server without XCPQ is no peer",
        [
            *clear[:5],
            clear[6],
            {"tls": "up"},
            c("EHLO gw1.example\r\n"),
            s("250-sma.example\r\n250 PIPELINING\r\n"),
            {"client_event": "end", "keyword": "", "refused": True},
        ],
        start="clear",
        ends=["client"],
    ),
    case(
        "busy",
        "over the connection limit",
        [s("421 4.3.2 sma.example busy\r\n"), {"client_event": "end", "keyword": "", "refused": False}],
        start="clear",
        ends=["client"],
    ),
]
