"""The language server: what `nesyc lsp` speaks to an editor. Needs the extra `lsp` (pygls)."""
