"""A revision says which weights answer: caches give the answers of one to nobody else."""

from types import SimpleNamespace

from services.adapters.llm import _changed, create_model, embedded, vllm
from services.settings import ModelSettings

MIB = 2**20


def folder(path, weights, config="{}"):
    """A model in Hugging Face's format, as far as its revision goes."""
    path.mkdir()
    (path / "config.json").write_text(config)
    (path / "model.safetensors").write_bytes(weights)
    return vllm._revision(str(path), None)


def test_vllm_reads_pieces_of_all_of_the_weights(tmp_path):
    zeros = bytes(8 * MIB)
    same = {folder(tmp_path / name, zeros) for name in ("a", "b")}
    # Training changes nearly every number, but perhaps of some layers only.
    changed = [
        folder(tmp_path / f"changed at {first}", zeros[:first] + b"\1" * MIB + zeros[first + MIB :])
        for first in range(0, 8 * MIB, MIB)
    ]
    longer = folder(tmp_path / "longer", zeros + b"\0")
    configured = folder(tmp_path / "configured", zeros, config='{"rope_theta": 1}')
    assert len(same) == 1
    assert len({*same, *changed, longer, configured}) == 1 + len(changed) + 2


def test_vllm_reads_small_weights_whole(tmp_path):
    assert folder(tmp_path / "a", b"one") != folder(tmp_path / "b", b"two")
    assert folder(tmp_path / "c", b"") != folder(tmp_path / "d", b"1")


def test_vllm_takes_the_commit_of_a_hub():
    engine = SimpleNamespace(model_config=SimpleNamespace(hf_config=SimpleNamespace(_commit_hash="abc")))
    assert vllm._revision("owner/name", engine) == "abc"


def test_the_embedded_model_is_told_by_all_of_its_file(tmp_path):
    weights = [tmp_path / name for name in ("a.gguf", "b.gguf", "c.gguf")]
    for path, content in zip(weights, (b"one", b"one", b"two"), strict=True):
        path.write_bytes(content)
    one, same, other = map(embedded._digest, weights)
    assert one == same != other


def test_what_is_packed_is_told_from_what_is_not():
    settings = ModelSettings(model="scripted", models={"packed": {"pack_requests": 4}})
    bare, packed = create_model(settings), create_model(_changed(settings, "packed"))
    assert bare.name == packed.name
    assert bare.revision
    assert packed.revision not in {"", bare.revision}
