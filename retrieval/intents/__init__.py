"""What a question is about: categories as data, and the classifier over them."""

from retrieval.intents.categories import OTHER, IntentCategory, hosting_categories
from retrieval.intents.classifier import IntentClassifier

__all__ = ["OTHER", "IntentCategory", "IntentClassifier", "hosting_categories"]
