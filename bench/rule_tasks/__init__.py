"""What `bench/rules.py` measures: rule programs with their facts, and the same work as peers do it."""
