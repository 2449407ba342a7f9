"""`nesyc docs`: a spec as one HTML page that needs nothing else."""

from nesyc.docs.entries import Entry, Section, sections_of
from nesyc.docs.page import docs_json, docs_page

__all__ = ["Entry", "Section", "docs_json", "docs_page", "sections_of"]
