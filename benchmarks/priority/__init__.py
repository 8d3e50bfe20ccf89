"""How long urgent orders take while bulk orders wait before every step: on our broker and on Dramatiq's."""
