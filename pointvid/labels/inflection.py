"""English plurals and verb forms, as far as captions need them."""

from __future__ import annotations

IRREGULAR_PLURALS = {
    "calves": "calf", "canoes": "canoe", "children": "child", "dice": "die", "feet": "foot", "geese": "goose",
    "gentlemen": "gentleman", "halves": "half", "hooves": "hoof", "horseshoes": "horseshoe", "knives": "knife",
    "leaves": "leaf", "lives": "life", "loaves": "loaf", "men": "man", "mice": "mouse", "oxen": "ox",
    "people": "person", "scarves": "scarf", "shelves": "shelf", "shoes": "shoe", "teeth": "tooth", "thieves": "thief",
    "toes": "toe", "wives": "wife", "wolves": "wolf", "women": "woman",
}  # fmt: skip
_UNCHANGED = """
binoculars bus canvas chess christmas clothes compass cosmos dress fish gas glass glasses goggles grass gymnastics
headphones jeans jellyfish lens moss news octopus pants pliers scissors series sheep shorts species starfish
sunglasses tongs trousers tweezers
"""
UNCHANGED = frozenset(_UNCHANGED.split())
"""Words that end like plurals and are none, or that have no other form."""

IRREGULAR_VERBS = {
    "blow": "blew blown", "break": "broke broken", "bring": "brought", "build": "built", "catch": "caught",
    "come": "came", "cut": "cut", "dig": "dug", "draw": "drew drawn", "drink": "drank drunk", "drive": "drove driven",
    "eat": "ate eaten", "fall": "fell fallen", "feed": "fed", "fight": "fought", "fly": "flew flown",
    "freeze": "froze frozen", "get": "got", "give": "gave given", "go": "went gone", "hang": "hung",
    "hide": "hid hidden", "hit": "hit", "hold": "held", "keep": "kept", "lay": "laid", "lead": "led", "leave": "left",
    "lie": "lay lain", "make": "made", "meet": "met", "put": "put", "ride": "rode ridden", "run": "ran",
    "see": "saw seen", "send": "sent", "shake": "shook shaken", "shoot": "shot", "show": "showed shown",
    "sing": "sang sung", "sit": "sat", "sleep": "slept", "slide": "slid", "speak": "spoke spoken", "spin": "spun",
    "spread": "spread", "stand": "stood", "stick": "stuck", "strike": "struck", "sweep": "swept", "swim": "swam swum",
    "swing": "swung", "take": "took taken", "teach": "taught", "tear": "tore torn", "throw": "threw thrown",
    "wear": "wore worn", "weave": "wove woven", "wind": "wound", "write": "wrote written",
}  # fmt: skip


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
