"""Shapes exist because an answer may be known by its look: a date answers "when", "40 m" answers "how tall"."""

from __future__ import annotations

import re

from ._forms import stem

_NUMBER = (
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty"
    r"|seventy|eighty|ninety|hundred|thousand|million|billion|dozen|half|quarter|third|twice|once|both|pair|single|none"
    r"|no|zero|several|many|few|all|every|unlimited)\b"
)
_COUNT = r"\d[\d.,½¼¾]*\s*-?\s*"
_LENGTH = (
    rf"{_COUNT}(?:[cmk]?m|(?:centi|milli|kilo)?met(?:re|er)s?|feet|foot|ft|inch\w*|miles?|yards?|pages?|characters?)\b"
)
_DURATION = (
    rf"(?:{_NUMBER}|\ban?\b)[\s-]+(?:\w+\s+)?(?:(?:second|minute|hour|day|night|week|month|year|decade)s?|centur\w+|[mnµ]?s|min"
    r"|h|yrs?|hrs?)\b|\b(?:until|forever|since|from \d+|indefinite|lifetime|permanent)"
    r"|\d{4}\s*(?:–|-|to|until|and)\s*\d{2}"
)
_DATE = (
    r"\d(?!\d)(?![.,]\d)(?!\s(?:second|minute|hour|day|week|month|year)s?\b)"
    r"|\b(?:after|within|in|every|each|at|until|till|by|first) \w*\s?\d"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b"
    r"|\b(?:spring|summer|autumn|winter|noon|midnight|dawn|dusk|sunrise|sunset|morning|evening|afternoon|night|century"
    r"|decade|today|yesterday|tomorrow|daily|weekly|monthly|yearly|annual\w*|immediately|always|never|christmas|easter)\b"
)
_SCALES = {
    "money cost price fee expensive cheap pay charge worth": (
        rf"[$€£¥]\s?\d|{_COUNT}(?:eur|usd|gbp|chf|euros?|dollars?|pounds?|cents?|pence|francs?|yen|[€$£])|\bfree\b"
    ),
    "tall high height deep depth wide width far distance": _LENGTH,
    "long length": rf"{_LENGTH}|{_DURATION}|\d:\d\d",
    "heavy weigh weight mass": rf"{_COUNT}(?:[km]?g|t|tons?|tonnes?|lbs?|pounds?|ounces?|oz|kilo\w*|grams?)\b",
    "old age": (
        rf"\b(?:is|was|aged?|turned)\s(?:\w+\s)?(?:\d+|{_NUMBER})(?=\s*(?:[.,;)]|and|when|years?)\b|\s*[.,;)]|$)"
        r"|years?[ -](?:old|of age)|\b(?:born|aged?|centur\w+)\b"
    ),
    "second minute hour": rf"{_COUNT}(?:m?s|secs?|mins?|h|hrs?)\b",
    "hot cold warm temperature": rf"{_COUNT}(?:°|degrees?|kelvin|[cf]\b)",
    "fast speed quick quickly soon": (
        rf"{_COUNT}(?:km/?h|mph|knots?|m/s|[mg]bit|rpm)|{_DURATION}|\bimmediately\b|\bat once\b"
    ),
    "often frequently frequency": (
        r"\b(?:every|each|daily|weekly|monthly|yearly|hourly|annual\w*|once|twice|times|per|never|always|regularly)\b"
    ),
    "colour color": (
        r"\b(?:red|orange|yellow|green|blue|purple|violet|pink|brown|black|white|gr[ae]y|gold|golden|silver|beige|cream"
        r"|dark|pale|navy|turquoise|scarlet|maroon|crimson|ivory)\b"
    ),
    "percent percentage": r"\d\s*%|per ?cent",
    "big large size area": rf"{_COUNT}\w",
    "default": r"\w\s?[=:]\s?(?:[\"'\d\[({-]|none|true|false)|\bunless\b",
    "birth born": r"\bborn\b|\([^()]{,40}\d{4}\s*[–—-]",
    "die death dead": r"\([^()]{,40}\d{3,4}\s*[–—-]+[^()]{,40}\d{3,4}[^()]{,40}\)|†",
    "phone telephone mobile": r"(?:\+|\b0)\d[\d ()/-]{6,}",
    "email e-mail mail": r"\S@\S{1,60}\.\w",
    "address": r"\S@\S|\b\d+\w? [A-Z]\w+|\b[A-Z]\w+ \d",
    "website url link site homepage": r"https?://|\bwww\.",
    "profession occupation job": r"\b(?:is|was|been|as|became|be)\s(?:an?|the)\s\w",
    "version": r"\bv?\d+\.\d+(?:\.\d+)?\b",
    "release": r"\d{4}-\d\d-\d\d",
    "nationality": r"\b(?-i:[A-Z])\w+(?:ian|ish|ese|ean|can|man|ch|wegian|reek|wiss|zech|hai)\b",
}


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


SCALES = {stem(word): _compiled(pattern) for group, pattern in _SCALES.items() for word in group.split()}
"""By the stem of a word, what tells it without the word."""

DATE = _compiled(_DATE)
AMOUNT = _compiled(rf"{_NUMBER}|\bfree\b")
NAME = re.compile(r"(?<=[a-z,;:(|] )[\"'“*_(]*[A-Z]\w|^\W*[A-Z]\w+ [A-Z]|[@/]\w|\b[A-Z]{2,}\b")
OCCASION = _compiled(
    r"\b(?:when|whenever|if|after|before|until|till|once|during|while|as soon as|upon|at|on|every|each|first|last)\b"
)
REASON = _compiled(
    r"\b(?:because|since|so|therefore|thus|reasons?|due to|owing|thanks to|after|as|caus\w+|lest|otherwise|or|for|by|to [a-z]+"
    r"|in order|led to|result\w*|means?)\b|: "
)
PLACE = re.compile(
    r"\b(?:[Ii]n|[Aa]t|[Oo]n|[Nn]ear|[Ff]rom|[Tt]o|[Uu]nder|[Ii]nside|[Oo]utside|[Bb]eside|[Bb]ehind|[Bb]etween|[Ii]nto|[Oo]nto|via"
    r"|off|along|across|opposite|through|above|below|around) (?:the |an? |its |his |her |their )?[\"'`~/*]*[A-Za-z]"
    r"|[\w~.]*/\w|@\w|\b\d+ [A-Z]|https?:"
)
