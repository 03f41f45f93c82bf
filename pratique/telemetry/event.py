"""What every event of the mail log has: a level, the copy's id where one is concerned, and the text of its line."""

from abc import abstractmethod
from typing import Any, ClassVar

import msgspec


class Event(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, kw_only=True):
    """Abstract: a class of events without a text of its own is refused where it is defined. (ABCMeta would do the same,
    and would make each event three times as dear.)"""

    level: ClassVar[str] = "Info"
    cid: str = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.text is Event.text:
            raise TypeError(f"the event {cls.__name__} has no text")

    @abstractmethod
    def text(self) -> str:
        """The line's text. What came from mail has gone through `mail.text.log_text`."""


def rid_list(rids: tuple[int, ...]) -> str:
    return "[" + ", ".join(map(str, rids)) + "]"
