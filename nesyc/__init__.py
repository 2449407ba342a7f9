"""nesyc: a declarative language and compiler for neuro-symbolic distillation."""

__version__ = "0.1.0"
