"""What a process writes about itself: log lines, safe for any terminal."""
