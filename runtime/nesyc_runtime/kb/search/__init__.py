"""What a knowledge base gives a question: by words and by meaning, filtered, merged and cut to size."""
