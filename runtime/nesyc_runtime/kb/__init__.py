"""The knowledge base at run time: storage, evaluation, queries, explanations, retrieval."""
