"""Where the facts of a KB come from: its text, and files of every form it can load."""
