"""A photo becomes numbers: read ahead, decoded, batched, sent through a network.

The networks are ONNX files, each with a card that says how to feed it. No Spark.
"""

from verger.embed.backbone import Backbone, Network, open_backbone, preload
from verger.embed.card import Card, InputSpec

__all__ = ["Backbone", "Card", "InputSpec", "Network", "open_backbone", "preload"]
