"""clustermode, clusterset, clustercheck: which level a session configures, what is set where, what is not in order."""

from dataclasses import asdict
from typing import Any

from pratique.config.level import Kind, Level
from pratique.console.access.roles import Permission
from pratique.console.commands import cluster as commands
from pratique.console.commands.cluster import CLUSTER, ClusterRefused, Finding
from pratique.console.commands.parts import CommandRefused, Why
from pratique.console.verbs.verb import FAILED, GATEWAY, Call, Usage, verb
from pratique.mail.text import log_text


@verb("clustermode", Permission.SETTINGS, places=GATEWAY, usage="clustermode [cluster | group NAME | machine]")
async def clustermode(call: Call) -> None:
    """Choose what this session configures: the cluster, a group, or this machine. The prompt shows it.

    Staged changes are kept for each level by itself, and `commit` is of the level that the session works on. Another
    machine is configured there.
    """
    cluster = commands.inside(call.desk).cluster
    groups = cluster.groups()
    listed = "\n".join(f"{n}. Group {log_text(group.name)}" for n, group in enumerate(groups, 2))
    menu = f"1. Cluster {log_text(cluster.name)}\n{listed}\n{len(groups) + 2}. Machine {log_text(call.desk.name)}\n[1]>"
    word = (await call.word(0, menu, "1")).lower()
    if word.isascii() and word.isdigit() and 1 <= int(word) <= len(groups) + 2:
        number = int(word)
        level = Level(Kind.CLUSTER) if number == 1 else Level()
        level = Level(Kind.GROUP, groups[number - 2].name) if 1 < number < len(groups) + 2 else level
    elif word == "cluster":
        level = Level(Kind.CLUSTER)
    elif word == "group":
        level = Level(Kind.GROUP, await call.word(1, "Enter the name of the group."))
    elif word == "machine":
        name = call.words[1] if len(call.words) > 1 else call.desk.name
        if name.lower() != call.desk.name.lower():
            contact = cluster.member_named(name).contact
            raise CommandRefused(Why.CONFLICT, f"sign in there: ssh -p {contact.port} {contact.address}")
        level = Level()
    else:
        raise Usage(f"{word!a} is no mode; there are: cluster, group NAME, machine")
    await commands.switch(call.desk, call.person, level)


@verb(
    "clusterset",
    Permission.CONFIGURE,
    places=GATEWAY,
    usage="clusterset [list | new FEATURE | delete FEATURE | copy FEATURE {cluster | group NAME}]",
)
async def clusterset(call: Call) -> None:
    """Show at which levels each feature is set; set one at the level of this session, or take it away there.

    `new` makes it empty: everything of it has its default, and what lies below inherits that. `copy` takes what
    another level has. `delete` lets the level above count again. Staged like every change: `commit` makes it so.
    """
    act = call.words[0].lower() if call.words else "list"
    rows = await commands.feature_levels(call.desk, call.person)
    if act == "list":
        names = ("feature", "meaning", "from", "levels")
        head = f"{'Feature':12} {'Used here from':20} Set at"
        lines = [f"{name:12} {log_text(used):20} {log_text(levels) or '-'}" for name, _, used, levels in rows]
        call.give([dict(zip(names, row, strict=True)) for row in rows], lambda: "\n".join([head, *lines]))
        return
    feature = (await call.word(1, f"Enter the feature: {', '.join(row[0] for row in rows)}.")).lower()
    if feature not in [row[0] for row in rows]:
        raise Usage(f"{feature!a} is no feature; `clusterset list` shows them")
    if act == "new":
        await commands.set_feature(call.desk, call.person, feature, call.desk.clustered().blank(feature))
    elif act == "delete":
        await commands.set_feature(call.desk, call.person, feature, None)
    elif act == "copy":
        cluster = commands.inside(call.desk).cluster
        kind = (await call.word(2, "From which level: cluster or group?", "cluster")).lower()
        try:
            group = await call.word(3, "Enter the name of the group.") if kind == "group" else ""
            level = cluster.group_named(group).ident if group else CLUSTER
        except ClusterRefused as error:
            raise CommandRefused(Why.NOT_FOUND, str(error)) from error
        text = cluster.pieces(level).get(feature)
        if text is None:
            raise CommandRefused(Why.NOT_FOUND, f"{cluster.level_name(level)} does not set {feature}")
        await commands.set_feature(call.desk, call.person, feature, text)
    else:
        raise Usage(f"{act!a} is not known; there are: list, new, delete, copy")
    call.talk.say(f"{feature}: staged for {call.desk.mode.level}. Be sure to run `commit` to make it so.")


@verb("clustercheck", Permission.SETTINGS, places=GATEWAY, usage="clustercheck [choose REGISTER NUMBER]")
async def clustercheck(call: Call) -> int | None:
    """Show what is not in order: settings that were changed apart, or that a machine cannot use; machines out of reach.

    Of settings that were changed apart all versions are kept and shown; number 1 is in force on every machine. `choose`
    puts one in force and forgets the others.
    """
    if call.words and call.words[0].lower() == "choose":
        await _choose(call)
        return None
    if call.words:
        raise Usage(f"{call.words[0]!a} is not known; there is: choose")
    findings = await commands.check(call.desk, call.person)
    call.give(
        [_row(finding) for finding in findings], lambda: "\n".join(map(_text, findings)) or "The cluster is in order."
    )
    return FAILED if findings else None


async def _choose(call: Call) -> None:
    known = commands.inside(call.desk).cluster
    conflicts = {conflict.register: conflict for conflict in known.conflicts()}
    if not conflicts:
        raise CommandRefused(Why.NOT_FOUND, "nothing was changed apart")
    register = await call.word(1, f"Which one: {', '.join(conflicts)}?", next(iter(conflicts)))
    found = conflicts.get(register)
    if found is None:
        raise Usage(f"{register!a} has no conflict; there are: {', '.join(conflicts)}")
    number = await call.word(2, "Enter the number of the version.", "1")
    if not number.isascii() or not number.isdigit() or not 0 < int(number) <= len(found.versions):
        raise Usage(f"there is no version {number!a}")
    version, author = found.versions[int(number) - 1], call.desk.clustered().author(call.person.name)
    what = f"choose version {number} of {register}"
    await commands.change(call.desk, call.person, what, lambda c: c.chosen(register, version, author))
    call.talk.say(f"{log_text(register)}: version {number} is in force.")


def _row(finding: Finding) -> dict[str, Any]:
    row: dict[str, Any] = {"what": finding.what, "cure": finding.cure}
    if finding.conflict is not None:
        row["register"] = finding.conflict.register
        shown = finding.conflict.shown
        row["versions"] = [{**asdict(version), "value": shown(version)} for version in finding.conflict.versions]
    return row


def _text(finding: Finding) -> str:
    lines = [log_text(finding.what)]
    if finding.conflict is not None:
        lines.append(f"    Register {log_text(finding.conflict.register)}")
        for number, version in enumerate(finding.conflict.versions, 1):
            lines.append(f"    Version {number}, by {log_text(version.by)}:")
            lines += [f"        {log_text(line)}" for line in finding.conflict.shown(version).splitlines()]
    return "\n".join([*lines, f"    cure: {log_text(finding.cure)}"])
