"""English as far as a search needs it: which words carry meaning, which belong together, how an answer looks."""

from __future__ import annotations

STOP_WORDS = """
a about above after again all also although among am an and another any anyone anything are aren't as at be because been
before being below besides between both but by can can't cannot could describe did didn't do does doesn't doing don't
during each else ever every everyone everything exist exists explain few for from further get gets give gives got had
happen happened happens has have having he her here hers him himself his how however i if in into is isn't it its itself
just know let like look looks many may me mean means might more most much must my need no nor not nothing of off on once
one only or other our ours out over own please same say says shall she should so some someone something such take takes
tell than that the their them themselves then there these they thing things this those through to too under until up upon
us use used using very want was wasn't we were what whatever when where whether which while who whom whose why will with
within without won't would yes yet you your against along
"""

FOREIGN_STOP_WORDS = """
wie wird werden ein eine einen einem einer der das und oder nicht ist sind mit für von dem den des im auf zum zur wo
warum welche welcher welches wann wer gibt es le la les des un une et est sont dans quel quelle quels quelles comment
pourquoi quand qui que quoi el los las una y en del por para cómo qué cuál cuáles dónde cuándo quién il lo gli di che
della como o os um uma het een hoe wat waarom и в на не что как какие какой какая где когда почему кто это для по из
"""

HOMONYMS = "die war man hat bin was am so also an"
"""Words of other languages that mean something else in English; they say nothing in a question in such a language."""

LIGHT = """
actually amount approximately call certain consider current currently describe different eventually exact exactly exist
explain finally following happen kind list many mean name number often originally per please possible really refer
responsible roughly according someone something sort stand still subject tell thing topic total type usually way also
"""
"""Words of questions that an answer need not have: "What is the ship called?", "Which kind of fish is sold?"."""

COMMON = """
able additional apply approach area aspect become belong begin believe bring case come compare concern contact continue deal decide discuss do event fact
factor find flow form general get give go group have help identify importance important include information involve know
level lie main major make manage method need new occur other offer overall part particular people period person phrase
primary provide purpose reason regard represent relate result role say see seek set show side significant source specific stand
state style suggest support take term try typical use various want word work final
"""
"""Words that an answer need not have if enough others are left."""

TIMES = "year date day time month hour century decade week season period moment weekday"
"""What a question for a time asks for."""

NAMED = """
person people man woman name company firm organisation organization team player author group band university school
college club party nation language book film movie song work species word term title type kind sort river city town country
place location state street village county region continent site address president king queen scientist architect artist
writer event war battle brand model
"""
"""What often answers a question without being called so: "Which company makes it?", "Acme makes it."."""

IRREGULAR = """
be am is are was were been; begin began begun; bend bent; bind bound; bite bit bitten; blow blew blown; break broke broken;
breed bred; bring brought; build built; burn burnt; buy bought; catch caught; choose chose chosen; come came; creep crept;
deal dealt; dig dug; do did does done; draw drew drawn; drink drank drunk; drive drove driven; eat ate eaten; fall fell
fallen; feed fed; feel felt; fight fought; find found; flee fled; fly flew flown; forbid forbade forbidden; forget forgot
forgotten; freeze froze frozen; get got gotten; give gave given; go goes went gone; grind ground; grow grew grown; hang
hung; have has had; hear heard; hide hid hidden; hold held; keep kept; know knew known; lay laid; lead led; learn learnt;
leave left; lend lent; lie lain; light lit; lose lost; make made; mean meant; meet met; overcome overcame; pay paid; prove
proven; ride rode ridden; ring rang rung; rise rose risen; run ran; say said; see saw seen; seek sought; sell sold; send
sent; sew sewn; shake shook shaken; shine shone; shoot shot; show shown; shrink shrank shrunk; sing sang sung; sink sank
sunk; sit sat; sleep slept; slide slid; sow sown; speak spoke spoken; spend spent; spin spun; spring sprang sprung; stand
stood; steal stole stolen; stick stuck; sting stung; strike struck; swear swore sworn; sweep swept; swell swollen; swim
swam swum; swing swung; take took taken; teach taught; tear tore torn; tell told; think thought; throw threw thrown;
understand understood; undertake undertook undertaken; wake woke woken; wear wore worn; weave wove woven; win won; wind
wound; withdraw withdrew withdrawn; write wrote written; man men; woman women; child children; foot feet; tooth teeth;
mouse mice; goose geese; person people; knife knives; half halves; far further; datum data; index indices indexes;
analysis analyses; 1 one; 2 two; 3 three; 4 four; 5 five; 6 six; 7 seven; 8 eight; 9 nine; 10 ten; 11 eleven; 12 twelve;
1st first; 2nd second; 3rd third; 4th fourth; 5th fifth
"""

KIN = """
cost price fee charge expensive cheap pay worth; tall high height; long length duration last take run runtime; deep depth; wide
width; far distance; heavy weigh weight mass; old age; fast quick quickly speed soon; big large size huge great; small
little tiny; hot cold warm temperature; often frequency frequently; begin start commence launch open first; end finish
stop cease conclude close expire expiry valid; founded establish create set; build construct erect; make produce
manufacture build create; write author compose pen; record write note register; buy purchase acquire; live reside dwell
home inhabit; die death dead; born birth birthplace; job occupation profession work role position; boss head chief
leader lead manager director; chair run chairman president; phone telephone tel call mobile; email e-mail mail; pick
choose select; remove delete erase uninstall clear purge; permit allow may; forbid prohibit ban except; sick ill illness
sickness disease; fix repair mend; fail broken failure; error fault; receive get obtain; supply provide supplier provider
vendor; ship deliver delivery send; require need must necessary mandatory prerequisite; maximum max most limit; minimum
min least; replace substitute supersede succeed; marry wife husband spouse married; win victory defeat beat; discover
find; own owner belong holder; move relocate transfer; teacher teach instruct tutor; study attend student; eat feed diet
prey food; happen occur; cause reason because due why; salary wage earn; holiday vacation leave; company firm business;
approve approval allow authorise authorize; colour color; licence license; organise organize organisation organization;
centre center; behaviour behavior; metre meter; photo photograph picture image; car vehicle; kid child; doctor physician;
mean definition stand; rise increase grow; fall decrease decline drop; inhabitant population people; show display exhibit;
contain hold include; destroy demolish; name call nickname alias known; leave depart departure; arrive arrival; chief ceo;
road street; return give; kilo kg kilogram; quit leave; employee staff worker; client customer; folder directory; default
unless; hit strike; ask request; answer reply respond; choice option; config configuration setting option; file path;
amount quantity number; compose consist; powered power; locate location address place where situated lie; time when date year day;
bury grave; release publish publisher out; come follow appear launch release; kill murder; attack assault; enemy opponent;
oversee supervise supervisor; forecast predict; talk speak say
"""
"""Groups of words that may stand for each other in an answer, whatever its topic: "cost" and "price", not "cat" and "pet"."""

TITLES = "dr prof mr mrs ms mx st sr fr rev hon gov sen rep gen col maj sgt capt cpt lt cmdr pres messrs mt"
BEFORE_NUMBERS = """
no nos nr p pp fig figs eq sec sect ch chap vol art para ca c approx ext tel jan feb mar apr jun jul aug sep sept oct nov
dec mon tue wed thu fri sat sun ver v ed est b d
"""
INSIDE = "e.g i.e eg ie cf vs viz incl resp al esp ca aka a.k.a dept approx max min avg std orig transl trans"
PERHAPS_LAST = "etc inc ltd co corp jr bros llc plc ph.d m.d b.a m.a a.m p.m ave blvd rd sq assn univ"
"""Abbreviations: before a name; before a number; inside a sentence; at its end, too."""
