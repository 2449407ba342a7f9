"""The knowledge base at run time.

From the bottom up, each importing only what stands before it: `storage` (the file, its rows, their history), `rules` (derived
relations, queries), `proofs` (why and why not), `search` (what a question is given), `review` (proposals, decisions, the past),
`exchange` (files of other tools), `sources` (facts from files and databases), `open` (the KBs of a project).
"""
