"""clusterconfig: make, join and leave a cluster; its machines and groups."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from pratique.console.access.roles import Permission
from pratique.console.commands import cluster as commands
from pratique.console.commands.cluster import MEMBERS_WARNED, ClusterRefused, host_key_fingerprint
from pratique.console.commands.parts import CommandRefused, Why
from pratique.console.verbs.smaconfig import agreed
from pratique.console.verbs.verb import FAILED, GATEWAY, Call, Usage, verb
from pratique.mail.text import log_text

SSH_PORT = 2222
_USAGE = (
    "clusterconfig [create NAME [ADDRESS [PORT]] | "
    "join ADDRESS[:PORT] FINGERPRINT {USER | by-key} [OWN-ADDRESS [OWN-PORT]] | "
    "addgroup NAME | setgroup MACHINE GROUP | renamegroup OLD NEW | deletegroup NAME | removemachine MACHINE yes | "
    "setname NAME | list | listdetail | connstatus | disconnect MACHINE | reconnect MACHINE | "
    "prepjoin {print | list | new KEY | delete NUMBER}]"
)
_ALONE = """Do you want to join or create a cluster?
1. No, configure as standalone.
2. Create a new cluster.
3. Join an existing cluster over SSH.
[1]>"""
_MENU = """Choose the operation you want to perform:
- ADDGROUP - Add a cluster group.
- SETGROUP - Set the group that machines are a member of.
- RENAMEGROUP - Rename a cluster group.
- DELETEGROUP - Remove a cluster group.
- REMOVEMACHINE - Remove a machine from the cluster.
- SETNAME - Set the cluster name.
- LIST - List the machines in the cluster.
- LISTDETAIL - List the machines in the cluster with detail.
- DISCONNECT - Temporarily detach machines from the cluster.
- RECONNECT - Restore connections with machines that were previously detached.
- CONNSTATUS - Show the status of connections between machines in the cluster.
- PREPJOIN - Prepare the addition of a new machine by its key.
[]>"""
Act = Callable[[Call], Coroutine[Any, Any, "int | None"]]


@verb("clusterconfig", Permission.ADMINISTER, places=GATEWAY, usage=_USAGE)
async def clusterconfig(call: Call) -> int | None:
    """Make, join or leave a cluster of gateways, and manage its machines and groups.

    `join` asks for the pass phrase of an administrator of a machine in the cluster, and for a code when there is a
    second factor; they are used once and kept nowhere. Where none can be given: `prepjoin print` here, `prepjoin new`
    there, then `join ... by-key`. `removemachine` of this machine leaves the cluster; its settings stay as they are.
    """
    if call.words:
        act = call.words[0].lower()
    elif await commands.membership(call.desk, call.person) is None:
        answer = await call.talk.ask(_ALONE, "1")
        act = {"2": "create", "3": "join"}.get(answer, "")
        if not act:
            return None
    else:
        known = commands.inside(call.desk)
        call.talk.say(f"Cluster {log_text(known.cluster.name)}\n")
        act = (await call.operation(_MENU)).lower() or "list"
    found = _ACTS.get(act)
    if found is None:
        raise Usage(f"{act!a} is not known; there are: {', '.join(name for name in _ACTS if name != 'admit')}")
    try:
        return await found(call)
    except ClusterRefused as error:
        raise CommandRefused(Why.CONFLICT, str(error)) from error


# --- in and out
async def _create(call: Call) -> None:
    name = await call.word(1, "Enter the name of the new cluster.")
    usual = call.desk.clustered().usual_address()
    address = call.words[2] if len(call.words) > 2 else usual
    if len(call.words) < 2:
        address = (
            await call.talk.ask("By which address do other machines reach the SSH port of this one?", usual) or usual
        )
    await commands.create(call.desk, call.person, name, address=address, port=_port(call, 3))
    call.talk.say(f"New cluster committed: {log_text(name)}. Its first group is Main_Group.")


async def _join(call: Call) -> int | None:
    where = await call.word(1, "Enter the address of a machine in the cluster.")
    host, colon, port = where.rpartition(":")
    address, number = (host.strip("[]"), port) if colon and port.isdigit() else (where.strip("[]"), str(SSH_PORT))
    shown = await commands.contact(call.desk, call.person, address, int(number))
    if len(call.words) > 2:
        if call.words[2] != shown.fingerprint:
            call.talk.complain(f"It shows the host key {shown.fingerprint}, not {log_text(call.words[2])}.")
            return FAILED
    else:
        call.talk.say(f"{log_text(where)} shows the host key {shown.fingerprint} (Ed25519).")
        call.talk.say("There `clusterconfig listdetail` shows the right one.")
        if not await agreed(call, len(call.words) + 9, "Is this the right one?"):
            return FAILED
    user = await call.word(3, "Enter the name of an administrator there, or by-key.", "admin")
    own = call.desk.clustered().contact(call.words[4] if len(call.words) > 4 else "", _port(call, 5))

    async def code() -> str:
        return await call.talk.ask("Code of the second factor:", secret=True)

    if user == "by-key":
        name = await commands.join(call.desk, call.person, shown, own=own)
    else:
        password = await call.talk.ask("Pass phrase:", secret=True)
        name = await commands.join(call.desk, call.person, shown, own=own, user=user, password=password, code=code)
    call.talk.say(f"Joining the cluster was successful: {log_text(name)}.")
    _warn_of_many(call)
    return None


async def _admit(call: Call) -> None:
    """What a machine that joins runs here, as an administrator."""
    call.talk.say(await commands.admit(call.desk, call.person, await call.word(1, "Word of the machine:")))


async def _removemachine(call: Call) -> int | None:
    known = commands.inside(call.desk)
    member = known.cluster.member_named(await call.word(1, "Enter the name of the machine to remove."))
    mine = member.ident == known.ident
    question = "Leave the cluster?" if mine else f"Remove {log_text(member.name)} from the cluster?"
    if not await agreed(call, 2, question):
        return FAILED
    if mine:
        await commands.leave(call.desk, call.person)
        call.talk.say("This machine is in no cluster any more. Its settings are as they were.")
    else:
        what = f"remove {member.name}"
        await commands.change(call.desk, call.person, what, lambda c: c.without_member(member))
        call.talk.say(f"{log_text(member.name)} removed from the cluster; it hears of it when it is reached.")
    return None


async def _prepjoin(call: Call) -> None:
    act = (await call.word(1, "Choose: PRINT, LIST, NEW, DELETE", "list")).lower()
    clusters = call.desk.clustered()
    if act == "print":
        call.talk.say(clusters.contact("", 0).client_key)
        return
    known = commands.inside(call.desk).cluster
    keys = list(known.prepared().items())
    if act == "list":
        call.give(
            [key for _, key in keys], lambda: "\n".join(f"{n}. {k}" for n, (_, k) in enumerate(keys, 1)) or "No keys."
        )
    elif act == "new":
        words = " ".join(call.words[2:]) or await call.talk.ask(
            "Paste what `clusterconfig prepjoin print` shows there:"
        )
        parts = words.split()
        if len(parts) < 2 or parts[0] != "ssh-ed25519":
            raise Usage("the key is the line that `clusterconfig prepjoin print` shows there")
        key, author = " ".join(parts[:2]), clusters.author(call.person.name)
        await commands.change(call.desk, call.person, "let a key join", lambda c: c.with_prepared(key, author))
        call.talk.say("The machine with this key may join: there `clusterconfig join ... by-key`.")
    elif act == "delete":
        number = await call.word(2, "Enter the number of the key.")
        if not number.isascii() or not number.isdigit() or not 0 < int(number) <= len(keys):
            raise Usage(f"there is no key {number!a}")
        ident = keys[int(number) - 1][0]
        await commands.change(call.desk, call.person, "let a key join no more", lambda c: c.without_prepared(ident))
        call.talk.say("Deleted.")
    else:
        raise Usage(f"{act!a} is not known; there are: print, list, new, delete")


# --- groups and names
async def _addgroup(call: Call) -> None:
    name, author = await call.word(1, "Enter the name of the new group."), _author(call)
    await commands.change(call.desk, call.person, f"add group {name}", lambda c: c.with_group(name, author))
    call.talk.say(f"Cluster group {log_text(name)} created.")


async def _setgroup(call: Call) -> None:
    known, author = commands.inside(call.desk).cluster, _author(call)
    member = known.member_named(await call.word(1, "Enter the name of the machine."))
    names = ", ".join(group.name for group in known.groups())
    group = known.group_named(await call.word(2, f"Enter its group: {names}."))
    what = f"set group of {member.name} to {group.name}"
    await commands.change(call.desk, call.person, what, lambda c: c.with_member_in(member, group, author))
    call.talk.say(f"{log_text(member.name)} set to group {log_text(group.name)}.")


async def _renamegroup(call: Call) -> None:
    known, author = commands.inside(call.desk).cluster, _author(call)
    group = known.group_named(await call.word(1, "Which group do you wish to rename?"))
    name = await call.word(2, "Enter the new name of the group.")
    what = f"rename group {group.name} to {name}"
    await commands.change(call.desk, call.person, what, lambda c: c.with_group_renamed(group, name, author))
    call.talk.say(f"Group {log_text(group.name)} renamed to {log_text(name)}.")


async def _deletegroup(call: Call) -> None:
    group = commands.inside(call.desk).cluster.group_named(await call.word(1, "Which group do you wish to delete?"))
    await commands.change(call.desk, call.person, f"delete group {group.name}", lambda c: c.without_group(group))
    call.talk.say(f"Group {log_text(group.name)} removed.")


async def _setname(call: Call) -> None:
    name, author = await call.word(1, "Enter the new name of the cluster."), _author(call)
    await commands.change(call.desk, call.person, f"set name {name}", lambda c: c.with_name(name, author))
    call.talk.say(f"Cluster name set to {log_text(name)}.")


# --- looking
async def _list(call: Call) -> None:
    _show(call, detail=False)


async def _listdetail(call: Call) -> None:
    _show(call, detail=True)


def _show(call: Call, *, detail: bool) -> None:
    cluster = commands.inside(call.desk).cluster
    rows, lines = [], [f"Cluster {log_text(cluster.name)}", "=" * (8 + len(cluster.name))]
    for group in cluster.groups():
        lines.append(f"Group {log_text(group.name)}:")
        for m in cluster.members():
            if m.group != group.ident:
                continue
            lines.append(f"    Machine {log_text(m.name)} (Serial #: {m.contact.serial})")
            row: dict[str, Any] = {"name": m.name, "serial": m.contact.serial, "group": group.name}
            if detail:
                lines.append(f"        SSH: {log_text(m.contact.address)} port {m.contact.port}")
                lines.append(f"        Host key: {host_key_fingerprint(m.contact)}")
                lines.append(f"        Interfaces: {', '.join(map(log_text, m.facts.interfaces)) or 'none'}")
                lines.append(f"        Settings of its own: {', '.join(m.facts.overrides) or 'none'}")
                row |= {
                    "address": m.contact.address,
                    "port": m.contact.port,
                    "version": m.facts.version,
                    "host_key": host_key_fingerprint(m.contact),
                }
                row |= {"interfaces": list(m.facts.interfaces), "overrides": list(m.facts.overrides)}
            rows.append(row)
    call.give({"cluster": cluster.name, "machines": rows}, lambda: "\n".join(lines))


async def _connstatus(call: Call) -> None:
    apart = commands.inside(call.desk).apart
    rows = []
    for member, standing in await commands.standings(call.desk, call.person):
        row = {"name": member.name, "here": standing is None, "disconnected": member.ident in apart}
        if standing is not None:
            row |= {
                "up": standing.up,
                "in_step": standing.in_step,
                "error": standing.error,
                "heard_at": standing.heard_at,
            }
        rows.append(row)
    call.give(rows, lambda: "\n".join(map(_connection, rows)))


def _connection(row: dict[str, Any]) -> str:
    if row["here"]:
        state = "this machine"
    elif row["up"]:
        state = "connected" + (", the same settings" if row["in_step"] else ", settings on their way")
    elif row["up"] is None:
        state = "not tried yet"
    else:
        state = f"NOT REACHED: {log_text(row['error'])}"
    if row["disconnected"]:
        state = "disconnected by an administrator"
    heard = (
        f" (last heard {datetime.fromtimestamp(row['heard_at'] / 1000, UTC):%Y-%m-%d %H:%M:%S} GMT)"
        if row.get("heard_at")
        else ""
    )
    return f"Machine {log_text(row['name'])}: {state}{heard}"


async def _disconnect(call: Call) -> None:
    name = await call.word(1, "Enter the name of the machine to disconnect.", call.desk.name)
    member = await commands.set_apart(call.desk, call.person, name, apart=True)
    call.talk.say(f"{log_text(member.name)} disconnected. It works on; nothing is exchanged until `reconnect`.")


async def _reconnect(call: Call) -> None:
    name = await call.word(1, "Enter the name of the machine to reconnect.", call.desk.name)
    member = await commands.set_apart(call.desk, call.person, name, apart=False)
    call.talk.say(f"{log_text(member.name)} reconnected.")


def _author(call: Call) -> Any:
    return call.desk.clustered().author(call.person.name)


def _port(call: Call, number: int) -> int:
    if number >= len(call.words):
        return 0
    text = call.words[number]
    if not text.isascii() or not text.isdigit():
        raise Usage(f"{text!a} is no port")
    return int(text)


def _warn_of_many(call: Call) -> None:
    count = len(commands.inside(call.desk).cluster.members())
    if count > MEMBERS_WARNED:
        call.talk.say(f"Warning: the cluster has {count} machines; more than {MEMBERS_WARNED} may disturb each other.")


_ACTS: dict[str, Act] = {
    "create": _create,
    "join": _join,
    "admit": _admit,
    "addgroup": _addgroup,
    "setgroup": _setgroup,
    "renamegroup": _renamegroup,
    "deletegroup": _deletegroup,
    "removemachine": _removemachine,
    "setname": _setname,
    "list": _list,
    "listdetail": _listdetail,
    "disconnect": _disconnect,
    "reconnect": _reconnect,
    "connstatus": _connstatus,
    "prepjoin": _prepjoin,
}
