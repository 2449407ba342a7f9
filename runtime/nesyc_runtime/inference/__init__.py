"""How text goes into a student and what comes back is read: prompts, token ids, decoding, answers."""
