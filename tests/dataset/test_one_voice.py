"""A detector for one person, from twenty recordings of one voice to its evaluation, by the command line."""

import json

import numpy as np

from tests.cli.test_command_line import answer, call
from tests.tiny import clip_of, tiny_config, write_wav
from trainer.config import saved_configs
from trainer.run.documents import Request
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace

TOLD = (
    "All positives are from one speaker (me). They are split by recording, so validation and test measure only this "
    "voice."
)


def test_twenty_recordings_of_one_voice_are_split_trained_and_evaluated(tmp_path):
    workspace, rng = Workspace(tmp_path), np.random.default_rng(0)
    for number in range(20):
        write_wav(workspace.raw / f"positive/me/{number}.wav", clip_of(rng, rng.uniform(540, 660)))
        write_wav(workspace.raw / f"negative/voice{number % 6}/{number}.wav", clip_of(rng, rng.uniform(1300, 1700)))
    answer(workspace, "scan")
    parts = answer(workspace, "split")
    assert parts["by_recording"] == {"positive": ["me"]} and parts["groups_in_two_splits"] == 0
    assert parts["warnings"][0].startswith(TOLD)
    saved_configs.save(workspace, "tiny", tiny_config(epochs=2))
    assert any(each.startswith(TOLD) for each in answer(workspace, "validate", "tiny")["warnings"])
    done = call(workspace, "train", "tiny", "--wait", "--json")
    status = json.loads(done.stdout)
    assert done.returncode == 0 and status["state"] == "completed" and f"Warning: {TOLD}" in done.stderr
    request = durable.read_document(Request, Run(workspace.runs / status["run"]).request_file)
    assert request.warnings[0].startswith(TOLD), "the run keeps what its figures measure"
    document = answer(workspace, "evaluate", "latest")
    assert document["words"] > 0 and document["notes"][0].startswith(TOLD) and not document["left_out"]
