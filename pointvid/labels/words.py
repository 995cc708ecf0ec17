"""What the words of english.txt do in a caption."""

from __future__ import annotations

from .inflection import past_forms, present_participle, singular, third_person
from .lists import table, words

ARTICLES, POSSESSIVES = words("articles"), words("possessives")
DETERMINERS = ARTICLES | POSSESSIVES | words("determiners")
SINGULAR_DETERMINERS = words("singular_determiners")
CONCRETE = words("concrete")
"""Words that end like ideas and are things."""
SOMEONE = words("someone")
PRONOUNS = SOMEONE | words("pronouns")

PLACE_PREPOSITIONS = words("place_prepositions")
"""Names after these are where things happen, not what moves."""
THING_PREPOSITIONS = words("thing_prepositions")
"""Names after these are kept, unless they are known scenery."""
PREPOSITIONS = PLACE_PREPOSITIONS | THING_PREPOSITIONS | {"of"}
CLAUSES, AUXILIARIES, ADVERBS = words("clauses"), words("auxiliaries"), words("adverbs")
PHRASES = table("phrases")
"""Word groups that do the work of the one word they are replaced by."""

SHOTS = words("shots")
"""What the picture is, rather than what is in it: "video of a dog" tells of a dog."""
GROUPS = words("groups")
"""A flock of seagulls tells of seagulls."""
SCENERY = words("scenery")
ABSTRACT = words("abstract")
"""Doings, times and ideas: nothing that a mask could show."""
SPORTS, BODY, CLOTHES, COLORS = words("sports"), words("body"), words("clothes"), words("colors")
ADJECTIVES = words("adjectives")
"""Said of a thing without saying which: dropped. Others before a noun stay (`baseball bat`, `polar bear`)."""
PARTICIPLE_NAMES, PARTICIPLE_HEADS = words("participle_names"), words("participle_heads")
"""-ing words that belong to the name of the thing when one of the second follows (`frying pan`)."""
NOT_PARTICIPLES = words("not_participles")
PEOPLE_AND_ANIMALS = words("people_and_animals")
COLLECTIVE = words("collective")
"""Singular to look at, but many act: "the crowd cheer", "people watch"."""
UNCOUNTED, RIDEABLE = words("uncounted"), words("rideable")

VERBS = words("verbs")
THIRD_PERSON = frozenset(map(third_person, VERBS))
PAST = frozenset(form for verb in VERBS for form in past_forms(verb))
# In order, so that of verbs with a form in common the same one is found every time; a verb is its own base form.
BASE_FORM = {
    form: verb for verb in sorted(VERBS) for form in (third_person(verb), present_participle(verb), *past_forms(verb))
} | {verb: verb for verb in VERBS}
PARTICLES = {verb: set(particles.split()) for verb, particles in table("particles").items()}
"""Verbs whose object follows a word that looks like a preposition: `picks up a cup`."""
WEARING, DOING, PLAYING = words("wearing"), words("doing"), words("playing")

ENGLISH, FOREIGN = ARTICLES | POSSESSIVES | AUXILIARIES | words("english"), words("foreign")
"""Small words by which a caption's language is told."""


def known_noun(word: str) -> bool:
    """Whether the lists hold `word` (or its singular) as a thing, so that it is one even where a verb looks alike."""
    single = singular(word)
    return single in PEOPLE_AND_ANIMALS or single in CLOTHES or single in BODY or single in RIDEABLE
