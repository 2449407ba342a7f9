"""Rules as they stand in source files: read out of a teacher's answer, written beside a person's, decided on.

Everything here is from text to text. What a person wrote stays as it is, byte for byte, but for the annotation or the
rule that a call is about.
"""
