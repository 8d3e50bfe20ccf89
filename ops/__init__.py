"""What a person may do and see. Verbs and views return values; faces print them."""
