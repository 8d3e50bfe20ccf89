"""What a person may look at: values without sentences, read in one go."""
