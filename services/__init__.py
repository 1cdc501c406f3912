"""Kube of Thoughts: language models solve problems by searching a tree of thoughts."""
