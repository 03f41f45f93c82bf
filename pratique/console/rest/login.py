"""/login: credentials in, a token out (docs/rest.md, "Sign-in")."""

from pratique.console.remote.interface import CodeNeeded
from pratique.console.rest.errors import RestError
from pratique.console.rest.request import Answer, Call, answer, from_base64, refusals_told

TITLES = {
    "administrator": "Administrator",
    "email-administrator": "Email Administrator",
    "operator": "Operator",
    "guest": "Guest",
    "helpdesk": "Help Desk User",
    "read-only-operator": "Read-Only Operator",
    "technician": "Technician",
}


async def post(call: Call) -> Answer:
    """Sign in and get a token. A user with a second factor sends `passcode`, too; without it nothing but the need of
    one is told, and that only to who knows the pass phrase."""
    call.query.done()
    data = (await call.body()).get("data")
    if not isinstance(data, dict):
        raise RestError(400, "data is missing.")
    name, passphrase, passcode = (data.get(key) for key in ("userName", "passphrase", "passcode"))
    if not isinstance(name, str) or not isinstance(passphrase, str) or not isinstance(passcode, str | None):
        raise RestError(400, "userName and passphrase must be given, in base64, and passcode where it is needed.")
    credential = from_base64(name), from_base64(passphrase)
    code = from_base64(passcode) if passcode else ""
    try:
        signed = await refusals_told(call.signin.log_in(*credential, call.address, code=code))
    except CodeNeeded as needed:
        return _shown(needed.name, needed.role, "")
    return _shown(signed.person.name, signed.person.role, signed.token)


def _shown(name: str, role: str, token: str) -> Answer:
    shown = {"userName": name, "role": TITLES.get(role, role), "is2FactorRequired": not token}
    return answer({"data": shown | ({"jwtToken": token} if token else {})})
