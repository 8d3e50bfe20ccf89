"""The type of passwords, keys and addresses with passwords in them."""

import hmac
from typing import NoReturn, Self


class Secret:
    """A text that shows itself only where the code asks for it by name, with `reveal`.

    This is no `str`: joining, encoding, iterating and every serializer raise TypeError instead of using the plain
    value. A secret that is empty is false, and means that there is none.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The plain value, for the one place that signs or connects with it."""
        return self.__value

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        # A width in `spec` would be harmless, but a caller that asks for digits or characters would not be told.
        return "***"

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is never pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret has no state to give away")
