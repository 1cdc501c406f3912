from enum import StrEnum
class PromptStyle(StrEnum):
    BARE = "bare"
    FEW_SHOT = "few_shot"
