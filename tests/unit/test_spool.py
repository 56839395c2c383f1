"""The spool's differences against plain dictionaries, and its directory."""

import fcntl
import os
import stat
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from crawlsieve.refresh.spool import PulledFile, Spool, spool_directory

TAGS = (b"feed-one", b"feed-two")


def key(tag: bytes, code: int, value: int) -> bytes:
    return bytes([1, code]) + tag + value.to_bytes(16, "big") + bytes(16)


Entries = dict[tuple[int, int], bytes]
entries = st.dictionaries(st.tuples(st.integers(1, 3), st.integers(0, 20)), st.sampled_from([b"x", b"y"]), max_size=40)


@given(entries, entries, entries, st.tuples(st.integers(0, 3), st.integers(0, 20)))
def test_differences_are_those_of_dictionaries(
    in_force: Entries, other: Entries, pulled: Entries, after: tuple[int, int]
) -> None:
    mine = {key(TAGS[0], *k): v for k, v in in_force.items()}
    others = {key(TAGS[1], *k): v for k, v in other.items()}
    wanted = {key(TAGS[0], *k): v for k, v in pulled.items()}
    start = key(TAGS[0], *after)
    with spool_directory(None) as directory:
        spool = Spool(directory, lambda: None)
        assert not spool.any_entry()
        assert spool.apply(mine | others) == {k[2:10] for k in mine | others}
        file = PulledFile(directory / "pulled")
        file.put([(k, b"older") for k in wanted])
        file.put(wanted.items())
        assert file.counts() == {code: n for code in (1, 2, 3) if (n := sum(k[1] == code for k in wanted))}
        for k in wanted:
            assert file.first_with(k[:26]) == k
        assert file.first_with(key(TAGS[0], 9, 9)[:26]) is None
        file.close()
        path = directory / "pulled"
        assert list(spool.additions(TAGS[0], path, start)) == [
            (k, v, mine.get(k)) for k, v in sorted(wanted.items()) if k > start and mine.get(k) != v
        ]
        assert list(spool.removals(TAGS[0], path, start)) == [
            (k, v) for k, v in sorted(mine.items()) if k > start and k not in wanted
        ]
        for k in mine | wanted:
            assert spool.entry(TAGS[0], k) == mine.get(k)
            assert spool.pulled_entry(path, k) == wanted.get(k)
        spool.apply(dict.fromkeys(mine))
        assert list(spool.in_force(TAGS[0])) == []
        assert list(spool.in_force(TAGS[1])) == sorted(others.items())


def test_an_unfinished_query_leaves_the_spool_usable(tmp_path: Path) -> None:
    spool = Spool(tmp_path, lambda: None)
    file = PulledFile(tmp_path / "pulled")
    file.put([(key(TAGS[0], 1, n), b"x") for n in range(1000)])
    file.close()
    for _ in spool.additions(TAGS[0], tmp_path / "pulled", b""):
        break
    spool.apply({key(TAGS[0], 1, 0): b"x"})
    assert len(list(spool.additions(TAGS[0], tmp_path / "pulled", b""))) == 999


def test_the_directory_is_private_and_leaves_nothing(tmp_path: Path) -> None:
    with spool_directory(tmp_path) as directory:
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        PulledFile(directory / "pulled").close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    for name in ("dead", "alive"):
        (tmp_path / f"crawlsieve-refresh-{name}").mkdir()
        (tmp_path / f"crawlsieve-refresh-{name}" / "lock").touch()
    lock = os.open(tmp_path / "crawlsieve-refresh-alive" / "lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with spool_directory(tmp_path):
            pass
    finally:
        os.close(lock)
    assert [path.name for path in tmp_path.iterdir()] == ["crawlsieve-refresh-alive"]
