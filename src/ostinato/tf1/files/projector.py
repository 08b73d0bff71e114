"""Private: the file that tells TensorBoard which embeddings to show."""

import os
from typing import Any

from ...errors import InputError
from .protobuf import declare
from .text_format import to_text

__all__ = ["EmbeddingInfo", "ProjectorConfig", "SpriteMetadata", "visualize_embeddings"]

_MESSAGES = declare("""
SpriteMetadata: image_path=1:string single_image_dim=2*:uint32
EmbeddingInfo: tensor_name=1:string metadata_path=2:string bookmarks_path=3:string \
tensor_shape=4*:uint32 sprite=5:SpriteMetadata tensor_path=6:string
ProjectorConfig: model_checkpoint_path=1:string embeddings=2*:EmbeddingInfo \
model_checkpoint_dir=3:string
""")

EmbeddingInfo = _MESSAGES["EmbeddingInfo"]
ProjectorConfig = _MESSAGES["ProjectorConfig"]
SpriteMetadata = _MESSAGES["SpriteMetadata"]


def visualize_embeddings(summary_writer: Any, config: Any) -> None:
    """Write `projector_config.pbtxt` into the folder of a writer's event files.

    Args:
        summary_writer: A `tf.summary.FileWriter`.
        config: A `ProjectorConfig`.
    """
    if not hasattr(summary_writer, "get_logdir"):
        raise InputError(
            f"visualize_embeddings(summary_writer={summary_writer!r}): give a tf.summary.FileWriter"
        )
    with open(os.path.join(summary_writer.get_logdir(), "projector_config.pbtxt"), "w") as file:
        file.write(to_text(config))
