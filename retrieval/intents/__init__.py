"""What a question is about: categories as data, and the classifier over them."""

from retrieval.intents.categories import OTHER, IntentCategory, hosting_categories
from retrieval.intents.classifier import IntentClassifier, LabelledText, texts_of

__all__ = ["OTHER", "IntentCategory", "IntentClassifier", "LabelledText", "hosting_categories", "texts_of"]
