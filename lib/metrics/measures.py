"""The measures of a profile against the true one: names, words, and where each misleads."""

# {name: (words for readers, kind of lib.metrics.rouge, its variant)}.
# On ASCII text the variants differ in L, W and SU alone.
ROUGE = {
    "rouge1": ("ROUGE-1", "1", "paper"), "rouge2": ("ROUGE-2", "2", "paper"),
    "rougeL": ("ROUGE-L", "L", "paper"), "rougeLsum": ("ROUGE-Lsum", "Lsum", "paper"),
    "rougeW": ("ROUGE-W, weight 1.2", "W-1.2", "paper"),
    "rougeS": ("ROUGE-S, gap up to 4", "S4", "paper"),
    "rougeSU": ("ROUGE-SU, gap up to 4", "SU4", "paper"),
    "rougeL_155": ("ROUGE-L, as ROUGE-1.5.5", "L", "rouge155"),
    "rougeW_155": ("ROUGE-W, as ROUGE-1.5.5", "W-1.2", "rouge155"),
    "rougeSU_155": ("ROUGE-SU, as ROUGE-1.5.5", "SU4", "rouge155"),
}
NAMES = {"f1_exact": "F1 of names, exact", "f1_stem": "F1 of names, stemmed",
         "f1_soft": "F1 of names, soft"}
MEASURES = {**NAMES, **{name: words for name, (words, _, _) in ROUGE.items()}}

EXPLAINED = [dict(zip(("measure", "measures", "misleads"), row, strict=True)) for row in (
    ("precision, recall, F1, exact", "competency names that both lists share, letter for letter",
     "where a name is worded differently: `data analysis` and `analysing data` share nothing"),
    ("precision, recall, F1, stem-exact", "the same after Porter stemming",
     "where stems merge what differs (`universal`, `university`); made for English; still blind to "
     "synonyms"),
    ("soft precision, recall, F1",
     "how close each name comes to its nearest in the other list, by embeddings",
     "anything in one field lies close, so wrong names earn much; only differences between systems "
     "mean something"),
    ("macro F1 of labels", "the mean over classes, each with equal weight",
     "with rare classes: a handful of cases decides"),
    ("micro F1 of labels",
     "all decisions pooled; the accuracy, where every answer is one of the labels",
     "with a common class: always naming it scores well"),
    ("weighted F1 of labels", "the mean over classes by their share of the truth",
     "like micro F1; compare it with the majority baseline"),
    ("ROUGE-1", "shared words", "by the words that any text of the kind holds; blind to order"),
    ("ROUGE-2, 3, 4", "shared runs of 2, 3, 4 words", "with paraphrase; near 0 for short texts"),
    ("ROUGE-L", "the longest word sequence in common, gaps allowed",
     "by order: a profile with two competencies swapped may lose half; counts one sequence only"),
    ("ROUGE-Lsum", "the same by sentence, united over the prediction's sentences",
     "with long predictions: each sentence may find its words somewhere"),
    ("ROUGE-W", "ROUGE-L that favours runs without gaps, by run length to the power w",
     "in the variant `rouge155`: the recall of an identical text is below 1 and falls with its "
     "length"),
    ("ROUGE-S", "shared word pairs in order, with up to d words between",
     "with large d: pairs of frequent words; 0 for fewer than two words"),
    ("ROUGE-SU", "ROUGE-S with the single words counted too",
     "like ROUGE-S; in the variant `rouge155` the last word does not count, so a single word "
     "scores 0"),
    ("BLEU", "precision of runs of 1 to 4 words over a whole corpus, times a penalty for brevity",
     "for single short texts, across tokenisers (compare signatures), and with few references: no "
     "recall"),
)]
