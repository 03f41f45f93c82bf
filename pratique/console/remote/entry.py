"""The sign-in of the REST API in the process that has the store: pass phrase, and the second factor of who has one."""

from dataclasses import dataclass

from pratique.console.access.signin import SignedIn, SignIn
from pratique.console.commands.credentials import has_code, take_code
from pratique.console.commands.desk import Desk
from pratique.console.remote.interface import CodeNeeded


@dataclass(frozen=True, slots=True)
class LocalEntry:
    """As interface.Entry."""

    desk: Desk
    signin: SignIn

    async def by_password(self, name: str, password: str, address: str) -> SignedIn:
        signed = await self.signin.by_password(name, password, address)
        if has_code(self.desk, signed.person.name):
            raise CodeNeeded(signed.person.name, signed.person.role)
        return signed

    async def log_in(self, name: str, password: str, address: str, *, code: str = "") -> SignedIn:
        person = (await self.signin.by_password(name, password, address)).person
        if has_code(self.desk, person.name):
            if not code:
                raise CodeNeeded(person.name, person.role)
            await self.signin.by_code(person.name, address, lambda: take_code(self.desk, person.name, code))
        return await self.signin.log_in(name, password, address)

    async def by_token(self, token: str) -> SignedIn:
        return await self.signin.by_token(token)
