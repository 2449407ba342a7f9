"""ctrl-C and SIGTERM at any moment of a run: it says so, writes what is done, and ends with 130."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SPEC = """nesy 1
dataset sums {
  row (id: text key, question: text, label: int)
  split train = generate("sums:rows", n = 8, seed = 1)
}
teacher tutor { endpoint = program("sums:teach") }
student small {
  base           = scratch(layers = 1, width = 16, heads = 2, tokenizer = .characters)
  adapter        = .full
  max_tokens     = 128
  max_new_tokens = 8
}
task add on sums {
  input  (question: text)
  output (reasoning: text, answer: int)
  prompt = "{question}"
  parse  answer   = after_last("=") as int
  metric accuracy = mean(answer == label)
}
pipeline std for add {
  stage cot   = sample(teacher = tutor, data = sums.train)
  stage final = finetune(student = small, data = cot, epochs = 20000)
}
"""
PROGRAM = """
import time

def rows(n, seed):
    return [{"id": str(i), "question": f"{i} + 1", "label": i + 1} for i in range(n)]

def teach(request):
    if request["row"]["label"] == SLOW:
        print("asked", flush=True)
        time.sleep(600)
    return f"{request['inputs']['question']} = {request['row']['label']}"
"""

# A test run in the background ignores ctrl-C, and its children would with it.
AS_IN_A_TERMINAL = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from nesyc.cli import main; main()"
)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["asking", "training"])
def test_a_signal_ends_a_run_in_order(tmp_path: Path, where: str, sent: signal.Signals) -> None:
    (tmp_path / "sums.nesy").write_text(SPEC)
    (tmp_path / "sums.py").write_text(f"SLOW = {4 if where == 'asking' else None}\n{PROGRAM}")
    command = [sys.executable, "-c", AS_IN_A_TERMINAL, "run", "sums.nesy", "--json"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            if where == "asking":
                assert process.stdout.readline() == "asked\n"
            else:
                assert any(re.match(r"final: \d+%", line) for line in process.stderr), "it trains"
            process.send_signal(sent)
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()  # one that the signal did not end would train for hours
    results = json.loads(out)
    assert process.returncode == 130, err
    assert results["status"] == "stopped"
    assert results["error"]["message"] == "interrupted"
    assert [stage["name"] for stage in results["stages"]] == ([] if where == "asking" else ["cot"])
    assert err.rstrip().endswith("the same command continues where it stopped")
    assert (
        json.loads((tmp_path / "runs" / results["run"] / "results.json").read_text())["status"] == "stopped"
    )
