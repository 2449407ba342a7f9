"""The knowledge base as files of other tools, and edited files brought back."""
