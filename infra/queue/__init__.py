"""The broker: a doorbell that may be lost. Imports none of our other rooms."""
