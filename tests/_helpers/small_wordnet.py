"""A WordNet of a few synsets, for the tests and for the guide's page that reads one."""

# Lemmas, hypernyms, instance hypernyms, part of speech.
# Senses of a lemma are numbered in the order of this list.
SYNSETS = {
    "entity": (["entity"], [], [], "n"),
    "object": (["object", "thing"], ["entity"], [], "n"),
    "person": (["person"], ["entity"], [], "n"),
    "pet": (["pet"], ["entity"], [], "n"),
    "animal": (["animal"], ["object"], [], "n"),
    "cat": (["cat"], ["animal"], [], "n"),
    "siamese": (["Siamese_cat", "Siamese"], ["cat"], [], "n"),
    "dog": (["dog"], ["animal", "pet"], [], "n"),
    "bold": (["tiger"], ["person"], [], "n"),
    "tiger": (["tiger"], ["cat"], [], "n"),
    "city": (["city"], ["object"], [], "n"),
    "paris": (["Paris"], [], ["city"], "n"),
    "boot": (["boot"], ["object"], [], "n"),
    "root": (["abyss"], [], [], "n"),
    "run": (["run"], [], [], "v"),
    "think": (["think"], [], [], "v"),
}
PARTS = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}


def write_wordnet(folder):
    """The files that nltk's reader opens."""
    folder.mkdir(parents=True)
    for pos, part in PARTS.items():
        mine = {key: s for key, s in SYNSETS.items() if s[3] == pos}
        offsets, lines, at = dict.fromkeys(mine, 0), {}, 0
        for _ in range(2):  # offsets have a fixed width, so the second time they hold
            at = 0
            for key, (lemmas, up, instance, _) in mine.items():
                pointers = [("@", u) for u in up] + [("@i", u) for u in instance]
                text = "".join(f"{p} {offsets[u]:08d} {pos} 0000 " for p, u in pointers)
                text = f"{len(pointers):03d} {text}"
                words = " ".join(f"{lemma} 0" for lemma in lemmas)
                lines[key] = (
                    f"{at:08d} 03 {pos} {len(lemmas):02x} {words} {text}"
                    f"| what {key} means  \n"
                )
                offsets[key], at = at, at + len(lines[key])
        (folder / f"data.{part}").write_bytes("".join(lines.values()).encode())
        index = {}
        for key, (lemmas, *_) in mine.items():
            for lemma in lemmas:
                index.setdefault(lemma.lower(), []).append(f"{offsets[key]:08d}")
        rows = (
            f"{lemma} {pos} {len(o)} 1 @ {len(o)} 0 {' '.join(o)}  \n"
            for lemma, o in index.items()
        )
        (folder / f"index.{part}").write_bytes("".join(rows).encode())
        (folder / f"{part}.exc").write_bytes(b"")
    (folder / "noun.exc").write_bytes(b"kitties cat\n")
    return folder
