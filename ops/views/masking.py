"""Personal data as a person on call may see it: enough to recognise, not enough to use."""

_PREFIX_DIGITS = 3


def mask_name(name: str) -> str:
    """``张三丰`` as ``张*``: the length is hidden too. A name of one character is hidden whole."""
    plain = name.strip()
    return f"{plain[0]}*" if len(plain) > 1 else "*" * len(plain)


def mask_phone(phone: str) -> str:
    """``13812345678`` as ``138********``: the leading digits say the network or area, the rest is hidden.

    A number too short to have anything to spare is hidden whole.
    """
    plain = phone.strip()
    shown = _PREFIX_DIGITS if len(plain) > 2 * _PREFIX_DIGITS else 0
    return plain[:shown] + "*" * (len(plain) - shown)
