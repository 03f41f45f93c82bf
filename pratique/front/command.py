"""The command line: arguments to `front`'s functions, errors to exit codes (0 done, 1 refused, 2 wrong usage)."""

import asyncio
import json
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter, UnknownCommandError

from pratique import __version__
from pratique.front.keeping import backup, doctor, fsck, restore
from pratique.front.loop import run_loop
from pratique.front.saying import complain, say
from pratique.front.users import passwd
from pratique.front.users import user as user_commands

app = App(
    name="pratique",
    version=__version__,
    help="Central quarantine for mail: held by many gateways, reviewed in one place, released once.",
    help_format="plaintext",
)
app.command(user_commands)
app.command(passwd)
for of_the_state in (fsck, doctor, backup, restore):
    app.command(of_the_state)


class Refused(Exception):
    """Said to the user as it is; exit code 1."""


class Misused(Refused):
    """Options that do not go together; exit code 2."""


def run_command(tokens: list[str]) -> int:
    """Parse and run; returns the exit code. No traceback reaches the user."""
    try:
        result = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except UnknownCommandError as error:
        complain(_unknown(error))
        return 2
    except CycloptsError as error:
        complain(f"{error}\nTry `pratique --help`, or `pratique COMMAND --help`.")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:  # noqa: BLE001 - the last door: what goes through it becomes words, never a traceback
        return _refused(error)
    return result if isinstance(result, int) else 0


def _unknown(error: UnknownCommandError) -> str:
    """With all commands there are: a list that ends in dots helps nobody."""
    asked = error.unused_tokens[0] if error.unused_tokens else ""
    known = error.app or app
    names = ", ".join(sorted(name for name in known if not name.startswith("-")))
    return f'there is no command "{asked}"; the commands are: {names}\nTry `pratique --help`.'


def _refused(error: Exception) -> int:
    """Exit code 1, with the reason. What no command expects is a defect of ours, and said to be one."""
    if not isinstance(error, _expected()):
        if os.environ.get("PRATIQUE_TRACEBACK"):
            raise error
        complain(f"a defect ({type(error).__name__}: {error}); set PRATIQUE_TRACEBACK=1 and report what it shows")
    else:
        from pratique.front.failures import of_file

        complain(of_file(error) if isinstance(error, OSError) else str(error))
    return 2 if isinstance(error, Misused) else 1


def _expected() -> tuple[type[BaseException], ...]:
    """What a command may end with in the ordinary course of things; each text says why and what to do."""
    from pratique.fleet.enrolment import EnrolmentError
    from pratique.fleet.peers import EnrolRefused
    from pratique.front.backup import BackupFailed
    from pratique.front.demo_world import DemoFailed
    from pratique.front.files import BadConfiguration
    from pratique.front.init import InitRefused
    from pratique.front.local import LocalRefused
    from pratique.front.rest_client import RestFailed
    from pratique.policy.evaluate import ProgramError
    from pratique.store.moves import StoreFailed

    return (
        BackupFailed,
        BadConfiguration,
        DemoFailed,
        EnrolRefused,
        EnrolmentError,
        InitRefused,
        LocalRefused,
        OSError,
        ProgramError,
        Refused,
        RestFailed,
        StoreFailed,
    )


@app.command
def init(
    role: Literal["gateway", "manager"],
    directory: Path,
    /,
    *,
    name: str = "",
    set_: Annotated[list[str] | None, Parameter(name="--set", negative=())] = None,
    admin_password_file: Path | None = None,
) -> int:
    """Write a working configuration, keys and an administrator into DIRECTORY.

    Parameters
    ----------
    role
        What the appliance is.
    directory
        Where its files shall lie; made if missing.
    name
        Its host name; the machine's, when not given.
    set_
        An option of the configuration, as a.b=value; may be given several times.
    admin_password_file
        File with the administrator's pass phrase; without it one is made and printed once.
    """
    from pratique.front.init import initialise, takes_mail

    overrides = dict(_pair(text) for text in set_ or [])
    password = admin_password_file.read_text(encoding="utf-8").strip() if admin_password_file else ""
    made = asyncio.run(initialise(role, directory, name=name, overrides=overrides, password=password))
    say(f"{made.options.appliance.name} ({role}, serial {made.options.appliance.serial}) is ready in {directory}")
    if not password:
        say(f"administrator: {made.user}   pass phrase: {made.password}   (shown this once)")
    if not takes_mail(made.options):
        say("It takes mail for nobody yet: add [[gateway.listeners.recipients]] rows, see docs/operate/install.md.")
    say(f"Next: `pratique enroll {directory} --show`, then `pratique run {directory}`.")
    return 0


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise Refused(f"--set takes option=value, as in --set cpq.port=7025; {text!r} is none")
    return key.strip(), value


@app.command
def run(directory: Path, /) -> int:
    """Run the appliance of DIRECTORY in the foreground. SIGTERM ends it cleanly, SIGHUP reloads.

    Parameters
    ----------
    directory
        The appliance, as `pratique init` made it.
    """
    from pratique.front.run import run as run_appliance

    return run_loop(run_appliance(directory))


@app.command(name="check-config")
def check_config(directory: Path, /, *, json_: Annotated[bool, Parameter(name="--json")] = False) -> int:
    """Check the configuration of DIRECTORY; every problem with file, line and cure.

    Parameters
    ----------
    directory
        The appliance.
    json_
        Print JSON.
    """
    from pratique.front.files import BadConfiguration, read_options

    try:
        read_options(directory, thorough=True)
    except BadConfiguration as error:
        if json_:
            say(json.dumps([{n: getattr(p, n) for n in p.__slots__} for p in error.problems]))
        else:
            complain(str(error))
        return 1
    say("[]" if json_ else f"{directory}: the configuration is good")
    return 0


@app.command
def enroll(
    directory: Path,
    file: Path | None = None,
    /,
    *,
    show: bool = False,
    withdraw: str = "",
    unlock: str = "",
    accept_setback: str = "",
) -> int:
    """Print the appliance's enrolment (--show), or add the peer of FILE.

    Parameters
    ----------
    directory
        The appliance.
    file
        The peer's enrolment, as its own `--show` printed it.
    show
        Print ours.
    withdraw
        Serial of a peer with which nothing is exchanged any more.
    unlock
        Serial of a locked peer that may exchange mail again.
    accept_setback
        Serial of a peer with which mail is exchanged again though one of the two was set back to an older state.
        Messages may be lost or doubled by that; the log names what is known.
    """
    from pratique.front import enroll as enrolment
    from pratique.front.local import change_peer, enrol

    if show:
        say(enrolment.own_enrolment(directory).to_json().rstrip())
        return 0
    for action, serial in (("withdraw", withdraw), ("unlock", unlock), ("accept-setback", accept_setback)):
        if serial:
            say(_run_text(change_peer(directory, serial, action)))
            return 0
    if file is None:
        raise Refused("give the peer's enrolment file, or --show to print ours")
    say(_run_text(enrol(directory, file.read_text(encoding="utf-8"))))
    return 0


def _run_text(work: Coroutine[Any, Any, str]) -> str:
    return asyncio.run(work)


@app.command
def demo(
    *,
    once: bool = False,
    mail: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
    directory: Annotated[Path | None, Parameter(name="--dir")] = None,
) -> int:
    """Run a manager, two gateways and a destination on loopback with sample mail.

    Parameters
    ----------
    once
        Run the whole cycle for every message, compare what arrived octet by octet, and end.
    mail
        Folder of messages to use instead of the sample mail.
    json_
        Print one line of JSON instead of text.
    directory
        Empty directory for the appliances' files; kept afterwards. Without it they are removed at the end.
    """
    from pratique.front.demo import demo as run_demo

    return run_loop(run_demo(once=once, mail=mail, as_json=json_, directory=directory))


@app.command(name="list")
def list_(
    directory: Path,
    /,
    *,
    quarantine: str = "",
    offset: int = 0,
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """List what a manager holds, or what a gateway's queue is waiting for.

    Parameters
    ----------
    directory
        The appliance.
    quarantine
        Only what this quarantine holds.
    offset
        How many messages of a long list to leave out.
    json_
        Print JSON.
    """
    from pratique.front.local import ask
    from pratique.front.local_text import listing

    found = asyncio.run(ask(directory, "list", quarantine=quarantine, offset=offset))
    say(json.dumps(found) if json_ else listing(found))
    return 0


@app.command
def show(directory: Path, mid: int, /, *, json_: Annotated[bool, Parameter(name="--json")] = False) -> int:
    """Show one held message: where it is held and why, its header, its parts.

    Parameters
    ----------
    directory
        The manager that holds it.
    mid
        The message's MID, as `pratique list` shows it.
    json_
        Print JSON.
    """
    from pratique.front.local import ask
    from pratique.front.local_text import message

    found = asyncio.run(ask(directory, "show", mid=mid))
    say(json.dumps(found) if json_ else message(found))
    return 0


@app.command
def release(directory: Path, /, *mids: int, quarantine: str = "", to: str = "", override: bool = False) -> int:
    """Release held messages, from all their quarantines unless one is named; on a gateway, deliver its own copies.
    With --to, send releases that are on their way to another gateway instead.

    Parameters
    ----------
    directory
        The appliance.
    mids
        The messages' MIDs, as `pratique list` shows them.
    quarantine
        Release from this quarantine only.
    to
        Serial of the gateway that shall have the messages instead of the one that caught them.
    override
        With --to: also while the first gateway may have them and has not cancelled. Both may deliver then: the copy of
        the second is marked X-Possible-Duplicate, and the audit keeps who ordered it.
    """
    if not to:
        if override:
            raise Misused("--override goes with --to SERIAL: it sends a release to a second gateway")
        return _decide(directory, "release", "released", mids, quarantine)
    if quarantine:
        raise Misused("--to sends the whole message to another gateway: it does not go with --quarantine")
    return _retarget(directory, mids, to, override=override)


@app.command
def resolve(directory: Path, /, *mids: int, deliver: bool = False, done: bool = False, to: str = "") -> int:
    """Decide about messages of which nobody can know whether they were delivered. Without MIDs: list them.

    Parameters
    ----------
    directory
        The appliance.
    mids
        The messages' MIDs.
    deliver
        Deliver them. It may be for the second time: they are marked X-Possible-Duplicate.
    done
        Let them count as delivered.
    to
        With --deliver, on a manager: serial of the gateway that delivers; the last one when not given.
    """
    from pratique.front.local import ask

    if not mids:
        waiting = asyncio.run(ask(directory, "resolve"))["waiting"]
        say("\n".join(f"MID {mid}" for mid in waiting) or "no message is in doubt")
        return 0
    if deliver == done:
        raise Misused("say --deliver or --done")
    if to and not deliver:
        raise Misused("--to goes with --deliver")
    return _told(asyncio.run(ask(directory, "resolve", mids=list(mids), send=deliver, to=to)))


def _retarget(directory: Path, mids: tuple[int, ...], to: str, *, override: bool) -> int:
    from pratique.front.local import ask

    if not mids:
        raise Refused(f"name at least one MID, as in `pratique release {directory} 1 --to {to}`")
    return _told(asyncio.run(ask(directory, "retarget", mids=list(mids), to=to, override=override)))


def _told(told: dict[str, list[str]]) -> int:
    for text in told["done"]:
        say(text)
    for text in told["refused"]:
        complain(text)
    return 1 if told["refused"] else 0


@app.command
def delete(directory: Path, /, *mids: int, quarantine: str = "") -> int:
    """Delete held messages for good, in all quarantines unless one is named; on a gateway, give up its own copies.

    Parameters
    ----------
    directory
        The appliance.
    mids
        The messages' MIDs, as `pratique list` shows them.
    quarantine
        Delete in this quarantine only.
    """
    return _decide(directory, "delete", "deleted", mids, quarantine)


def _decide(directory: Path, command: str, word: str, mids: tuple[int, ...], quarantine: str) -> int:
    from pratique.front.local import ask
    from pratique.front.local_text import decided

    if not mids:
        raise Refused(f"name at least one MID, as in `pratique {command} {directory} 1`; `pratique list` shows them")
    done = asyncio.run(ask(directory, command, mids=list(mids), quarantine=quarantine))
    say(decided(word, done))
    return 1 if done["untouched"] else 0


@app.command
def shell(directory: Path, command: str = "", /) -> int:
    """The operators' command line of the running appliance, on its own machine; `help` in it lists the commands.

    Parameters
    ----------
    directory
        The appliance.
    command
        Do this and end, as in `pratique shell DIR 'tophosts; status'`. Without it there is a prompt.
    """
    from pratique.front.shell import shell as run_shell

    return run_shell(directory, command)
