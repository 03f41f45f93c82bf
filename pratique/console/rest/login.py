"""/login: credentials in, a token out (docs/rest.md, "Sign-in")."""

from pratique.console.rest.errors import RestError
from pratique.console.rest.request import Answer, Call, answer, from_base64, with_password

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
    """Sign in and get a token."""
    call.query.done()
    data = (await call.body()).get("data")
    if not isinstance(data, dict):
        raise RestError(400, "data is missing.")
    name, passphrase = data.get("userName"), data.get("passphrase")
    if not isinstance(name, str) or not isinstance(passphrase, str):
        raise RestError(400, "userName and passphrase must be given, in base64.")
    signed = await with_password(call.signin.log_in, from_base64(name), from_base64(passphrase), call.address)
    person = signed.person
    return answer(
        {
            "data": {
                "userName": person.name,
                "role": TITLES.get(person.role, person.role),
                "is2FactorRequired": False,
                "jwtToken": signed.token,
            }
        }
    )
