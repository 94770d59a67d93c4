"""What the desk writes around a quoted passage, in the languages it writes in by itself."""

from __future__ import annotations

from dataclasses import dataclass

_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class LetterFrame:
    """One letter's own words; `{name}` stands for the customer."""

    greeting: str
    greeting_without_name: str
    introduction: str
    closing: str
    supplement: str
    """What leads from an answer to a quote about the rest of a question."""
    by_first_name: bool = False
    """Whether a stranger is politely greeted by the first name alone."""

    def greet(self, customer_name: str) -> str:
        """An address or a number instead of a name is no way to greet anybody."""
        words = customer_name.split()
        is_name = bool(words) and not any(sign.isdigit() or sign in "@/<>" for sign in customer_name)
        if not is_name or len(customer_name) > _LONGEST_NAME:
            return self.greeting_without_name
        return self.greeting.format(name=words[0] if self.by_first_name else " ".join(words))


FRAMES = {
    "en": LetterFrame(
        greeting="Hello {name},",
        greeting_without_name="Hello,",
        introduction="Thank you for your message. This is what our documentation says about it:",
        closing="If this does not answer your question, please reply and we will look into it with you.",
        supplement="On the rest of your question, our documentation says:",
        by_first_name=True,
    ),
    "de": LetterFrame(
        greeting="Guten Tag {name},",
        greeting_without_name="Guten Tag,",
        introduction="vielen Dank für Ihre Nachricht. In unserer Dokumentation steht dazu:",
        closing="Falls das Ihre Frage nicht beantwortet, antworten Sie uns bitte, und wir sehen es uns mit Ihnen an.",
        supplement="Zum anderen Teil Ihrer Frage steht in unserer Dokumentation:",
    ),
    "fr": LetterFrame(
        greeting="Bonjour {name},",
        greeting_without_name="Bonjour,",
        introduction="Merci pour votre message. Voici ce que dit notre documentation à ce sujet :",
        closing="Si cela ne répond pas à votre question, répondez-nous et nous l'examinerons avec vous.",
        supplement="Pour le reste de votre question, notre documentation indique :",
    ),
    "es": LetterFrame(
        greeting="Hola, {name}:",
        greeting_without_name="Hola:",
        introduction="Gracias por su mensaje. Nuestra documentación dice lo siguiente al respecto:",
        closing="Si esto no responde a su pregunta, escríbanos de nuevo y lo veremos con usted.",
        supplement="Sobre el resto de su pregunta, nuestra documentación dice:",
        by_first_name=True,
    ),
}
FALLBACK_LANGUAGE = "en"


def frame_for(*languages: str) -> tuple[str, LetterFrame]:
    """The first of the wanted languages (ISO 639-1, "" for unknown) the desk can write in, else English."""
    language = next((language for language in languages if language in FRAMES), FALLBACK_LANGUAGE)
    return language, FRAMES[language]
