"""Speed, measured: each figure beside a named peer or bar in the same run, with the machine's load printed.

`python -m bench` runs every module of this package that has a `run()`; `python -m bench NAME ...` runs some.
"""
