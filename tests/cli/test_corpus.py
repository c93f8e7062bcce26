"""A corpus finds what is in a folder, quotes it exactly, and refuses what it should not touch."""

from __future__ import annotations

import asyncio
import os
import pickle
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axon.cli.demo import _folder
from axon.cli.demo._corpus import Corpus, CorpusClosed, FileNotInFolder, FileOutsideFolder
from axon.cli.demo._folder import FolderError, FolderNotFound, NoReadableText, NotAFolder, TextFile, decoded
from axon.cli.demo._passages import PASSAGE_CHARACTERS, passages

MakeCorpus = Callable[[dict[str, str | bytes]], Corpus]


def found(corpus: Corpus, query: str) -> list[str]:
    return [hit.file for hit in corpus.search(query)]


# What is in a corpus


def test_text_is_known_by_its_content_whatever_the_extension(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({"a.xyz": "apple", "Makefile": "all: apple", "b.bin": b"apple\0\x01", "c.png": "apple pie"})
    assert set(found(corpus, "apple")) == {"a.xyz", "Makefile", "c.png"}
    assert corpus.statistics.files == 3
    assert corpus.statistics.skipped == {"binary": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252"])
def test_common_encodings_are_read(make_corpus: MakeCorpus, encoding: str) -> None:
    corpus = make_corpus({"a.txt": "Der höchste Berg heißt Großglockner.".encode(encoding)})
    assert corpus.read("a.txt", 1, 1)[0].text == "Der höchste Berg heißt Großglockner."
    assert found(corpus, "höchster hochste GROSSGLOCKNER") == ["a.txt"]


def test_hidden_and_generated_folders_are_left_out(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({
        "a.txt": "apple", ".env": "apple", ".git/config": "apple", ".venv/lib/x.py": "apple",
        "node_modules/x.js": "apple", "sub/__pycache__/x.txt": "apple", "sub/b.txt": "apple",
    })  # fmt: skip
    assert set(found(corpus, "apple")) <= {"a.txt", "sub/b.txt"}
    assert corpus.statistics.files == 2


def test_a_file_over_the_limit_is_left_out_and_counted(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_folder, "MAX_FILE_BYTES", 2**20)
    corpus = make_corpus({"a.txt": "apple", "big.txt": b"apple " * 200_000})
    assert corpus.statistics.skipped == {"over 1 MiB": 1}


def test_the_files_highest_in_the_tree_are_taken_first(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_folder, "MAX_FOLDER_BYTES", 10)
    corpus = make_corpus({"a/deep.txt": "deep apple", "top.txt": "top apple"})
    assert [hit.file for hit in corpus.search("apple")] == ["top.txt"]


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret.txt").write_text("secret apple")
    (inside / "a.txt").write_text("apple")
    (inside / "out").symlink_to(outside)
    (inside / "out.txt").symlink_to(outside / "secret.txt")
    (inside / "loop").symlink_to(inside)
    (inside / "broken").symlink_to("nowhere")
    (inside / "same.txt").symlink_to("a.txt")
    with Corpus.open(inside) as corpus:
        assert corpus.statistics.files == 1
        assert found(corpus, "secret") == []


def test_a_pipe_in_the_folder_is_not_opened(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert make_corpus({"a.txt": "apple"}).statistics.skipped == {"special": 1}


def test_a_file_name_that_is_not_text_is_written_with_escapes(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"bad\xff\nname.txt")).write_text("apple")
    except OSError:
        pytest.skip("this file system wants names that are text")
    with Corpus.open(tmp_path) as corpus:
        assert found(corpus, "apple") == [r"bad\udcff\nname.txt"]
        assert corpus.read(r"bad\udcff\nname.txt", 1, 1)[0].text == "apple"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("no such", FolderNotFound),
        ("file.txt", NotAFolder),
        ("file.txt/x", NotAFolder),
        ("nul\0", FolderNotFound),
        ("x" * 5_000, FolderNotFound),
        ("loop", FolderNotFound),
        ("empty", NoReadableText),
        ("binary", NoReadableText),
    ],
)
def test_a_folder_that_cannot_be_searched_is_named_with_its_option(
    tmp_path: Path, name: str, error: type[FolderError]
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "x.bin").write_bytes(b"\0\1\2")
    folder = tmp_path / name
    with pytest.raises(error) as raised:
        Corpus.open(folder)
    assert "--over" in str(raised.value)
    assert repr(str(folder)) in str(raised.value)
    assert (raised.value.option, raised.value.value) == ("--over", str(folder))
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


# Searching


def test_inflected_words_are_found(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({"a.txt": "The supervisor restarts crashed children.", "b.txt": "Something else."})
    assert found(corpus, "how is a crashing child restarted by supervisors?") == ["a.txt"]


def test_a_word_that_is_nowhere_is_looked_for_as_a_beginning(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({"a.txt": "Kubernetesian pods", "b.txt": "other"})
    assert found(corpus, "kubernetes") == ["a.txt"]


def test_rare_words_count_more_than_common_ones(make_corpus: MakeCorpus) -> None:
    files: dict[str, str | bytes] = {f"{i}.txt": f"The server number {i} runs." for i in range(20)}
    corpus = make_corpus({**files, "rare.txt": "The mailbox is bounded."})
    assert found(corpus, "bounded server")[0] == "rare.txt"
    assert corpus.frequencies("bounded server dragon") == {"bounded": 1, "server": 20, "dragon": 0}


def test_only_stop_words_are_looked_for_as_one_phrase(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({"hamlet.txt": "To be, or not to be: that is the question.", "b.txt": "not or be to"})
    assert found(corpus, "to be or not to be") == ["hamlet.txt"]
    assert found(corpus, "who is the what?") == []


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("北京的人口约为2180万。", "北京人口"),
        ("猫は動物です。", "猫"),
        ("กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย", "เมืองหลวง"),
        ("서울은 대한민국의 수도입니다.", "서울"),
        ("हिन्दी भारत की राजभाषा है।", "हिन्दी"),
        ("Река Волга впадает в Каспийское море.", "каспийским морем"),
        ("نهر النيل أطول نهر", "النيل"),
        ("Zażółć gęślą jaźń", "ZAZOLC jazn"),
    ],
)
def test_every_script_can_be_searched(make_corpus: MakeCorpus, text: str, query: str) -> None:
    corpus = make_corpus({"a.txt": text, "b.txt": "something else"})
    assert found(corpus, query) == ["a.txt"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "?",
        '"',
        '""',
        "'",
        "*",
        "^",
        "-",
        "AND",
        "a AND",
        "NEAR(",
        "x NEAR/2 y",
        "body:x",
        "{a b}:c",
        "x*",
        "\0",
    ],
)
def test_no_character_of_a_query_is_an_operator(make_corpus: MakeCorpus, query: str) -> None:
    make_corpus({"a.txt": "x y"}).search(query)


def test_the_same_text_in_two_files_is_one_hit(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({"a.txt": "One apple.", "b.txt": "One  apple.", "c.txt": "Two apples."})
    assert len(corpus.search("apple")) == 2
    assert len(corpus.search("apple", limit=1)) == 1
    assert corpus.search("apple", limit=0) == []


def test_a_hit_in_a_very_long_line_is_the_part_that_matches(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({"min.js": "lorem ipsum " * 5_000 + "needle " + "dolor sit " * 5_000})
    (hit,) = corpus.search("needle")
    assert (hit.first_line, hit.last_line) == (1, 1)
    assert "needle" in hit.text
    assert len(hit.text) <= PASSAGE_CHARACTERS


# Passages


@given(st.text(alphabet="ab \t\n#é。", max_size=2_000))
def test_passages_hold_every_line_that_says_something_once(text: str) -> None:
    file = TextFile("f", tuple(text.split("\n")))
    numbers: list[int] = []
    for passage in passages(file):
        assert 1 <= passage.first_line <= passage.last_line <= len(file.lines)
        assert passage.text.strip()
        assert all(above.number < passage.first_line for above in passage.above)
        numbers += range(passage.first_line, passage.last_line + 1) if passage.part is None else []
    assert len(numbers) == len(set(numbers))
    long = {number for number, line in enumerate(file.lines, 1) if len(line) > PASSAGE_CHARACTERS}
    says = {number for number, line in enumerate(file.lines, 1) if any(map(str.isalnum, line))}
    assert says <= {*numbers} | long


@pytest.mark.parametrize("line", ["word " * 1_000 + "x" * 5_000, "x" * 3_000, "one two " * 200])
def test_the_parts_of_a_long_line_overlap_and_leave_nothing_out(line: str) -> None:
    """So that no sentence of ordinary length is torn apart in all of them."""
    parts = [passage.part for passage in passages(TextFile("f", (line,))) if passage.part is not None]
    assert (parts[0].start, parts[-1].stop) == (0, len(line))
    for one, other in pairwise(parts):
        assert other.start <= one.stop - PASSAGE_CHARACTERS // 5


def test_a_hit_says_what_it_stands_under(make_corpus: MakeCorpus) -> None:
    rows = "".join(f"{n},City {n},{n * 7}\n" for n in range(100, 200))
    text = "# Boats\n\nMany are for sale.\n\n## Heron\n\nAn apple-green boat.\n"
    corpus = make_corpus({"cities.csv": "id,name,mayor\n" + rows, "a.md": text})
    assert corpus.search("City 177")[0].above == ((1, "id,name,mayor"),)
    assert corpus.search("apple-green")[0].above == ((1, "# Boats"),)


# Reading


def test_reading_clips_to_the_file(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({"a.txt": "one\r\ntwo\rthree\n"})
    assert corpus.line_count("a.txt") == 3
    assert corpus.read("a.txt", -5, 99) == [(1, "one"), (2, "two"), (3, "three")]
    assert corpus.read("a.txt", 2, 2) == [(2, "two")]
    assert corpus.read("a.txt", 3, 1) == corpus.read("a.txt", 9, 12) == []


def test_a_file_may_be_named_in_any_way_that_leads_to_it(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({"sub/a.txt": "one"})
    for name in [
        "sub/a.txt",
        "./sub/a.txt",
        "sub\\a.txt",
        "sub/../sub/a.txt",
        str(corpus.root / "sub/a.txt"),
    ]:
        assert corpus.read(name, 1, 1) == [(1, "one")]


def test_an_unknown_file_is_refused_with_names_like_it(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({"docs/guide.md": "x", "other.md": "y"})
    with pytest.raises(FileNotInFolder, match=r"'guide\.md'.*did you mean 'docs/guide\.md'") as raised:
        corpus.read("guide.md", 1, 1)
    assert raised.value.near == ("docs/guide.md",)
    assert pickle.loads(pickle.dumps(raised.value)).near == raised.value.near


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../x", "..", "..\\x"])
def test_a_path_out_of_the_folder_is_refused(make_corpus: MakeCorpus, name: str) -> None:
    with pytest.raises(FileOutsideFolder):
        make_corpus({"a.txt": "x"}).read(name, 1, 1)


# Life


async def test_threads_may_search_at_the_same_time(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({f"{i}.txt": f"apple number {i}" for i in range(20)})
    results = await asyncio.gather(*(asyncio.to_thread(corpus.search, f"number {i}") for i in range(20)))
    assert [hits[0].file for hits in results] == [f"{i}.txt" for i in range(20)]


def test_a_closed_corpus_can_be_read_but_not_searched(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({"a.txt": "apple"})
    corpus.close()
    corpus.close()
    assert corpus.read("a.txt", 1, 1)
    with pytest.raises(CorpusClosed):
        corpus.search("apple")


# Anything


@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_not(data: bytes) -> None:
    text = decoded(data)
    assert text is None or "\0" not in text


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(texts=st.lists(st.text(max_size=300), min_size=1, max_size=4), query=st.text(max_size=60), data=st.data())
def test_any_query_over_any_text_gives_lines_of_the_file(texts: list[str], query: str, data: st.DataObject) -> None:
    words = [word for text in texts for word in text.split()] or ["x"]
    query = f"{query} {data.draw(st.sampled_from(words))}"
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            Path(folder, f"{number}.txt").write_bytes(text.encode(errors="ignore"))
        Path(folder, "x.txt").write_text("x")
        with Corpus.open(Path(folder)) as corpus:
            for hit in corpus.search(query):
                lines = corpus.read(hit.file, hit.first_line, hit.last_line)
                assert hit.text == "\n".join(line.text for line in lines)
                with Path(folder, hit.file).open(encoding="utf-8-sig") as file:
                    own = [line.removesuffix("\n") for line in file]
                assert [line.text for line in lines] == own[hit.first_line - 1 : hit.last_line]
                assert 0 <= hit.score <= 1
