"""The hands: what a person may do, each verb with its faces. Verbs return values; faces print them."""
