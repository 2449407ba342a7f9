"""Teachers: where answers come from, and the store that never pays for one twice."""
