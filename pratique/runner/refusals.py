"""What it means that the quarantine port of a peer does not let us in, and what a person does about it: one text for
the log and for the doctor. `own`: our serial."""

from pratique.transfer.messages import Keyword


def told(keyword: str, reason: str) -> str:
    """The peer's words, without saying its keyword twice."""
    return reason if keyword in reason else f"{keyword} {reason}".strip()


def cure_of(text: str, *, peer: str, own: str) -> str:
    """For an answer of the peer, or what TLS said; "" when it needs none of its own."""
    unlock = f"on {peer} `pratique enroll DIR --unlock {own}`"
    if Keyword.FENCED in text:
        return (
            f"another machine has said hello to {peer} with this appliance's identity, later than this one: a clone "
            f"or a started copy. Stop one of the two, restart the other, then {unlock}"
        )
    if Keyword.NOT_ENROLLED in text:
        return (
            f"{peer} has locked this appliance (two machines use its identity: stop one, then {unlock}), or does not "
            "know its present certificate (enrol it there anew with the file of `pratique enroll DIR --show`); its log "
            "says which"
        )
    if Keyword.DENIED in text:
        return "name and serial of the configuration and the certificate belong together: use DIR as `init` made it"
    if Keyword.FRAME in text:
        return "the two do not understand each other: keep both logs and report it"
    return ""


def tls_cure(reason: str) -> str:
    """For a handshake that failed, on either side."""
    if "protocol" in reason or "version" in reason:
        return "the quarantine port speaks TLS 1.3 and nothing older"
    return "only enrolled appliances are let in, see `pratique enroll`"
