"""Common English words, for negatives and as material for look-alikes."""

WORDS = tuple(
    """
    able about above across action actor address after again agent album alarm almost alone along already also always
    amber ancient angle animal answer apple april arctic area army around arrive artist aspect atom attic author autumn
    average away baby back badge bakery balance ball banana basket battle beach beauty because before begin behind
    believe below bench better between bicycle bird biscuit blanket blossom board body bottle bottom bread breakfast
    bridge bright brother bucket budget building business butter button cabin cactus camera candle captain carbon
    career carpet castle cattle center chair chance change channel chapter cherry chicken children choice circle city
    classic clever climate closet cloud coffee collect college color common compass compute concert copper corner
    cotton country couple course cousin cover cricket crystal culture curtain custom daily dancer danger daughter
    december decide deep degree desert detail diamond dinner direct distance doctor dollar double dozen dragon drawer
    dream driver during eager early earth east easy echo eight either elbow electric eleven empty energy engine enough
    entire evening every exact example expect express fabric factor family famous farmer father feather february
    festival field figure final finger finish flower follow forest forget former fortune forward fountain freedom
    friday friend future galaxy gallery garden gentle giant ginger glass global golden grammar grandma gravity green
    ground group guitar habit hammer handle happen happy harbor harvest having healthy heaven heavy height hello helmet
    history hockey holiday honey hospital hotel hour house however human hundred hunter husband iceberg idea image
    include indeed inside instead iron island jacket january jasmine jelly jersey jewel journal journey judge juice
    jungle junior justice kettle kitchen kitten ladder lantern large later laugh lawyer leader leather lemon lesson
    letter level library light limit listen little lizard lobster local logic london lonely lucky lunch machine magic
    magnet manager marble market marvel master matter meadow medal medicine member memory message metal middle minute
    mirror model modern moment monday money monkey month morning mother mountain movie museum music mustard narrow
    nation nature nearly needle neither network never nine noble noise normal north notice november number object
    ocean october office often olive onion open orange orchard order other outside owner oxygen package painter palace
    paper parent parrot party passage pattern peanut pencil people pepper perfect perhaps person phone picture pilot
    planet plastic player pleasant plenty pocket poem polar police popular potato powder present pretty prison private
    problem product program promise proper public pumpkin puppet purple quarter question quick quiet rabbit radio
    railway rainbow random rather reader reason record region remember repeat report rescue restaurant result return
    ribbon river robin rocket rubber sailor salad sample saturday school science scissors season second secret
    september seven shadow shelter shoulder signal silent silver simple single sister sixteen sketch slowly smooth
    soldier someone south spider spirit spring square station steady stomach stone story stranger street strong
    student sudden sugar summer sunday supper surface table talent teacher temple tennis theater thirteen thousand
    thunder thursday ticket tiger timber today together tomato tomorrow topic tower traffic travel treasure triangle
    trouble trumpet tuesday tunnel turtle twelve twenty uncle under uniform union until upper useful valley vanilla
    velvet vessel village violin visit voice volcano voyage wagon walnut water weather wednesday weekend welcome west
    whisper window winter wisdom without wonder wooden worker world yellow yesterday young zebra zero
    hey high hay hi ok okay oh yes no go stop please thanks day way say may pay they eight ate great late wait
    """.split()  # noqa: SIM905 - seven hundred quotation marks are no easier to read
)

OPENINGS = (
    "I think",
    "maybe",
    "we said that",
    "tell me why",
    "she knows that",
    "it seems",
    "did you hear that",
    "after all",
)
SUBJECTS = ("the teacher", "my brother", "that driver", "our neighbor", "a young doctor", "the old captain", "somebody")
VERBS = ("will find", "has lost", "never wanted", "is looking for", "painted", "would like", "carried", "forgot about")
PLACES = ("near the station", "in the kitchen", "before dinner", "on monday morning", "at the market", "by the river")
