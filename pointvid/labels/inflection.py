"""English plurals and verb forms, as far as captions need them."""

from __future__ import annotations

from .lists import table, words

IRREGULAR_PLURALS, IRREGULAR_VERBS = table("irregular_plurals"), table("irregular_verbs")
UNCHANGED = words("unchanged")
"""Words that end like plurals and are none, or that have no other form."""


def singular(word: str) -> str:
    """`dogs` -> `dog`, `people` -> `person`; a word that is no plural stays."""
    if word in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[word]
    for plural, single in IRREGULAR_PLURALS.items():  # firemen, postwomen, housewives
        if len(plural) > 2 and word.endswith(plural) and plural in ("men", "wives"):
            return word[: -len(plural)] + single
    if word in UNCHANGED or len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4 and word not in ("cookies", "movies", "zombies", "selfies", "smoothies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zzes", "oes", "buses")):
        return word[:-2]
    return word[:-1]


def is_plural(word: str) -> bool:
    """Whether `word` is a noun in the plural."""
    return singular(word) != word


def third_person(verb: str) -> str:
    """`run` -> `runs`, `catch` -> `catches`, `fly` -> `flies`."""
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("s", "x", "z", "ch", "sh", "o")) else "s")


def present_participle(verb: str) -> str:
    """`push` -> `pushing`, `ride` -> `riding`, `put` -> `putting`."""
    if verb.endswith("e") and not verb.endswith("ee"):
        return verb[:-1] + "ing"
    short = len(verb) <= 4 and verb[-1] not in "aeiouwxy" and verb[-2] in "aeiou" and verb[-3] not in "aeiou"
    return verb + verb[-1] * short + "ing"


def past_forms(verb: str) -> list[str]:
    """`push` -> [`pushed`], `ride` -> [`rode`, `ridden`], `grab` -> [`grabed`, `grabbed`]: one of them is English."""
    if verb in IRREGULAR_VERBS:
        return IRREGULAR_VERBS[verb].split()
    if verb.endswith("e"):
        return [verb + "d"]
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return [verb[:-1] + "ied"]
    return [verb + "ed", verb + verb[-1] + "ed"]
