"""Passwords are kept as argon2id, with what RFC 9106 recommends where memory is scarce. The only home of argon2 and zxcvbn."""

from collections.abc import Iterable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from escalation.errors import UsageError
from workflows.sentence import say

#: ASVS 5, 6.2: twelve characters or more, any characters, and no rules of composition.
SHORTEST, LONGEST = 12, 200
#: How hard a password must be to guess, of zxcvbn's 0 to 4; it knows those that leaked most, names, dates and rows of keys.
STRONG = 3
#: What everybody here would try first, besides login and name.
OURS = ("escalation", "heilongjiang", "longjiang", "zhuanban", "tiji", "wenti", "xiangmu", "coordinator")
#: So much of a password is judged: what is longer is not guessed anyway.
JUDGED = 72
_HASHER = PasswordHasher()
#: What a login that nobody has is checked against, so that it takes as long as one that somebody has.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$bVfqyxnsAmkMcUFQ+Hq2Cw$usKPj2qZeSFOEImb0ulcvhMwn1a7AtuQI8377ytuPAM"


class WeakPassword(UsageError):
    """The password would be guessed."""

    code = "weak_password"


def refuse_weak(password: str, about: Iterable[str] = ()) -> None:
    """Raises WeakPassword for one that leaked, or is made of words about its user or this program; `hashed` minds its length."""
    from zxcvbn import zxcvbn  # noqa: PLC0415  # its lists take half a second, and only a new password needs them

    if len(password) >= SHORTEST and zxcvbn(password[:JUDGED], [*OURS, *about])["score"] < STRONG:
        raise WeakPassword("this password is easy to guess", "a sentence of your own is easy to remember and hard to guess")


def hashed(password: str) -> str:
    """The hash of a new password. Raises UsageError when it is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise UsageError(
            say("a password has {shortest} to {longest} characters", shortest=SHORTEST, longest=LONGEST),
            "a sentence is easy to remember and hard to guess",
        )
    return _HASHER.hash(password)


def fits(password: str, kept: str) -> bool:
    """Is this the password behind a hash? Takes as long for "" (nobody, or no password) and answers no."""
    try:
        return _HASHER.verify(kept or _NOBODY, password[: LONGEST + 1]) and bool(kept)
    except (VerificationError, InvalidHashError):
        return False


def is_old(kept: str) -> bool:
    """Was it hashed at a lower cost than today's?"""
    return _HASHER.check_needs_rehash(kept)
