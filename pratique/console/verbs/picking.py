"""The dialogue "by host, by sender, or all" that the verbs of the queues begin with; its answers may be words."""

from pratique.console.commands.recipients import By, Pick
from pratique.console.verbs.verb import Call, Usage

_CHOICES = {"1": By.HOST, "2": By.SENDER, "3": By.ALL, "host": By.HOST, "sender": By.SENDER, "all": By.ALL}
_QUESTIONS = {
    By.HOST: "Please enter the hostname for the messages you wish to {do}.\n[]>",
    By.SENDER: "Please enter the Envelope From address for the messages you wish to {do}.\n[]>",
}


async def picked(call: Call, do: str) -> tuple[Pick, int]:
    """What is meant, and how many words said it. `do`: "show", "delete"; raises Usage, NoAnswer, CommandRefused."""
    word = await call.word(0, _MENU.format(do=do), "1")
    by = _CHOICES.get(word.lower())
    if by is None and "@" in word:
        return Pick.of(By.SENDER, word), 1
    if by is None and "." in word:
        return Pick.of(By.HOST, word), 1
    if by is None:
        raise Usage("say host HOST, sender ADDRESS, or all")
    if by is By.ALL:
        return Pick.of(by, ""), 1
    return Pick.of(by, await call.word(1, _QUESTIONS[by].format(do=do))), 2


_MENU = """Please choose how you would like to {do} messages:
1. By recipient host.
2. By Envelope From address.
3. All.
[1]>"""
