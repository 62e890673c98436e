"""Embeddings and retrievers: what finds texts for a program, asked, cached, metered and told like a model."""

from dspex.retrieve.bm25 import BM25
from dspex.retrieve.embedder import Embedder
from dspex.retrieve.http import ColBERTv2, HTTPRetriever
from dspex.retrieve.retrieve import Retrieve
from dspex.retrieve.retriever import Retriever
from dspex.retrieve.vectors import Embeddings, EmbeddingsWithScores

__all__ = [
    "BM25",
    "ColBERTv2",
    "Embedder",
    "Embeddings",
    "EmbeddingsWithScores",
    "HTTPRetriever",
    "Retrieve",
    "Retriever",
]
