"""Calls that end without an answer."""


class AnswerLostError(Exception):
    """The connection ends without an answer: the call was carried out, or not, and nobody hears how."""
