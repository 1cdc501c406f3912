"""Write trained weights for llama.cpp (GGUF) and for transformers and vLLM: `python -m models.export`."""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.model import ModelConfig
from models.tokenizer import BOS, EOS, PAD, SPECIAL, Tokenizer

MODELS = Path(__file__).parent

# The names of llama.cpp for the matrices of a block.
_GGUF_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def export_hf(weights: dict[str, Tensor], sizes: ModelConfig, folder: Path) -> None:
    """Write the files that transformers and vLLM read; weights in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: w.half() for name, w in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    Tokenizer().save(folder / "tokenizer.json")
    special = dict(zip(("bos_token", "eos_token", "pad_token"), SPECIAL, strict=True))
    ids = {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": sizes.vocab_size,
        "hidden_size": sizes.width,
        "intermediate_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.heads,
        "head_dim": sizes.width // sizes.heads,
        "max_position_embeddings": sizes.positions,
        "rms_norm_eps": sizes.norm_epsilon,
        "rope_theta": sizes.rope_theta,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "torch_dtype": "float16",
        **ids,
    }
    sampling = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0, **ids}
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": sizes.positions, **special}
    for name, content in (("config", config), ("generation_config", sampling), ("tokenizer_config", tokenizer)):
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")


def export_gguf(weights: dict[str, Tensor], sizes: ModelConfig, path: Path) -> None:
    """Write one file for llama.cpp: matrices in float16, norms in float32, the tokenizer inside."""
    tokenizer = Tokenizer()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Kube of Thoughts thought model")
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_vocab_size(sizes.vocab_size)
    writer.add_context_length(sizes.positions)
    writer.add_embedding_length(sizes.width)
    writer.add_feed_forward_length(sizes.hidden)
    writer.add_block_count(sizes.layers)
    writer.add_head_count(sizes.heads)
    writer.add_head_count_kv(sizes.heads)
    writer.add_rope_dimension_count(sizes.width // sizes.heads)
    writer.add_rope_freq_base(sizes.rope_theta)
    writer.add_layer_norm_rms_eps(sizes.norm_epsilon)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokenizer.tokens)
    kinds = [gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * (len(tokenizer.tokens) - len(SPECIAL))
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in tokenizer.merges])
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_pad_token_id(PAD)
    writer.add_add_bos_token(value=False)
    writer.add_add_eos_token(value=False)
    for name, weight in weights.items():
        array = weight.float().numpy()
        if "q_proj" in name or "k_proj" in name:
            array = _interleave(array, sizes.heads)
        writer.add_tensor(_gguf_name(name), array.astype(np.float16) if array.ndim == 2 else array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _interleave(matrix: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp rotates neighbouring rows (0, 1), transformers rows half a head apart: reorder one to the other."""
    rows, columns = matrix.shape
    return matrix.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _gguf_name(name: str) -> str:
    fixed = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if name in fixed:
        return fixed[name]
    layer, part = name.removeprefix("model.layers.").removesuffix(".weight").split(".", 1)
    return f"blk.{layer}.{_GGUF_NAMES[part]}.weight"


def read_run(path: Path) -> tuple[dict[str, Tensor], ModelConfig]:
    """Read the weights and sizes that `models.train` wrote."""
    with safe_open(path, framework="pt") as file:
        weights: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return weights, ModelConfig(**json.loads(file.metadata()["model"]))


def main() -> None:
    """Export one run, by default to the places of the shipped weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=MODELS / "runs" / "thought-model.safetensors")
    parser.add_argument("--out", type=Path, default=MODELS, help="folder that gets thought-model.gguf and hf/")
    arguments = parser.parse_args()
    weights, sizes = read_run(arguments.run)
    arguments.out.mkdir(parents=True, exist_ok=True)
    export_gguf(weights, sizes, arguments.out / "thought-model.gguf")
    export_hf(weights, sizes, arguments.out / "hf")


if __name__ == "__main__":
    main()
