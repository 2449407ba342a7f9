"""The stage graph: what each stage does, when it must run again, and how a run goes on after a crash."""
