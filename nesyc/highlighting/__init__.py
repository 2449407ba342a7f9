"""Colour for .nesy text: a Pygments lexer for docs, a TextMate grammar for editors, both from the grammar's words."""
