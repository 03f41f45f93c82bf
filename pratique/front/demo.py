"""`pratique demo`: the whole system on loopback, with sample mail, for looking at; `--once` proves a cycle and ends."""

import asyncio
import json
import signal
import smtplib
from pathlib import Path

from pratique.front import demo_cycle, demo_world, sample
from pratique.front.demo_world import SMTP_PORT, SSH_PORT, World


async def demo(*, once: bool, mail: Path | None, as_json: bool, directory: Path | None) -> int:
    """Returns the exit code. Raises DemoFailed with the reason and the cure."""
    messages = demo_cycle.read_folder(mail) if mail is not None else sample.samples()
    world = demo_world.new_world(directory, hold_all=once)
    say = demo_cycle.progress(as_json)
    say("starting a manager, two gateways and a destination mail server on loopback ...")
    try:
        await demo_world.start(world)
        if once:
            return await _cycle(world, messages, as_json=as_json)
        await asyncio.to_thread(_send_samples, world, messages)
        _describe(world, as_json=as_json)
        await _until_interrupted()
        return 0
    finally:
        await demo_world.stop(world)


async def _cycle(world: World, messages: list[tuple[str, bytes]], *, as_json: bool) -> int:
    cycle = demo_cycle.Cycle(world, messages, demo_cycle.progress(as_json))
    assert world.destination is not None
    world.destination.hear(cycle.on_message)
    result = await cycle.run()
    if as_json:
        _say(json.dumps(result.to_json()))
    else:
        for refused in result.refused:
            _say(f"refused: {refused['name']}: {refused['reply']}")
        _say(
            f"sent {result.sent}, held {result.held}, released {result.released}, delivered {result.delivered}, "
            f"identical {result.identical}, lost {result.lost}, doubled {result.doubled}, changed {result.changed}, "
            f"refused {len(result.refused)}, in {result.seconds} s"
        )
        _say("Everything came back, once, octet for octet." if result.good else "THE CYCLE FAILED.")
    return 0 if result.good else 1


def _send_samples(world: World, messages: list[tuple[str, bytes]]) -> None:
    for number, (_, octets) in enumerate(messages):
        gateway = world.gateways[number % len(world.gateways)]
        with smtplib.SMTP(gateway.address, SMTP_PORT, local_hostname="demo.example") as client:
            client.sendmail("sender@partner.example", ["reader@demo.example"], demo_cycle.as_sent(octets))


def _describe(world: World, *, as_json: bool) -> None:
    if as_json:
        _say(json.dumps(world.described()))
        return
    manager = world.manager
    assert world.destination is not None
    _say("\nPratique runs. Sample mail was sent: one message passed, the others wait at the manager.\n")
    for member in world.members:
        smtp = f"  SMTP {member.address}:{SMTP_PORT}" if member.role == "gateway" else ""
        _say(f"  {member.role:8} {member.name:18} REST https://{member.address}:8443{smtp}")
        _say(f"           sign-in {member.user} / {member.password}   files {member.directory}")
    _say(f"  destination mail server {world.destination_address}:{SMTP_PORT}   mail: {world.destination.folder}\n")
    command = f"pratique list {manager.directory}"
    _say(f"Look:     .venv/bin/{command}")
    _say(f"Release:  .venv/bin/pratique release {manager.directory} 1")
    shell = f"ssh -p {SSH_PORT} {manager.user}@{manager.address}"
    _say(f"Operate:  {shell} help   (any of the three; or .venv/bin/pratique shell {manager.directory})")
    _say(f"Log:      less {manager.directory}/log/mail.current")
    _say("Stop with Ctrl-C.")


async def _until_interrupted() -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
