"""The broker of bells (messages that may be lost). Imports none of our other packages."""
