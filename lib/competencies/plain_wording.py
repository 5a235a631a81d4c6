"""How authors and profiles of the synthetic world speak when its wording is plain.

A competency has one name and its description one form; the open wording is another module.
"""

# Each way of showing a competency has one sentence in the profile and many phrasings in abstracts.
DESCRIPTIONS = {
    "develops": "Develops new methods for {object}.",
    "evaluates": "Evaluates existing methods on {object}.",
    "applies": "Applies it in practice to {object}.",
    "explains": "Explains its theory for {object}.",
}
SHOWN = {
    "develops": [
        "We develop new forms of {name} for {object}.",
        "A novel kind of {name} is introduced for {object}.",
        "This paper proposes {name} tailored to {object}.",
        "We design {name} from scratch to serve {object}.",
        "An original approach to {name} is built for {object}.",
        "To handle {object}, we invent a variant of {name}.",
        "Our contribution extends {name} so that it suits {object}.",
        "We create and refine {name} with {object} in mind.",
    ],
    "evaluates": [
        "We compare ten variants of {name} on {object}.",
        "A benchmark of {name} with {object} is reported.",
        "The accuracy of {name} is measured on {object}.",
        "We test how well {name} works for {object}.",
        "Published forms of {name} are ranked on {object}.",
        "Using {object}, we assess the limits of {name}.",
        "An independent evaluation of {name} covers {object}.",
        "We reproduce results of {name} with {object}.",
    ],
    "applies": [
        "We use {name} every day to treat {object}.",
        "In a field project, {name} was deployed on {object}.",
        "We bring {name} into service for {object}.",
        "For two years we ran {name} on {object}.",
        "Practical work with {name} improved {object}.",
        "We put {name} to work on {object}.",
        "Our team operates {name} for {object}.",
        "A case report describes how we employ {name} for {object}.",
    ],
    "explains": [
        "We prove why {name} succeeds for {object}.",
        "A theory of {name} for {object} is derived.",
        "We explain the principles of {name} through {object}.",
        "The mathematics of {name} for {object} is set out.",
        "A formal account links {name} and {object}.",
        "We reason about {name} in the setting of {object}.",
        "Analytical results on {name} clarify {object}.",
        "From first principles, we understand {name} for {object}.",
    ],
}
MENTIONED = [
    "Unlike earlier studies, we make no use of {name}.",
    "Others rely on {name}, which is outside our scope.",
    "We leave {name} to future work.",
    "Surveys often list {name} beside these topics.",
    "Readers interested in {name} are referred to the literature.",
    "It remains open whether {name} would help.",
    "Nothing is assumed about {name}.",
    "Critics of {name} will find no support here.",
    "A different group has worked on {name}.",
    "In contrast to {name}, our choice is simple.",
]
FIELD = [
    "Open questions in {domain} motivate this study.",
    "This work belongs to {domain}.",
    "Recent progress in {domain} calls for care.",
    "The study contributes to {domain}.",
    "Practitioners of {domain} will recognise the problem.",
    "We write for an audience in {domain}.",
]
FILLER = [
    "The results hold across all settings.",
    "Data and code are available on request.",
    "We discuss limits and open points.",
    "The findings were stable over several seasons.",
    "Costs were modest and delays short.",
    "A short appendix lists the details.",
    "Two reviewers repeated the main steps.",
    "The effect was larger than expected.",
    "We thank the partners for their patience.",
    "Several side remarks close the paper.",
]
TITLES = [f"{start} {{object}}" for start in
          ("Notes on", "A study of", "Revisiting", "Lessons from", "On")]

# What the base model's training targets do wrong (see `spoil`).
VAGUE = ["Has broad knowledge of this area.", "Works with it in many ways.",
         "Strong skills and long experience."]
VAGUE_DOMAIN = "general research"
SOFT_SKILLS = ["communication", "teamwork", "project management", "critical thinking",
               "presentation", "leadership"]
