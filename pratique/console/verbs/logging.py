"""logconfig: the logs that there are, how large their files get, and how much they tell."""

from pratique.config.edits import Set
from pratique.console.access.roles import Permission
from pratique.console.commands import configuration as commands
from pratique.console.commands import logs
from pratique.console.verbs.committing import agreed
from pratique.console.verbs.options import staged
from pratique.console.verbs.verb import Call, Usage, verb
from pratique.telemetry.settings import LogSettings

FACTS = ("rollover_bytes", "keep_files", "debug", "json", "syslog", "syslog_facility")


def _retrieval(name: str, settings: LogSettings) -> str:
    return "Syslog Push" if settings.syslog and name == "mail_logs" else "Manual Download"


@verb(
    "logconfig",
    Permission.SETTINGS,
    usage="logconfig [list | edit MAX_FILE_SIZE MAX_FILES | setup DEBUG JSON | syslog ADDRESS[:PORT]|none [FACILITY]]",
)
async def logconfig(call: Call) -> None:
    """Show and change the logs: how large a file gets (octets) and how many are kept; whether Debug lines are written
    and the same events as JSON; a syslog server that gets every line of the mail log, too. Changes are staged.
    """
    settings = (await commands.working(call.desk, call.person, call.level)).options.log
    known = await logs.list_logs(call.desk, call.person)
    word = call.words[0].upper() if call.words else ""
    if call.json or word in ("", "LIST"):
        facts = {name: getattr(settings, name) for name in FACTS}
        head = f"    {'Log Name':22}{'Log Type':24}{'Retrieval':18}Interval"
        rows = [f"{n:2}. {o.name:22}{o.type:24}{_retrieval(o.name, settings):18}None" for n, o in enumerate(known, 1)]
        call.give(
            {"logs": [one.name for one in known], **facts},
            lambda: "\n".join(["Currently configured logs:", head, "-" * len(head), *rows]),
        )
    if call.json or word == "LIST":
        return
    menu = "- EDIT - Modify a log subscription.\n- SETUP - General settings.\n- SYSLOG - Send lines to a server, too."
    word = word or await call.operation(f"\nChoose the operation you want to perform:\n{menu}\n[]>")
    if word == "EDIT":
        size = await call.word(1, "Please enter the maximum file size in octets.", str(settings.rollover_bytes))
        files = await call.word(2, "Please enter the maximum number of files.", str(settings.keep_files))
        await staged(call, Set("log.rollover_bytes", size), Set("log.keep_files", files))
    elif word == "SETUP":
        debug = await agreed(call, 1, "Write Debug lines, too?", default="Y" if settings.debug else "N")
        json = await agreed(call, 2, "Write the same events as JSON?", default="Y" if settings.json else "N")
        await staged(call, Set("log.debug", str(debug).lower()), Set("log.json", str(json).lower()))
    elif word == "SYSLOG":
        place = await call.word(1, "Please enter the server's IP address, NONE for none.", settings.syslog or "NONE")
        none = place.upper() == "NONE"
        facility = settings.syslog_facility if none else await call.word(2, "Facility:", settings.syslog_facility)
        await staged(call, Set("log.syslog", "" if none else place), Set("log.syslog_facility", facility))
    elif word:
        raise Usage(f"{word!a} is not known; there are: LIST, EDIT, SETUP, SYSLOG")
