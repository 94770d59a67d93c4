"""Which language a text is in, told by its commonest words. Needs no model and knows seven languages."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

_FUNCTION_WORDS: Final = {
    "en": "the of and to in is that it you for on with as are this be have from or by not but at your can if we "
    "will they an which has was when all do does then than what how there been would should their our must no so "
    "into only more also any these those could here please my me am were did about after before "
    "i hi he she his her them us don't can't won't cannot some any out get know need just how why who where while been",
    "de": "der die das und ist nicht ein eine einen einem einer zu den dem des mit auf für von im sie ich es sich "
    "auch wird werden oder wie bei nach aus kann können wenn dass ihr ihre ihren ihnen wir haben sind als um noch "
    "nur über zum zur bitte mein meine mir mich aber vor durch unter war wurde diese dieser dieses hat an am",
    "fr": "le la les des du un une et est dans pour que qui sur pas vous nous avec ce cette ces il elle je ne se "
    "sont par au aux plus ou mais votre vos notre être avez peut si tout été comme sans mon ma mes leur leurs "
    "d'un d'une c'est n'est qu'il j'ai l'on en à où même faire aussi "
    "comment quand quel quelle puis vont leur très bonjour merci toujours",
    "es": "el la los las del un una y es en para que por con no se su sus lo al como más pero está son este esta "
    "esto estos si mi me le ha hay puede usted cuando sin sobre también o ser tiene desde todo muy nos donde ya "
    "porque hasta así nuestro fue he qué cómo "
    "puedo quiero necesito tengo mis hola gracias hace cuenta",
    "it": "il lo la i gli le un una di e è che in per con non si del della dei delle degli nel nella al alla dal "
    "dalla su sono come più ma anche questo questa essere ha ho hanno se mi ci suo sua può quando da o sul sulla "
    "tutti loro nostro vostro perché dove cosa "
    "posso vorrei mio mia miei grazie devo mie sempre",
    "pt": "o os as um uma e é de do da dos das em no na nos nas para que por com não se seu sua seus ao à como mais "
    "mas está são este esta isso você eu tem pode quando sem sobre também ou ser foi já meu minha pelo pela até "
    "depois nosso muito onde porque há "
    "posso preciso quero minha olá obrigado obrigada fazer não",
    "nl": "de het een en van is dat in op te niet met voor zijn er aan ook als maar om bij of dan naar uit wordt "
    "worden kan je jij u uw ik we wij hij ze deze dit die heeft hebben geen door over nog wel kunnen moet mijn was "
    "waar wat hoe wanneer zou zal onze",
}
_LANGUAGES_OF: Final = {
    word: tuple(language for language, words in _FUNCTION_WORDS.items() if word in words.split())
    for word in set(" ".join(_FUNCTION_WORDS.values()).split())
}
_WORD = re.compile(r"(?<![\w.@/-])[^\W\d_]+(?:['-][^\W\d_]+)*(?![\w/@]|\.\w)")
"""Not the parts of addresses and file names: `com` and `e` are words somewhere."""

_SAMPLE_CHARACTERS = 20_000
_MINIMUM_EVIDENCE = 2.0
"""Function words, those of several languages counting in part."""
_MINIMUM_SHARE = 0.08
"""Of all words: running text has some 0.3, a list of product names hardly any."""
_MINIMUM_LEAD = 1.3
"""Over the second-best language, as a factor."""


def detect_language(text: str) -> str:
    """ISO 639-1 of en, de, fr, es, it, pt, nl; empty for any other language and when there is too little to go by."""
    words = _WORD.findall(text[:_SAMPLE_CHARACTERS].lower().replace("\u2019", "'"))
    evidence: Counter[str] = Counter()
    weights: dict[str, float] = dict.fromkeys(_FUNCTION_WORDS, 0.0)
    for word, count in Counter(words).items():
        languages = _LANGUAGES_OF.get(word, ())
        for language in languages:
            weights[language] += count / len(languages)
            evidence[language] += count
    best, second = sorted(weights, key=lambda language: weights[language], reverse=True)[:2]
    enough = weights[best] >= _MINIMUM_EVIDENCE and evidence[best] >= _MINIMUM_SHARE * len(words)
    return best if enough and weights[best] >= _MINIMUM_LEAD * weights[second] else ""
