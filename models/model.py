"""A small Llama in plain PyTorch.

Parameters carry the names of transformers' `LlamaForCausalLM`, so that the state dict is the checkpoint.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the network. The default is the shipped model."""

    vocab_size: int
    width: int = 128
    layers: int = 6
    heads: int = 4
    hidden: int = 352
    """Width inside the feed-forward layers."""
    positions: int = 2048
    rope_theta: float = 10_000.0
    norm_epsilon: float = 1e-5


def rope(length: int, config: ModelConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the cosines and sines of the rotary position embedding (Su et al. 2021), each (length, head width)."""
    width = config.width // config.heads
    frequency = config.rope_theta ** -(torch.arange(0, width, 2, device=device) / width)
    angle = torch.outer(torch.arange(length, device=device), frequency).repeat(1, 2)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn queries or keys (batch, heads, length, head width) by their position."""
    a, b = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-b, a), dim=-1) * sin).to(x.dtype)


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.q_proj = nn.Linear(config.width, config.width, bias=False)
        self.k_proj = nn.Linear(config.width, config.width, bias=False)
        self.v_proj = nn.Linear(config.width, config.width, bias=False)
        self.o_proj = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Mix what earlier positions hold, (batch, length, width)."""
        q, k, v = (
            proj(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        y = functional.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True)
        mixed: Tensor = self.o_proj(y.transpose(1, 2).flatten(-2))
        return mixed


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.hidden, bias=False)
        self.up_proj = nn.Linear(config.width, config.hidden, bias=False)
        self.down_proj = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position, (batch, length, width)."""
        y: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return y


class Block(nn.Module):
    """Attention, then feed-forward, each behind a norm and added to the stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.width, eps=config.norm_epsilon)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.width, eps=config.norm_epsilon)
        self.mlp = FeedForward(config)
        self.dropout = nn.Dropout(0.0)  # set by the training alone

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Pass the stream on, (batch, length, width)."""
        x = x + self.dropout(self.self_attn(self.input_layernorm(x), cos, sin))
        y: Tensor = x + self.dropout(self.mlp(self.post_attention_layernorm(x)))
        return y


class Decoder(nn.Module):
    """Embeddings, blocks and the last norm."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.width)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, eps=config.norm_epsilon)


class ThoughtModel(nn.Module):
    """Tokens (batch, length) to logits (batch, length, vocabulary); input and output embeddings are tied."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(weight, std=0.02 / sqrt(2 * config.layers) if residual else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Predict the next token at every position."""
        cos, sin = rope(tokens.shape[1], self.config, tokens.device)
        x = self.model.embed_tokens(tokens)
        for block in self.model.layers:
            x = block(x, cos, sin)
        return functional.linear(self.model.norm(x), self.model.embed_tokens.weight)
