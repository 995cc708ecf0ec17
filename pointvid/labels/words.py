"""The words that the rules of `rules.py` know, by what they do in a caption."""

from __future__ import annotations

from .inflection import past_forms, present_participle, singular, third_person


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARTICLES = _words("a an the")
POSSESSIVES = _words("my your his her its our their")
DETERMINERS = ARTICLES | POSSESSIVES | _words(
    """
    this that these those some any each every both all several many few various multiple numerous other another one
    two three four five six seven eight nine ten eleven twelve dozen dozens hundred hundreds thousands no first
    second third last next different same more most
    """
)  # fmt: skip
CONCRETE = _words("decoration ambulance audience fence appliance")
"""Words that end like ideas and are things."""
SINGULAR_DETERMINERS = _words("a an one each every this another")
SOMEONE = _words("someone somebody anyone anybody he she they we i you everyone everybody")
PRONOUNS = SOMEONE | _words(
    """
    it him them us me himself herself itself themselves something anything nothing there what
    """
)

# Names after these are where things happen, not what moves.
PLACE_PREPOSITIONS = _words(
    """
    in on at through along across over under near behind beside besides around inside outside within off towards
    toward down up during before after between among amid amidst above below beneath underneath against to about
    like than for underwater atop aboard upon via throughout beyond until without despite
    """
)
# Names after these are kept, unless they are known scenery.
THING_PREPOSITIONS = _words("with onto into from past by")
PREPOSITIONS = PLACE_PREPOSITIONS | THING_PREPOSITIONS | {"of"}
CLAUSES = _words(
    """
    while as when that which who whom where whose because if then so but until once although since
    """
)
AUXILIARIES = _words(
    """
    is are was were be been being am has have had having does do did can could will would may might must should
    isn't aren't 's 're
    """
)
PHRASES = {
    "in front of": "behind", "in the middle of": "in", "in the background": "in-background", "next to": "near",
    "close to": "near", "on top of": "on", "out of": "from", "away from": "past", "close up": "close-up",
    "slow motion": "slow-motion", "time lapse": "time-lapse", "such as": "with", "as well as": "and",
    "together with": "with", "along with": "with", "in order to": "to", "a lot of": "many", "lots of": "many",
    "a couple of": "two", "a number of": "many", "each other": "it", "one another": "it", "back and forth": "around",
    "made of": "like", "full of": "like", "filled with": "like", "covered in": "in", "covered with": "in",
    "surrounded by": "near", "dressed in": "wearing", "dressed as": "like", "point of view": "view",
    "rather than": "like",
}  # fmt: skip
"""Word groups that do the work of the one word they are replaced by."""

ADVERBS = _words(
    """
    very slowly quickly fast then away together alone forward forwards backward backwards upward upwards downward
    downwards outdoors indoors outside nearby here just again too also still even only back apart aside ahead high
    low now not once twice almost quite so simultaneously gracefully hard late early home upside left right sideways
    overhead everywhere continuously 3d 4k hd
    """
)
# What the picture is, rather than what is in it. "video of a dog" tells of a dog.
SHOTS = _words(
    """
    video shot view close-up closeup scene footage clip time-lapse timelapse slow-motion slow-mo animation picture
    image photo photograph portrait camera movie film frame perspective rendering render illustration painting
    cinematic screen angle style drawing panorama b-roll vlog tutorial screencast montage gameplay recording
    hyperlapse pov selfie background foreground motion documentary sequence fps version type kind variety part
    """
)
# "a flock of seagulls" tells of seagulls.
GROUPS = _words(
    """
    group flock school herd crowd pair bunch pack swarm pile heap team set piece pieces slice series row line stack
    couple lot number cluster collection army handful fleet colony family drop stream trail cloud plume burst bit
    """
)
SCENERY = _words(
    """
    street road highway sidewalk path trail track route lane avenue bridge tunnel intersection crosswalk driveway
    city town village downtown skyline building house home roof rooftop balcony backyard yard garden park playground
    field meadow lawn grass hill hillside mountain cliff valley canyon desert dune forest woods jungle tree trees
    bush beach shore coast coastline sea ocean lake river pond pool creek waterfront harbor pier dock island sky
    horizon sunset sunrise night day morning evening dusk dawn weather wind air space universe galaxy planet earth
    world room kitchen bedroom bathroom hallway corridor studio office classroom school hospital
    restaurant cafe bar club gym stadium arena court rink theater theatre hall church temple castle palace museum
    library store shop market mall supermarket factory warehouse garage barn farm stable station airport runway
    hangar stage floor ground wall ceiling corner counter countertop table desk shelf couch
    sofa bed bench chair seat bathtub sink stove oven carpet rug stair staircase step ladder fence gate porch site
    area place location scenery landscape environment surface side middle center centre top bottom edge end front
    distance direction way spot region country countryside neighborhood district zone goal net line reef rock stone
    sand mud soil graveyard courtyard gymnasium marsh oasis ballroom nursery arch mansion tower iceberg structure
    community islet cabin skyscraper apartment branch bark ruin plaza square light
    shadow darkness spotlight sunlight rain fog mist
    """
)
# Doings, times and ideas: nothing that a mask could show.
ABSTRACT = _words(
    """
    game match race marathon championship competition tournament event concert party wedding ceremony festival show
    performance parade interview conversation speech discussion lesson class meeting war battle fight journey trip
    adventure vacation holiday dance trick stunt backflip kickflip flip jump somersault cartwheel pose posture move
    movement action activity exercise workout yoga routine song music sound voice rhythm beat melody fun attention
    time moment minute hour second year summer winter spring autumn fall season turn look glance smile laugh
    expression emotion life love work job task process product topic story history recipe makeup fashion information
    news text word name title caption logo subtitle color colour pattern shape texture quality detail speed distance
    level pace effect result use care control balance walk run ride swim drive trot climb nap rest bath shower
    breath bite sip kiss hug step lap shot point score victory celebration crime rescue atmosphere mood
    vibe feeling beauty power energy force freedom nature beam glow reflection interior exterior
    football soccer tennis volleyball hockey golf cricket rugby badminton baseball ping-pong art contact bounce
    rebound height hit hole presence tableau tip material tension temperature design environment parkour karate judo
    boxing wrestling
    snowboarding gymnastics cooking object thing item
    """
)
SPORTS = _words(
    """
    basketball football soccer tennis volleyball hockey golf cricket rugby badminton baseball chess cards
    """
)
BODY = _words(
    """
    hair beard mustache moustache face eye ear nose mouth lip tooth tongue cheek chin forehead head neck shoulder
    arm elbow wrist hand finger palm fist chest back waist hip leg knee foot toe skin fur mane tail paw claw wing
    feather beak trunk horn fin nail eyelash eyebrow tattoo smile body thumb jaw
    """
)
CLOTHES = _words(
    """
    suit shirt t-shirt tshirt dress skirt jacket coat hat cap hoodie sweater uniform costume apron scarf glove
    gloves jeans pants trousers shorts glasses sunglasses goggles helmet mask vest shoe boot sock sneaker tie robe
    gown swimsuit bikini outfit clothes clothing attire tank tuxedo kimono crown necklace headband turban
    """
)
COLORS = _words(
    """
    red green blue yellow orange purple pink brown black white gray grey golden gold silver beige cyan magenta
    violet turquoise crimson teal navy maroon tan
    """
)
# Said of a thing without saying which: dropped. Other words before a noun stay ("baseball bat", "polar bear").
ADJECTIVES = _words(
    """
    big small large little tiny huge giant enormous tall short long wide narrow thick thin heavy light young old
    elderly middle-aged teenage adult new modern ancient vintage classic beautiful pretty handsome cute adorable
    lovely happy sad angry calm quiet loud excited scary funny strange busy empty full crowded open closed hot cold
    warm cool fresh dry wet soft hard smooth rough clean dirty bright dark colorful colourful vibrant vivid shiny
    clear cloudy sunny rainy snowy foggy windy stormy grassy sandy rocky dusty muddy fluffy furry hairy fuzzy curly
    straight bald fat slim skinny strong muscular weak brave wild tame gentle fierce majestic elegant graceful
    playful curious sleepy lazy tired hungry delicious tasty sweet spicy juicy ripe raw whole single lone solitary
    individual entire main local foreign asian african european american chinese japanese indian caucasian female
    male pregnant disabled professional amateur famous popular traditional typical ordinary normal common rare
    special unique amazing stunning incredible gorgeous magnificent spectacular epic dramatic serious rapid quick
    slow fast powerful high low deep shallow flat round square rectangular oval massive miniature numerous left
    right upper lower front rear back near far distant nearby indoor outdoor urban rural tropical natural artificial
    realistic futuristic mysterious magical mythical enchanted abandoned broken damaged lush dense serene peaceful
    tranquil bustling picturesque scenic idyllic stylish casual formal fancy simple plain cozy intricate delicate
    transparent lit translucent glossy metallic 3d animated digital virtual real live alive dead golden-haired
    long-haired light-skinned dark-skinned bare naked shirtless barefoot blond blonde brunette redheaded
    old-fashioned aerial extreme macro wide-angle overhead close first-person third-person static handheld
    black-and-white
    """
)
PARTICIPLE_NAMES = _words(
    """
    frying fishing boxing swimming washing sewing racing sleeping shopping cutting skipping rocking wedding rolling
    hiking running climbing skiing walking spinning mixing steering bowling chewing diving flying
    knitting measuring baking parking landing vending bouncing
    """
)
"""-ing words that belong to the name of the thing when a NAMED noun follows (`frying pan`)."""
PARTICIPLE_HEADS = _words(
    """
    pan rod glove gloves pool machine car bag cart board boards rope ring pin shoe shoes boots stick wheel
    top ball gum suit saucer needle tape lot gear craft drone mixer pole
    """
)
NOT_PARTICIPLES = _words(
    """
    building ceiling king queen ring string wing swing spring thing morning evening clothing wedding pudding earring
    sling sibling duckling gosling viking railing painting sting fling bling offspring sapling dumpling hamstring
    darling lightning ping icing frosting herring starling sterling stocking
    """
)
PEOPLE_AND_ANIMALS = _words(
    """
    man woman boy girl kid child baby infant toddler person guy lady gentleman couple teenager adult crowd audience
    mother father mom dad son daughter brother sister friend teammate grandmother grandfather family bride groom
    worker farmer chef cook waiter doctor nurse teacher student athlete player dancer singer actor actress musician
    guitarist drummer soldier police officer policeman firefighter pilot driver rider runner swimmer surfer skier
    skater skateboarder snowboarder cyclist biker climber hiker gymnast boxer wrestler fighter defender goalkeeper
    goalie referee coach cheerleader ballerina clown magician astronaut robot knight princess prince king queen
    witch wizard zombie superhero ninja samurai pirate cowboy monk santa snowman fisherman hunter artist painter
    reporter anchor host fan spectator passenger tourist pedestrian customer barista bartender scientist engineer
    mechanic dog puppy cat kitten horse pony cow calf bull sheep lamb goat pig piglet chicken hen rooster chick duck
    duckling goose swan turkey bird eagle hawk owl parrot pigeon seagull gull crow sparrow hummingbird penguin
    flamingo peacock lion tiger leopard cheetah jaguar panther bear panda elephant giraffe zebra rhino rhinoceros
    hippo hippopotamus monkey gorilla chimpanzee ape orangutan kangaroo koala deer fawn moose elk reindeer fox wolf
    coyote raccoon squirrel rabbit bunny hare mouse rat hamster hedgehog beaver otter seal walrus whale dolphin
    shark fish goldfish octopus squid jellyfish turtle tortoise crab lobster frog toad snake lizard crocodile
    alligator dinosaur dragon unicorn bee butterfly dragonfly ladybug ant spider snail worm camel donkey llama
    alpaca bison buffalo retriever husky corgi poodle bulldog shepherd terrier labrador
    """
)
# Singular to look at, but many act: "the crowd cheer", "people watch".
COLLECTIVE = _words(
    """
    people crowd audience police team family couple band group fish sheep deer children men women
    """
)
UNCOUNTED = _words("scissors glasses headphones binoculars pants jeans shorts goggles")
RIDEABLE = _words(
    """
    horse bike bicycle motorcycle motorbike scooter skateboard surfboard snowboard boat sled sleigh camel elephant
    donkey unicycle tricycle swing trampoline jetski kayak raft
    """
)

VERBS = _words(
    """
    absorb accelerate accept add adjust admire advance aim answer appear applaud apply approach arrange arrive ask
    assemble attach attack attempt bake balance bark bask bathe battle become begin bend bite blend blink bloom blow
    board boil bounce bow brake break breathe bring browse brush build bump burn burst bury buy buzz call capture
    care carry carve cast catch celebrate change charge chase chat check cheer chew chop circle clap clean clear
    climb close coil collapse collect collide comb combine come compete connect consume continue control cook cover
    crack crash crawl create cross crouch cruise crumble crush cry cuddle curl cut cycle dance dangle dash decorate
    deliver demonstrate depart descend describe detach devour dig dine dip direct disappear discuss display dissolve
    dive dock dodge drag draw dress dribble drift drill drink drip drive drop drown dry dump dunk eat embrace emerge
    empty enjoy enter erode erupt examine exchange exercise exit expand explain explode explore extend face fade
    fall feature feed feel fetch fight fill film fire fix flap flash flee flicker flip float flow flutter fly fold
    follow form freeze frolic fry gallop gather gaze gesture get give glide glow go grab grasp graze greet grill
    grin grind grip groom grow guide hail hammer hand handle hang hatch have help hide highlight hike hit hold hop
    hover howl hug hunt hurl ice imitate inflate insert inspect install interact introduce iron jog join juggle jump
    keep kick kiss knead kneel knit knock land laugh launch lay lead lean leap learn leave let lick lie lift light
    load lock look loom lower lunge maintain make maneuver manipulate march massage measure meditate meet melt meow
    merge mix morph mount move mow nap navigate nibble nod nudge observe offer open operate orbit organize overtake
    pace pack paddle paint pan park pass pat pause peck pedal peek peel peer perch perform pet pick pierce pilot
    place plant play plow pluck point poke polish pop pose pour practice pray prepare present press proceed protect
    provide prowl pull pump punch push put race raise reach read rear receive recline record recover reflect relax
    release remove repair repeat reply rescue rest reveal reverse revolve ride rinse rise roam roar roast rock roll
    rotate row rub rummage run rush sail salute sand saw say scatter scoop scrape scratch scream scroll scrub sculpt
    search see seem seize sell send serve set sew shake shape share shatter shave shimmer shine shoot shoulder shout
    shovel show shower sing sip sit skate skateboard sketch ski skid skip slam sleep slice slide slip slither slow
    smash smell smile smoke snap snatch sneak sneeze sniff snowboard soak soar sparkle speak speed spill spin splash
    splatter splinter split spray spread sprinkle sprint squat squeeze squish stack stand stare start stay steer
    step stick stir stitch stop stretch strike stroke stroll struggle strum strut stumble style surf surround
    swallow sway sweep swim swing swirl swoop take talk tap taste teach tear tease tell text throw tie tilt tip
    toast topple toss touch tour tow train transform travel tremble trim trip trot trudge try tumble turn twinkle
    twirl twist type unfold unload unlock unpack unroll unwrap use vacuum visit waddle wade wag wait wake walk
    wander warm wash watch water wave wear weave weld whip whisk whisper whistle wiggle wipe work wrap wrestle write
    yawn yell zip zoom
    """
)
THIRD_PERSON = frozenset(map(third_person, VERBS))
PAST = frozenset(form for verb in VERBS for form in past_forms(verb))
BASE_FORM = {
    form: verb for verb in VERBS for form in (verb, third_person(verb), present_participle(verb), *past_forms(verb))
}
PARTICLES = {
    "pick": {"up"}, "put": {"on", "down", "up"}, "take": {"off", "out"}, "turn": {"on", "off", "over"},
    "lift": {"up"}, "hold": {"up"}, "knock": {"over", "down", "off"}, "blow": {"out", "up"}, "set": {"up", "down"},
    "cut": {"up", "off"}, "pull": {"up", "out", "down"}, "throw": {"away"}, "open": {"up"}, "chop": {"up"},
    "light": {"up"}, "tear": {"up", "off"}, "fold": {"up"}, "push": {"over"}, "wipe": {"off", "down"},
}  # fmt: skip
"""Verbs whose object follows a word that looks like a preposition: `picks up a cup`."""

WEARING = _words("wear wears wearing wore worn")
DOING = _words(
    """
    perform performs performing performed do does doing did practice practices practicing practiced
    """
)
PLAYING = _words("play plays playing played")


def known_noun(word: str) -> bool:
    """Whether the lists hold `word` (or its singular) as a thing, so that it is one even where a verb looks alike."""
    single = singular(word)
    return single in PEOPLE_AND_ANIMALS or single in CLOTHES or single in BODY or single in RIDEABLE


ENGLISH = (
    ARTICLES | POSSESSIVES | AUXILIARIES | _words("of and with while to from through his her at by on over into for in")
)
FOREIGN = _words(
    """
    der die das ein eine einen einem und mit auf im den dem ist sind von zu le la les un une des du et est sur dans
    avec qui el los las una unos y en con del que es por para il lo gli uno di da che nel sul um uma os na no em com
    se het een van op met och ett med som det jest z i w si oder aus einer au aux
    """
)
