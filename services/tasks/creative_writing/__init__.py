"""Creative writing: four paragraphs that end with four given sentences (Yao et al. 2023, section 4.2)."""

from services.tasks.creative_writing.task import CreativeWriting

TASK = CreativeWriting()
